"""The panels from the command line: the records of each run, and a page that stands alone."""

import argparse
import html
import os
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np

from longsight.errors import LongSightError
from longsight.models.model import Model, load

from . import runs, typed
from .diagnostics.clusters import PROJECTIONS
from .diagnostics.measuring import Text, look_steps
from .diagnostics.panels import PANELS, Panel, PanelOptions, Records
from .diagnostics.reading import MOST_QUERIES
from .export.files import FORMATS, file_of
from .export.page import Section, stand_alone
from .runs import Run

DEFAULT_LENGTH = 4096
MODULE = f"python -m {__spec__.name}"
EXAMPLE = """For example:

  %(prog)s entropy --model assets/models/rope-small --methods vanilla,lm-infinite --text FILE --out FOLDER
  %(prog)s nll ... --methods "vanilla;self-extend:group=4;self-extend:group=16\""""


def main(arguments: Sequence[str] | None = None, prog: str = MODULE) -> int:
    """Run one panel; returns the exit status. What cannot be done is said in one sentence, on stderr."""
    given = _parser(prog).parse_args(arguments)
    try:
        run(given)
    except (LongSightError, OSError) as problem:
        print(f"{problem}", file=sys.stderr)
        return 1
    return 0


def run(given: argparse.Namespace) -> None:
    """Measure, save, draw."""
    panel, folder = PANELS[given.panel], Path(given.out)
    formats, choice, parts = _formats(given.formats), _choice(given), runs.method_parts(given.methods)
    _check_read(panel, choice)
    folder.mkdir(parents=True, exist_ok=True)
    model = load(given.model, device=given.device)
    texts = [read_text(model, Path(path), given.length) for path in given.text]
    longest = max(len(text.ids) for text in texts)
    chosen = runs.make_runs([runs.read_one(model, part, longest) for part in parts])
    records = [_look(model, texts, each, panel, choice) for each in chosen]
    for each, measured in zip(chosen, records, strict=True):
        for name, record in zip(panel.names(choice), measured, strict=True):
            for kind in formats:
                (folder / f"{name}-{each.id}.{kind}").write_bytes(file_of(record, kind))
    page = make_page(panel, chosen, records, choice)
    path = folder / f"{panel.key}.html"
    path.write_text(page, encoding="utf-8")
    print(path)


def read_text(model: Model, path: Path, length: int) -> Text:
    """The first `length` tokens of a file of plain text in UTF-8."""
    if model.tokenizer is None:
        raise LongSightError(f"{model.name} has no tokenizer, so it cannot read {path}; choose another model.")
    if length < 1:
        raise LongSightError(f"--length must be at least 1 token, but {length:,} was given.")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as problem:
        raise LongSightError(f"{path} is no plain text in UTF-8 ({problem.reason}); save it as that.") from problem
    ids = model.tokenizer(text, add_special_tokens=False, split_special_tokens=True, verbose=False)["input_ids"]
    if not ids:
        raise LongSightError(f"{path} has no text in it; give a file with words.")
    return Text(path.name, np.array(ids[:length]))


def make_page(panel: Panel, chosen: Sequence[Run], records: Sequence[Records], choice: PanelOptions) -> str:
    """The panel's figures, with its sentences and what it has to say of each run in words."""
    words = [(each[0].caption, panel.words(each, choice)) for each in records]
    more = "".join(f"<h3>{html.escape(caption)}</h3>{text}" for caption, text in words if text)
    captions = "; ".join(each[0].caption for each in records)
    source = f"{records[0][0].model} with {captions}. Compare: {panel.paper}."
    figures = {drawn.name: drawn.figure for drawn in panel.draw(chosen, records, choice)}
    section = Section(panel.title, panel.look, source, figures, more)
    return stand_alone(f"LongSight: {panel.title}", [section])


