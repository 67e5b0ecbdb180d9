"""Make what ships in assets/samples/: the example documents, and the finished runs that the page opens with.

python -m app.record documents BOOKS  from plain-text books in the public domain, one .txt file each
python -m app.record chat             what the chat opens with: questions about a document, really answered
python -m app.record diagnostics      what the diagnostics open with: a document, really measured
python -m app.record passkey          what the passkey panel opens with: a real grid, some minutes on two cores; that of
                                      SmolLM2-135M with --lengths 4096 8192 12288 --trials 1
                                      --methods "vanilla;lm-infinite;self-extend"

Each but the first records one model, `--model`, for which alone it is shown.
"""

import argparse
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path

from analysis.diagnostics.options import PanelOptions
from analysis.diagnostics.panels import PANELS
from analysis.evaluation.passkey_grid import GridProgress, fill_steps, new_grid
from analysis.evaluation.tasks.passkey import Passkey
from analysis.export.files import to_json
from analysis.runs import make_runs
from app.panels.diagnostics import FIRST, drawn
from app.panels.method_controls import FIRST_METHODS
from app.session import answer_view, document_loading, measurements, model_catalogue, questions, side_by_side
from app.session.documents import Document, at_once
from app.session.finished_examples import CHAT, DIAGNOSTICS, PASSKEY, place
from app.session.measurement_request import MeasurementRequest
from app.session.samples import SAMPLES, SampleDocument, samples
from app.session.sessions import Session
from longsight.errors import LongSightError
from longsight.generation.prefill import StepSize
from longsight.generation.text_encoding import encoder_of
from longsight.models.model import Model
from longsight.progress import finish, mapped

KEY_SENTENCE = "The pass key is {key}. Remember it. {key} is the pass key."
GRASS = "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again."
PREAMBLE = (
    "There is an important info hidden inside a lot of irrelevant text. Find it and memorize it. I will quiz you about "
    "the important information there.\n"
)
QUESTION = "What is the pass key?"
LONGEST = 32  # tokens of an answer
TIMES = 4  # trained lengths that the diagnostics read, where the document has as many

BOOKS = (
    # key, title, file, characters, depth of the pass key, pass key, source
    (
        "hound", "The Hound of the Baskervilles, its beginning", "arthur-conan-doyle_the-hound-of-the-baskervilles.txt",
        20_000, 0.35, 40917,
        "Arthur Conan Doyle, The Hound of the Baskervilles (1902), its beginning; in the public domain",
    ),
    (
        "chapters", "Dracula, its first chapters", "bram-stoker_dracula.txt", 42_000, 0.15, 28461,
        "Bram Stoker, Dracula (1897), its first chapters; in the public domain",
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


def record_chat(model: Model, asked: Sequence[str]) -> None:
    """Let the model answer for real, and keep the last picture of the conversation."""
    entry = longer_than(model, list(samples().values()))
    session = Session()
    _take(session, entry.document(), model)
    methods = [model.method(key, document_loading.target_length(session, model)) for key in FIRST_METHODS]
    for text in asked or [entry.question]:
        finish(questions.ask_steps(session, model, questions.check_question(text, methods, LONGEST, 0, 0)))
    note = f"A finished example, recorded with {model.name} on {_today()}. Ask your own question below."
    shown = answer_view.conversation(session.turns, note)  # no question of the visitor's is among them
    _keep(model, CHAT, json.dumps(shown, indent=1, ensure_ascii=False))
    for turn in shown["turns"]:
        for cell in turn["cells"]:
            print(f"{cell['title']}: {cell['text']!r}  ({cell['status']})")


def record_diagnostics(model: Model) -> None:
    """Let the diagnostics measure for real, and keep their figures; texts would take too much room."""
    entry = longer_than(model, list(samples().values())[1:])  # prose
    session, panel = Session(), PANELS[FIRST]
    _take(session, entry.document(), model)
    texts = measurements.read_texts(session, model, panel, TIMES * model.train_length, ())
    runs = make_runs([model.method(key, len(texts[0].ids)) for key in FIRST_METHODS])
    request = MeasurementRequest(model, panel, texts, runs, PanelOptions())
    *_, last = (view.figures for view in measurements.measure_steps(session, request) if view.figures is not None)
    note = (
        f"A finished example, recorded with {model.name} on {_today()}: {len(texts[0].ids):,} tokens of "
        f"{texts[0].name}. Press Run to measure your own text."
    )
    value = {**drawn(last), "note": note, "texts": []}
    _keep(model, DIAGNOSTICS, json.dumps(value, indent=1, ensure_ascii=False))


def longer_than(model: Model, entries: Sequence[SampleDocument]) -> SampleDocument:
    """The first example document that is longer than the model's training."""
    encoder = encoder_of(model.tokenizer)
    return next(
        entry for entry in entries if len(finish(encoder.steps(entry.document().text)).ids) > model.train_length
    )


def _keep(model: Model, file: str, text: str) -> None:
    path = place(model.name, file)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n", encoding="utf-8")
    print(f"{path.relative_to(SAMPLES)}: {path.stat().st_size:,} bytes")


def _today() -> str:
    return f"{date.today():%-d %B %Y}"


PASSKEY_METHODS = "truncation;lm-infinite;self-extend:group=4,window=128"  # a group so small that its reach shows
PASSKEY_LENGTHS, PASSKEY_DEPTHS, PASSKEY_TRIALS = (256, 512, 1024, 2048, 4096), (0, 0.25, 0.5, 0.75, 1), 4


def record_passkey(model: Model, methods: str, lengths: Sequence[int], trials: int) -> None:
    """Let the model look for pass keys for real, asked as suits it."""
    runs = side_by_side.read(model, methods, lengths[-1])
    grid = new_grid(model, Passkey(), runs, lengths, PASSKEY_DEPTHS, trials, seed=0)

    def tell(step: GridProgress) -> None:
        if step.problem:
            raise LongSightError(step.problem)
        if step.result is not None:
            print(f"{step.record().done} of {grid.found.size} trials", end="\r", flush=True)

    grid = finish(mapped(fill_steps(model, grid), tell))
    _keep(model, PASSKEY, to_json(grid))
    for method, found in zip(grid.caption.tolist(), grid.found, strict=True):
        print(f"{method}: found {found.sum((1, 2)).astype(int).tolist()} of {found[0].size} at each length")


def _take(session: Session, document: Document, model: Model) -> None:
    finish(document_loading.take_steps(session, model, at_once(lambda: document)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("documents").add_argument("books", type=Path)
    recorders: dict[str, Callable[..., None]] = {
        "chat": record_chat,
        "diagnostics": record_diagnostics,
        "passkey": record_passkey,
    }
    for name in recorders:
        commands.add_parser(name).add_argument("--model", default=None, help="the first of the page's list")
    commands.choices["chat"].add_argument(
        "--question", dest="asked", action="append", default=[], help="asked one after the other; the document's"
    )
    passkey = commands.choices["passkey"]
    passkey.add_argument("--methods", default=PASSKEY_METHODS, help="as the page has them in its address")
    passkey.add_argument("--lengths", type=int, nargs="+", default=PASSKEY_LENGTHS, help="ascending [tokens]")
    passkey.add_argument("--trials", type=int, default=PASSKEY_TRIALS, help="keys at each length and depth")
    asked = vars(parser.parse_args())
    StepSize.FEWEST = 1024  # nobody waits for the next picture
    if (command := asked.pop("command")) == "documents":
        write_documents(asked["books"])
    else:
        recorders[command](model_catalogue.model(asked.pop("model") or model_catalogue.names()[0]), **asked)


if __name__ == "__main__":
    main()
