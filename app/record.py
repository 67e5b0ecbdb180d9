"""Make what ships in assets/samples/: the example documents, and the finished runs that the page opens with.

python -m app.record documents BOOKS    from plain-text books in the public domain, one .txt file each
python -m app.record first-sight        a real run of the embedded model on the first example document
python -m app.record first-measurement  what the diagnostics open with: the second one, really measured
python -m app.record passkey            what the passkey panel opens with: a real grid, some minutes on two cores
"""

import argparse
import json
import re
from dataclasses import asdict
from datetime import date
from pathlib import Path

from analysis.diagnostics.options import PanelOptions
from analysis.diagnostics.panels import PANELS
from analysis.evaluation.passkey_grid import GridProgress, fill_steps, new_grid
from analysis.evaluation.tasks.passkey import Passkey
from analysis.export.files import to_json
from analysis.runs import make_runs
from app.panels.diagnostics import FIRST, FIRST_MEASUREMENT, LENGTH, drawn
from app.panels.method_controls import FIRST_METHODS
from app.session import answer_view, document_loading, measurements, model_catalogue, questions, side_by_side
from app.session.documents import Document
from app.session.measurement_request import MeasurementRequest
from app.session.passkey_grids import EXAMPLE
from app.session.samples import SAMPLES, SampleDocument, samples
from app.session.sessions import Session
from longsight.errors import LongSightError
from longsight.progress import finish, mapped

KEY_SENTENCE = "The pass key is {key}. Remember it. {key} is the pass key."
GRASS = "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again."
PREAMBLE = (
    "There is an important info hidden inside a lot of irrelevant text. Find it and memorize it. I will quiz you about "
    "the important information there.\n"
)
QUESTION = "What is the pass key?"

BOOKS = (
    # key, title, file, characters, depth of the pass key, pass key, source
    (
        "hound", "The Hound of the Baskervilles, its beginning", "arthur-conan-doyle_the-hound-of-the-baskervilles.txt",
        20_000, 0.35, 40917,
        "Arthur Conan Doyle, The Hound of the Baskervilles (1902), its beginning; in the public domain",
    ),
    (
        "dracula", "Dracula, the first third", "bram-stoker_dracula.txt", 280_000, 0.5, 73164,
        "Bram Stoker, Dracula (1897), its first third; in the public domain",
    ),
)  # fmt: skip


def write_documents(books: Path) -> None:
    """Write the example documents and their list."""
    entries = [_write_grass()]
    for key, title, file, characters, depth, pass_key, source in BOOKS:
        text = (books / file).read_text(encoding="utf-8").strip()[:characters]
        text = text[: text.rfind(". ") + 1]
        (SAMPLES / f"{key}.txt").write_text(hide(text, pass_key, depth), encoding="utf-8")
        note = f"{source}. The pass key {pass_key} was hidden {depth:.0%} of the way in."
        entries.append(SampleDocument(key, title, note, QUESTION))
    listing = json.dumps([asdict(entry) for entry in entries], indent=2, ensure_ascii=False)
    (SAMPLES / "samples.json").write_text(listing + "\n", encoding="utf-8")


def _write_grass() -> SampleDocument:
    text = PREAMBLE + " ".join([GRASS] * 70)
    (SAMPLES / "grass.txt").write_text(hide(text, 86409, 0.5), encoding="utf-8")
    source = (
        "The filler sentences of the passkey task of Mohtashami and Jaggi 2023 (arXiv 2305.16300), repeated 70 times. "
        "The pass key 86409 was hidden half-way."
    )
    return SampleDocument("grass", "The papers' pass key text", source, QUESTION)


def hide(text: str, pass_key: int, depth: float) -> str:
    """`text` with the pass key stated once, after the sentence that ends nearest before `depth` (0 to 1) of it."""
    ends = [found.end() for found in re.finditer(r"[.!?][\"']? ", text[: int(len(text) * depth)])]
    at = ends[-1]
    return f"{text[:at]}{KEY_SENTENCE.format(key=pass_key)} {text[at:]}"


