"""The panels from the command line: the records of each run, and a page that stands alone."""

if __name__ == "__main__":  # before torch is imported
    from longsight.processor import wait_asleep

    wait_asleep()

import argparse
import html
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from longsight.errors import LongSightError
from longsight.generation.text_encoding import encoder_of
from longsight.models.model import Model, load
from longsight.progress import finish, mapped

from . import runs
from .diagnostics.base import Panel, Records
from .diagnostics.measuring import PartialRecords, Text, measure_steps
from .diagnostics.options import OPTIONS, PanelOptions
from .diagnostics.panels import PANELS
from .documents.reading_files import read_path
from .export.files import FORMATS, read_formats, save_as
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
    formats, options, parts = read_formats(given.formats), _options(given), runs.method_parts(given.methods)
    _check_read(panel, options)
    folder.mkdir(parents=True, exist_ok=True)
    model = load(given.model, device=given.device).on_suited_threads()
    texts = [read_text(model, Path(path), given.length) for path in given.text]
    longest = max(len(text.ids) for text in texts)
    chosen = runs.make_runs([runs.read_one(model, part, longest) for part in parts])
    records = [_measure(model, texts, each, panel, options) for each in chosen]
    for each, measured in zip(chosen, records, strict=True):
        for name, record in zip(panel.names(options), measured, strict=True):
            save_as(record, folder, f"{name}-{each.id}", formats)
    page = make_page(panel, chosen, records, options)
    path = folder / f"{panel.key}.html"
    path.write_text(page, encoding="utf-8")
    print(path)


def read_text(model: Model, path: Path, length: int) -> Text:
    """The first `length` tokens of a file; what is to be said of how it was read is said on stderr."""
    if model.tokenizer is None:
        raise LongSightError(f"{model.name} has no tokenizer, so it cannot read {path}; choose another model.")
    if length < 1:
        raise LongSightError(f"--length must be at least 1 token, but {length:,} was given.")
    read = read_path(path)
    if read.note:
        print(f"{path.name}: {read.said}", file=sys.stderr)
    ids = finish(encoder_of(model.tokenizer).steps(read.text)).ids
    return Text(path.name, ids[:length])


def make_page(panel: Panel, chosen: Sequence[Run], records: Sequence[Records], options: PanelOptions) -> str:
    """The panel's figures, with its sentences and what it has to say of each run in words."""
    words = [(each[0].caption, panel.words(each, options)) for each in records]
    more = "".join(f"<h3>{html.escape(caption)}</h3>{text}" for caption, text in words if text)
    captions = "; ".join(each[0].caption for each in records)
    source = f"{records[0][0].model} with {captions}. Compare: {panel.paper}."
    figures = {drawn.name: drawn.figure for drawn in panel.draw(chosen, records, options)}
    section = Section(panel.title, panel.look, source, figures, more)
    return stand_alone(f"LongSight: {panel.title}", [section])


def _measure(model: Model, texts: Sequence[Text], each: Run, panel: Panel, options: PanelOptions) -> Records:
    def tell(step: PartialRecords) -> None:
        told = f"\r{each.label}: {step.doing}, {step.done:,} of {step.total:,} tokens"
        print(told, end="", file=sys.stderr, flush=True)

    try:
        return finish(mapped(measure_steps(model, texts, each.method, panel, options), tell))
    finally:
        print(file=sys.stderr)


def _check_read(panel: Panel, options: PanelOptions) -> None:
    """Raise `LongSightError` for what was chosen and would be passed over."""
    if unread := [_flag(name) for name in options.changed if name not in panel.reads]:
        offered = ", ".join(_flag(name) for name in panel.reads)
        raise LongSightError(f"{panel.title} does not read {', '.join(unread)}; it reads {offered}.")
    if unheeded := [_flag(name) for name in options.unheeded]:
        raise LongSightError(f"{', '.join(unheeded)} is of one head's map; choose it by one --layers and one --heads.")


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _options(given: argparse.Namespace) -> PanelOptions:
    typed = {name: getattr(given, name) for name in OPTIONS}
    return PanelOptions(
        **{name: OPTIONS[name].parse(_flag(name), text) for name, text in typed.items() if text is not None}
    )


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=prog,
        description="One panel, saved as a page and as data.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    several = ", ".join(f"{panel.key} shows up to {panel.texts}" for panel in PANELS.values() if panel.texts > 1)
    parser.add_argument("panel", choices=list(PANELS), help="; ".join(f"{p.key}: {p.paper}" for p in PANELS.values()))
    parser.add_argument("--model", required=True, help="a folder, a .gguf file or a name on the Hub")
    parser.add_argument("--methods", required=True, help="as in vanilla,lm-infinite or vanilla;self-extend:group=4")
    parser.add_argument(
        "--text", required=True, nargs="+", help=f"a file (plain text, PDF, EPUB, Word, HTML); {several}"
    )
    parser.add_argument("--out", required=True, help="a folder for what is made")
    parser.add_argument("--length", type=int, default=DEFAULT_LENGTH, help="how many tokens of the text are read")
    for name, option in OPTIONS.items():
        readers = ", ".join(panel.key for panel in PANELS.values() if name in panel.reads)
        parser.add_argument(_flag(name), help=f"{readers}: {option.help}")
    parser.add_argument("--formats", default="npz", help=f"of the records, with commas: {','.join(FORMATS)}")
    parser.add_argument("--device", help="cpu, cuda ...; the best there is")
    return parser


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    sys.exit(main())