def _look(model: Model, texts: Sequence[Text], each: Run, panel: Panel, choice: PanelOptions) -> Records:
    steps = look_steps(model, texts, each.method, panel, choice)
    try:
        while True:
            step = next(steps)
            told = f"\r{each.label}: {step.doing}, {step.done:,} of {step.total:,} tokens"
            print(told, end="", file=sys.stderr, flush=True)
    except StopIteration as finished:
        return finished.value
    finally:
        print(file=sys.stderr)


def _check_read(panel: Panel, choice: PanelOptions) -> None:
    """Raise `LongSightError` for what was chosen and would be passed over."""
    read = {*panel.reads, "most"} | ({"cells"} if "queries" in panel.reads else set())
    changed = [spec.name for spec in fields(PanelOptions) if getattr(choice, spec.name) != spec.default]
    if unread := [f"--{name}" for name in changed if name not in read]:
        offered = ", ".join(f"--{name}" for name in panel.reads)
        raise LongSightError(f"{panel.title} does not read {', '.join(unread)}; it reads {offered}.")
    ranges = [f"--{name}" for name in changed if name in ("queries", "keys", "cells")]
    if ranges and choice.one_head is None:
        raise LongSightError(f"{', '.join(ranges)} is of one head's map; choose it by one --layers and one --heads.")


def _choice(given: argparse.Namespace) -> PanelOptions:
    return PanelOptions(
        layers=typed.numbers("--layers", given.layers),
        heads=typed.numbers("--heads", given.heads),
        most=given.most_queries,
        queries=typed.span("--queries", given.queries),
        keys=typed.span("--keys", given.keys),
        cells=given.cells,
        smoothing=given.smoothing,
        projection=given.projection,
        axes=given.axes,
        starting=given.starting,
        mark=given.mark,
    )


def _formats(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in FORMATS]
    if unknown or not names:
        raise LongSightError(
            f"There is no format {', '.join(map(repr, unknown)) or 'named'}; there are {', '.join(FORMATS)}."
        )
    return list(dict.fromkeys(names))


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=prog,
        description="One panel, saved as a page and as data.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("panel", choices=list(PANELS), help="; ".join(f"{p.key}: {p.paper}" for p in PANELS.values()))
    parser.add_argument("--model", required=True, help="a folder, or a name on the Hub")
    parser.add_argument("--methods", required=True, help="as in vanilla,lm-infinite or vanilla;self-extend:group=4")
    parser.add_argument("--text", required=True, nargs="+", help="a file in UTF-8; clusters shows up to four")
    parser.add_argument("--out", required=True, help="a folder for what is made")
    parser.add_argument("--length", type=int, default=DEFAULT_LENGTH, help="how many tokens of the text are read")
    parser.add_argument("--layers", help="numbers from 0, as in 0,2,5 or 0-3; clusters: depths, 0 is the embedding")
    parser.add_argument("--heads", help="likewise")
    parser.add_argument("--most-queries", type=int, default=MOST_QUERIES, help="measured at most; others are left out")
    parser.add_argument("--queries", metavar="FIRST:END", help="attention with one layer and head: a range of tokens")
    parser.add_argument("--keys", metavar="FIRST:END", help="likewise")
    parser.add_argument("--cells", type=int, default=PanelOptions.cells, help="a side of the large attention map")
    parser.add_argument("--smoothing", type=int, default=PanelOptions.smoothing, help="nll: tokens that are averaged")
    parser.add_argument("--projection", choices=list(PROJECTIONS), default=PanelOptions.projection, help="clusters")
    parser.add_argument("--axes", type=int, choices=(2, 3), default=PanelOptions.axes, help="clusters: dimensions")
    parser.add_argument(
        "--starting", type=int, default=PanelOptions.starting, help="first tokens that count as starting"
    )
    parser.add_argument("--mark", type=int, help="a position to mark")
    parser.add_argument("--formats", default="npz", help=f"of the records, with commas: {','.join(FORMATS)}")
    parser.add_argument("--device", help="cpu, cuda ...; the best there is")
    return parser


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    sys.exit(main())
