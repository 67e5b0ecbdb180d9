"""Measure a trained model: `python -m training.evaluate assets/models/rope-small --corpus DIR [--card]`.

Inside the trained length: hidden facts asked for, and bits per byte. Past it: perplexity and pass keys by depth, method
by method. All on held-out texts, with fixed seeds, as cells of `analysis.evaluate`: each is written down as soon as it
is finished, so that the same command goes on where it was stopped; methods, lengths and cells of another number of
--cases are added to those that are there. With --card the model's README.md is written from them.
"""

from __future__ import annotations

if __name__ == "__main__":  # before torch is imported
    from longsight.processor import wait_asleep

    wait_asleep()

import argparse
import dataclasses
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from analysis.evaluate import Workers, refusals, run
from analysis.evaluation.cell import digest
from analysis.evaluation.report_parts import ReportPart, parts_markdown
from analysis.evaluation.results import Results, opened
from analysis.evaluation.worker import loaded
from analysis.report import make_parts
from analysis.runs import methods_argument
from longsight.errors import LongSightError
from longsight.methods import METHODS, Method
from longsight.models.model import Model
from training import card, choose
from training.card_cells import CARD_TASKS, CHOOSING_SEED, CardCells, hold_out
from training.corpus import read_corpus

STAGES = ("choose", "inside", "past", "samples")
"""Parameters are chosen first: what is measured is the model with them."""
LENGTHS = (1024, 2048, 4096, 8192, 16384)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; 0 when all is measured."""
    options = _options(arguments)
    out = Path(options.out or f"results/{options.model.name}")
    workers = Workers(threads=options.threads, jobs=options.jobs)
    try:
        texts = hold_out(*read_corpus(options.corpus), out)
        with opened(out) as results:
            for stage in (stage for stage in STAGES if stage in options.only):
                model = _model(options.model)
                cells = CardCells(str(options.model), model.train_length, texts, options.cases, options.passages)
                measure(stage, model, cells, options, results, workers)
                results.settle()
                if options.card:
                    card.write(options.model, card_text(options.model, results, out))
            print(card_text(options.model, results, out))
    except LongSightError as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


def _model(folder: Path) -> Model:
    return loaded(str(folder), digest(str(folder)), None)


def measure(
    stage: str, model: Model, cells: CardCells, options: argparse.Namespace, results: Results, workers: Workers
) -> None:
    """Run the cells of one stage that are missing; says which were refused."""
    if stage == "choose":
        _choose(model, cells, options, results, workers)
        return
    methods = options.methods or list(_methods(model, max(options.lengths)))
    planned = {"inside": cells.inside(), "past": cells.past(methods, options.lengths), "samples": cells.samples()}
    run(planned[stage], results, workers)
    for line in refusals(planned[stage], results):
        print(line, file=sys.stderr)


def _methods(model: Model, target: int) -> Iterator[str]:
    """Every method that suits the model, as text; one that retrieves without its retrieval as well."""
    for key, method in METHODS.items():
        if method.needs in (None, model.position_encoding):
            if model.method(key, target).retrieval is not None and _may_fetch_nothing(method):
                yield f"{key}:top_k=0"
            yield key


def _may_fetch_nothing(method: type[Method]) -> bool:
    return any(spec.name == "top_k" and spec.metadata["low"] == 0 for spec in dataclasses.fields(method))


def _choose(model: Model, cells: CardCells, options: argparse.Namespace, results: Results, workers: Workers) -> None:
    """Choose parameters and put them beside the weights, unless the same was tried before."""
    lengths = tuple(n for n in (2 * model.train_length, 4 * model.train_length) if n <= max(options.lengths))
    if not lengths:
        raise LongSightError(f"To choose parameters, --lengths must go to {2 * model.train_length:,} tokens at least.")

    def found(methods: Sequence[str], lengths: Sequence[int]) -> list[tuple[int, ...]]:
        asked = cells.choosing(methods, lengths)
        run(asked, results, workers)
        counts = {(cell.method, cell.length): _found(results, cell.key) for cell in asked}
        return [tuple(counts[method, length] for length in lengths) for method in methods]

    known, each = choose.read(options.model), cells.choosing_keys
    if known is None or (known.lengths, known.each, set(known.tried)) != (lengths, each, choose.TRIED):
        choose.write(options.model, choose.choose(model, lengths, each, found))


def _found(results: Results, key: str) -> int:
    row = results.rows[key]
    if row.refused is not None:
        raise LongSightError(row.refused)
    return sum(case.scores["found"] == 1 for case in row.cases)


def card_text(folder: Path, results: Results, out: Path) -> str:
    """What the card says of the model as it is now, and which parameters were tried; what papers report is left out,
    and so is where the texts in `out` lay."""
    rows = [row for row in results.rows.values() if row.model.digest == digest(str(folder))]
    asked = [row for row in rows if row.seed != CHOOSING_SEED]
    made = make_parts(asked, CARD_TASKS) if any(row.refused is None for row in asked) else []
    parts: list[ReportPart] = [dataclasses.replace(part, reported=()) for part in made]
    known = choose.read(folder)
    text = parts_markdown(parts if known is None else [*parts, choose.part(known)], card.HEADING)
    return text.replace(f"{out}/", "")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m training.evaluate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", type=Path)
    parser.add_argument(
        "--corpus", required=True, help="what it was trained on (see training.run); the validation part is used"
    )
    parser.add_argument("--out", help="a folder for results and texts; results/ and the name of the model")
    parser.add_argument("--cases", type=int, default=200, help="questions of each kind, and pass keys per cell")
    parser.add_argument("--passages", type=int, default=8, help="texts that nll is measured on, per length and method")
    parser.add_argument("--lengths", type=_numbers, default=LENGTHS, help="tokens past the trained length: 1024,2048")
    parser.add_argument("--methods", type=methods_argument, help='"window;ntk:scale=4"; all that suit the model')
    parser.add_argument("--only", type=_words, default=STAGES, help=f"a part of it: {','.join(STAGES)}")
    parser.add_argument("--jobs", type=int, help="worker processes, each with a model of its own; 1")
    parser.add_argument("--threads", type=int, help="CPU threads of each (default: torch's choice)")
    parser.add_argument("--card", action="store_true", help="write the model's README.md")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.only) - set(STAGES)):
        parser.error(f"--only knows {', '.join(STAGES)}, found {', '.join(unknown)}")
    return options


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _words(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))


if __name__ == "__main__":
    sys.exit(main())
