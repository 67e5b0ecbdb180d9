"""What the panels show on an embedded model and books that it never saw: `python -m docs.findings --corpus DIR`.

Measures, draws the figures, and writes docs/findings.md. Every number in that page, and every "as in the paper", comes
from here; so another model needs no more than another run.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from analysis.diagnostics.attention import MassProbe, MassRecord
from analysis.diagnostics.clusters import ClusterRecord, clusters_figure, project
from analysis.diagnostics.entropy import EntropyProbe, EntropyRecord, entropy_figure
from analysis.diagnostics.hidden_states import HiddenProbe, HiddenRecord
from analysis.diagnostics.logits import LogitProbe, LogitRecord, logits_figure
from analysis.diagnostics.nll import NLLProbe, NLLRecord, nll_figure
from analysis.diagnostics.probing import measure
from analysis.diagnostics.sinks import SinkProbe, SinkRecord
from analysis.evaluation.endless.odometer_figure import odometer_figures
from analysis.evaluation.endless.odometer_record import OdometerRecord
from analysis.export.files import from_json
from analysis.runs import Run, make_runs
from docs import pictures
from docs.reading import page
from longsight.models.model import Model, load
from training.corpus import CorpusText, read_corpus

ROOT = Path(__file__).resolve().parent.parent
PAGE, PICTURES = ROOT / "docs" / "findings.md", ROOT / "docs" / "findings"
MODEL = "assets/models/rope-small"
ODOMETER = ROOT / "assets" / "samples" / "finished" / "rope-small" / "odometer.json"
METHODS = ("vanilla", "ceiling", "lambda", "window", "lm-infinite", "self-extend")
"""Whose numbers are compared; the figures show fewer."""


@dataclass(frozen=True)
class Looked:
    """One method's look at one book."""

    logits: LogitRecord
    entropy: EntropyRecord
    mass: MassRecord
    sinks: SinkRecord
    nll: NLLRecord


@dataclass(frozen=True)
class Numbers:
    """What the page tells of one method: means over books, layers and heads. `inside`: the second half of the trained
    length; `outside`: as many tokens at the end of the text."""

    logit: tuple[float, float]
    highest: tuple[float, float]  # of the layer in which it grows most
    entropy: tuple[float, float]
    nll: tuple[float, float]
    starting: float  # share of attention on the starting tokens, inside


@dataclass(frozen=True)
class Findings:
    """All that the page is written from."""

    model: str
    train_length: int
    length: int
    books: tuple[str, ...]
    methods: dict[str, Numbers]
    titles: dict[str, str]
    clusters: ClusterRecord
    separation: list[list[float]]  # for each depth: starting tokens, and ordinary runs; means over books
    sink: float  # the largest share of heads in which one token is a sink
    bound: float  # the largest ln n - 2B of any head [nats]
    first: int  # how many tokens count as starting ones
    odometer: OdometerRecord  # of the same model, as it ships


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m docs.findings", description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True, help="a folder of texts; its validation part is read")
    parser.add_argument("--model", default=str(ROOT / MODEL), help="a folder with a model and its tokenizer")
    parser.add_argument("--length", type=int, default=4096, help="tokens read of each text")
    given = parser.parse_args()
    model = load(given.model)
    held_out = read_corpus(given.corpus)[1].documents
    books = [book for book in held_out if len(ids_of(model, book, given.length)) == given.length]
    looked = {key: [look(model, book, key, given.length) for book in books] for key in tqdm(METHODS, desc="reading")}
    draw(looked, make_runs([model.method(key, given.length) for key in METHODS]))
    found = findings(model, books, looked, given.length)
    far = odometer_figures(found.odometer)[0].figure
    pictures.save({"clusters": clusters_figure(found.clusters, columns=2), "odometer": far}, PICTURES)
    PAGE.write_text(page(found), encoding="utf-8")
    print(PAGE)


def ids_of(model: Model, book: CorpusText, length: int) -> torch.Tensor:
    """The first `length` tokens of a book."""
    ids = model.tokenizer(book.text[: 12 * length], add_special_tokens=False, verbose=False)["input_ids"]
    return torch.tensor(ids[:length])


def look(model: Model, book: CorpusText, key: str, length: int) -> Looked:
    probes = (LogitProbe, EntropyProbe, MassProbe, SinkProbe, NLLProbe)
    return Looked(*measure(model, ids_of(model, book, length), model.method(key, length), probes))


def draw(looked: dict[str, list[Looked]], runs: Sequence[Run]) -> None:
    """The figures of the first book; `runs` are those of METHODS."""

    def of(keys: Sequence[str]) -> list[Run]:
        return [runs[METHODS.index(key)] for key in keys]

    first = {key: each[0] for key, each in looked.items()}
    logits, entropy = ("vanilla", "lm-infinite"), ("vanilla", "ceiling", "lm-infinite")
    pictures.save(
        {
            "logits": logits_figure(of(logits), [first[key].logits for key in logits]),
            "entropy": entropy_figure(of(entropy), [first[key].entropy for key in entropy]),
            "nll": nll_figure(of(METHODS), [first[key].nll for key in METHODS], smoothing=256),
        },
        PICTURES,
    )


def findings(model: Model, books: Sequence[CorpusText], looked: dict[str, list[Looked]], length: int) -> Findings:
    half = model.train_length // 2
    inside, outside = slice(half, model.train_length), slice(length - half, length)
    hidden = [hidden_of(model, book) for book in books]
    apart = [project([record]) for record in hidden]
    sinks = [np.nanmax(each.sinks.heads) for each in looked["vanilla"]]
    return Findings(
        model.name, model.train_length, length, tuple(Path(book.name).stem for book in books),
        {key: numbers(each, inside, outside) for key, each in looked.items()},
        {key: each[0].nll.caption for key, each in looked.items()},
        project(hidden[:1], (Path(books[0].name).stem,)),
        np.mean([(record.separation, record.ordinary) for record in apart], axis=0).T.tolist(),
        float(max(sinks)), float(max(each.entropy.bound.max() for each in looked["ceiling"])),
        looked["vanilla"][0].mass.starting_tokens, recorded(),
    )  # fmt: skip


def recorded() -> OdometerRecord:
    """What `python -m analysis.odometer` came to with this model; the page opens with it."""
    return from_json(OdometerRecord, ODOMETER.read_text(encoding="utf-8"))


def hidden_of(model: Model, book: CorpusText) -> HiddenRecord:
    """Hidden states of a text of the trained length: whatever a method does, it does nothing yet."""
    probe = partial(HiddenProbe, most=model.train_length)
    ids = ids_of(model, book, model.train_length)
    (record,) = measure(model, ids, model.method("vanilla", model.train_length), [probe])
    return record


def numbers(each: Sequence[Looked], inside: slice, outside: slice) -> Numbers:
    def both(values: list[np.ndarray]) -> tuple[float, float]:
        """Means inside and outside of arrays (..., position)."""
        first, last = (float(np.mean([np.nanmean(v[..., part]) for v in values])) for part in (inside, outside))
        return first, last

    layers = range(each[0].logits.largest.shape[0])
    by_layer = [both([one.logits.largest[layer] for one in each]) for layer in layers]
    return Numbers(
        logit=both([one.logits.largest for one in each]),
        highest=max(by_layer, key=lambda pair: pair[1] / pair[0]),
        entropy=both([one.entropy.entropy for one in each]),
        nll=both([one.nll.nll for one in each]),
        starting=both([one.mass.starting for one in each])[0],
    )


if __name__ == "__main__":
    main()