def record_first_sight(model_name: str) -> None:
    """Let the embedded model answer for real, and keep the last picture of the conversation."""
    model, entry = model_catalogue.model(model_name), next(iter(samples().values()))
    session = Session()
    _take(session, entry.document(), model_name)
    methods = [model.method(key, document_loading.target_length(session, model)) for key in FIRST_METHODS]
    finish(questions.ask_steps(session, model, questions.check_question(entry.question, methods, 64, 0, 0)))
    note = f"A finished example, recorded with {model.name} on {date.today():%-d %B %Y}. Ask your own question below."
    shown = answer_view.conversation(session.turns, note)  # no question of the visitor's is among them
    (SAMPLES / "first_sight.json").write_text(json.dumps(shown, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for turn in shown["turns"]:
        for cell in turn["cells"]:
            print(f"{cell['title']}: {cell['text']!r}  ({cell['status']})")


def record_first_measurement(model_name: str) -> None:
    """Let the diagnostics measure for real, and keep their figures; texts would take too much room."""
    model, entry = model_catalogue.model(model_name), list(samples().values())[1]
    session, panel = Session(), PANELS[FIRST]
    _take(session, entry.document(), model_name)
    texts = measurements.read_texts(session, model, panel, LENGTH, ())
    runs = make_runs([model.method(key, len(texts[0].ids)) for key in FIRST_METHODS])
    request = MeasurementRequest(model, panel, texts, runs, PanelOptions())
    *_, last = (view.figures for view in measurements.measure_steps(session, request) if view.figures is not None)
    note = (
        f"A finished example, recorded with {model.name} on {date.today():%-d %B %Y}: {len(texts[0].ids):,} tokens of "
        f"{texts[0].name}. Press Run to measure your own text."
    )
    value = {**drawn(last), "note": note, "texts": []}
    FIRST_MEASUREMENT.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{FIRST_MEASUREMENT.name}: {FIRST_MEASUREMENT.stat().st_size:,} bytes")


PASSKEY_METHODS = "truncation;lm-infinite;self-extend:group=4,window=128"
PASSKEY_LENGTHS, PASSKEY_DEPTHS, PASSKEY_TRIALS = (256, 512, 1024, 2048, 4096), (0, 0.25, 0.5, 0.75, 1), 4


def record_passkey(model_name: str) -> None:
    """Let the embedded model look for pass keys for real; SelfExtend with a group so small that its reach shows."""
    model = model_catalogue.model(model_name)
    methods = side_by_side.read(model, PASSKEY_METHODS, PASSKEY_LENGTHS[-1])
    grid = new_grid(model, Passkey(), methods, PASSKEY_LENGTHS, PASSKEY_DEPTHS, PASSKEY_TRIALS, seed=0)

    def tell(step: GridProgress) -> None:
        if step.problem:
            raise LongSightError(step.problem)
        if step.result is not None:
            print(f"{step.record().done} of {grid.found.size} trials", end="\r", flush=True)

    grid = finish(mapped(fill_steps(model, grid), tell))
    EXAMPLE.write_text(to_json(grid) + "\n", encoding="utf-8")
    for method, found in zip(grid.caption.tolist(), grid.found, strict=True):
        print(f"{method}: found {found.sum((1, 2)).astype(int).tolist()} of {found[0].size} at each length")


def _take(session: Session, document: Document, model_name: str) -> None:
    finish(document_loading.take_steps(session, model_catalogue.model(model_name), document))


RECORDED = {"first-sight": record_first_sight, "first-measurement": record_first_measurement, "passkey": record_passkey}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("documents").add_argument("books", type=Path)
    for name in RECORDED:
        commands.add_parser(name).add_argument("--model", default=None)
    asked = parser.parse_args()
    if asked.command == "documents":
        write_documents(asked.books)
    else:
        RECORDED[asked.command](asked.model or model_catalogue.names()[0])


if __name__ == "__main__":
    main()
