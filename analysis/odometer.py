"""A text without end from the command line: how perplexity, speed and memory stay along millions of tokens."""

if __name__ == "__main__":  # before torch is imported
    from longsight.processor import wait_asleep

    wait_asleep()

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from longsight.errors import LongSightError
from longsight.generation.text_encoding import encoder_of
from longsight.models.model import load

from . import runs
from .evaluation.endless import saved_reading
from .evaluation.endless.long_reader import CHUNK, LongReading
from .evaluation.endless.long_text import text_of_file
from .evaluation.endless.odometer_figure import LOOK, PAPER, odometer_figures
from .evaluation.endless.odometer_record import OdometerRecord, record_of
from .evaluation.memory import give_back
from .export.files import FORMATS, read_formats, save_as
from .export.page import Section, stand_alone
from .runs import typed

MODULE = f"python -m {__spec__.name}"
NAME = "odometer"
OUT = "results/odometer"
STOPPED = 130
"""What a shell expects of a command that was interrupted."""
EXAMPLE = """For example:

  %(prog)s assets/models/rope-small --methods lm-infinite,streaming-llm --tokens 10M --text BOOK.txt

The same command goes on where it was stopped, however it was stopped; with more --tokens it goes on from its end."""


def main(arguments: Sequence[str] | None = None, prog: str = MODULE) -> int:
    """Read on, and write what was measured; returns the exit status."""
    given = _parser(prog).parse_args(arguments)
    try:
        run(given)
    except (LongSightError, OSError) as problem:
        print(f"{problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on from the last position that was saved.", file=sys.stderr)
        return STOPPED
    return 0


def run(given: argparse.Namespace) -> None:
    """Read, save, draw."""
    folder, parts, formats = Path(given.out), runs.method_parts(given.methods), read_formats(given.formats)
    tokens = typed.count("--tokens", given.tokens)
    lap = None if given.lap is None else typed.count("--lap", given.lap)
    folder.mkdir(parents=True, exist_ok=True)
    model = load(given.model, device=given.device).on_suited_threads()
    texts = [text_of_file(encoder_of(model.tokenizer), Path(path)) for path in given.text]
    methods = [runs.read_one(model, part, tokens).while_reading for part in parts]
    reading = LongReading(model, methods, texts, tokens, chunk=given.chunk, lap=lap, tidy=give_back)
    saved_reading.go_on(reading, folder)
    read(reading, folder, given.every)
    record = record_of(reading, str(model.device))
    save_as(record, folder, NAME, formats)
    path = folder / f"{NAME}.html"
    path.write_text(make_page(record), encoding="utf-8")
    print(path)


def read(reading: LongReading, folder: Path, every: float) -> None:
    """Read to the end, showing how far it is, and saving every so many seconds."""
    saved = time.monotonic()
    with tqdm(
        total=reading.tokens, initial=reading.position, unit="tok", unit_scale=True, mininterval=1.0, smoothing=0.05
    ) as bar:
        for step in reading.steps():
            bar.set_postfix_str(said(reading), refresh=False)
            bar.update(step.done - bar.n)
            if time.monotonic() - saved >= every:
                saved_reading.save(reading, folder)
                saved = time.monotonic()
    saved_reading.save(reading, folder)


def said(reading: LongReading) -> str:
    """The running negative log-likelihood of each method [nats], and the memory of the process."""
    if not reading.stretches:
        return ""
    known = sum(stretch.known for stretch in reading.stretches)
    sums = [sum(each) for each in zip(*(stretch.nll for stretch in reading.stretches), strict=True)]
    parts = [f"{method.title} {total / max(known, 1):.3f}" for method, total in zip(reading.methods, sums, strict=True)]
    return f"NLL {', '.join(parts)}; {reading.stretches[-1].resident / 1e6:,.0f} MB"


def make_page(record: OdometerRecord) -> str:
    """The figures with their sentences, as a page that stands alone."""
    texts = f"{len(record.texts)} texts" if len(record.texts) > 1 else record.texts[0]
    laps = int(record.lap[-1])
    again = f", which began again {laps:,} times" if laps else ""
    source = (
        f"{record.model} with {'; '.join(record.caption.tolist())}: {record.tokens:,} tokens of {texts}{again}. "
        f"Compare: {PAPER}."
    )
    figures = {drawn.name: drawn.figure for drawn in odometer_figures(record)}
    return stand_alone("LongSight: Odometer", [Section("Odometer", LOOK, source, figures)])


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Read a text of any length with methods whose cache does not grow; saved as a page and as data.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", help="a folder, a .gguf file or a name on the Hub")
    parser.add_argument("--methods", required=True, help="as in lm-infinite,streaming-llm or lm-infinite:window=256")
    parser.add_argument("--tokens", required=True, help="how many tokens are read: 10M, 512k, 2,000,000")
    parser.add_argument(
        "--text", required=True, nargs="+",
        help="files (plain text, PDF, EPUB, Word, HTML), read one after the other; after the last they begin again. "
        "Plain text in UTF-8 may be of any size; of other files the text is held whole while it is read",
    )  # fmt: skip
    parser.add_argument(
        "--out",
        default=OUT,
        help="a folder for what is made, and for what a next run goes on from (default: %(default)s)",
    )
    parser.add_argument("--lap", help="begin the texts again after so many tokens, so that every lap has the same ones")
    parser.add_argument("--chunk", type=int, default=CHUNK, help="tokens that are read at once")
    parser.add_argument("--every", type=float, default=60.0, help="seconds between two savings")
    parser.add_argument("--formats", default="json", help=f"of the record, with commas: {','.join(FORMATS)}")
    parser.add_argument("--device", help="cpu, cuda ...; the best there is")
    return parser


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    sys.exit(main())
