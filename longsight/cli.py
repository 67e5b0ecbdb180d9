"""`longsight COMMAND`, in a checkout `python -m longsight COMMAND`: what can be done from a shell.

A command is a module with `main(arguments, prog)` that returns the exit status. Only the one that is asked for is
imported, and only after the packages of its extras are known to be there.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module, metadata
from importlib.util import find_spec

from packaging.requirements import Requirement

from longsight import __version__
from longsight.errors import LongSightError
from longsight.processor import wait_asleep

ANALYSIS = "longsight.analysis" if find_spec("longsight.analysis") else "analysis"
"""Where the analysis lies: inside the installed library, but beside it in a checkout."""


@dataclass(frozen=True)
class Command:
    """The module that carries a command out, the line about it, and the extras of the distribution that it needs."""

    module: str
    help: str
    extras: tuple[str, ...] = ()


COMMANDS = {
    "doctor": Command("longsight.doctor", "what would happen to a model, before anyone builds on it"),
    "heads": Command(
        f"{ANALYSIS}.diagnostics.heads", "which heads see everything under duo, found in a model or read from a file"
    ),
    "look": Command(f"{ANALYSIS}.look", "one diagnostic of a model on a text, as a page and as data", ("drawing",)),
    "odometer": Command(
        f"{ANALYSIS}.odometer",
        "millions of tokens, read with perplexity, speed and memory at every position",
        ("drawing", "evaluation"),
    ),
    "evaluate": Command(
        f"{ANALYSIS}.evaluate", "methods on the lengths of a task, resumable", ("drawing", "evaluation")
    ),
    "report": Command(f"{ANALYSIS}.report", "what was evaluated, as tables and figures", ("drawing", "evaluation")),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Hand the command its arguments; returns its exit status, or 1 and one sentence when it lacks an extra."""
    given = _parser().parse_args(arguments)
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # read when huggingface_hub is imported
    wait_asleep()
    try:
        require(given.command)
    except LongSightError as problem:
        print(problem, file=sys.stderr)
        return 1
    return import_module(COMMANDS[given.command].module).main(given.arguments, f"longsight {given.command}")


def require(name: str) -> None:
    """Raise `LongSightError` unless the packages of a command's extras are installed."""
    extras = COMMANDS[name].extras
    if absent := [package for extra in extras for package in packages_of(extra) if not _installed(package)]:
        raise LongSightError(
            f"longsight {name} needs {', '.join(absent)}, which this Python does not have: "
            f"pip install 'longsight[{','.join(extras)}]'"
        )


def packages_of(extra: str) -> Iterator[str]:
    """The packages that an extra of the installed LongSight adds; none in a checkout, which follows its own pins."""
    try:
        needed = [Requirement(line) for line in metadata.requires("longsight") or []]
    except metadata.PackageNotFoundError:
        return
    for requirement in needed:
        if requirement.marker and requirement.marker.evaluate({"extra": extra}):
            yield requirement.name


def _installed(package: str) -> bool:
    try:
        metadata.distribution(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def _parser() -> argparse.ArgumentParser:
    about = "\n".join(f"  {name:10}{command.help}" for name, command in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="longsight",
        description="See how a language model reads past the length it was trained on, and repair it.",
        epilog=f"commands:\n{about}\n\nEach has its own --help.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help="one of those below")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...", help="what the command takes")
    return parser
