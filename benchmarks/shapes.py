"""Which shape suits little time on a CPU: variants of a recipe, each trained for as many minutes of one thread.

`python -m benchmarks.shapes --corpus DIR` prints a line as each is ready. A shape gets as many tokens as its speed
allows, so that a larger network must be worth its slowness. The phases are those of a short recipe and equal shares of
the tokens for all. A few questions of a hundred, or 0.01 bits per byte, are noise.
"""

if __name__ == "__main__":  # before torch is imported
    from longsight.processor import wait_asleep

    wait_asleep()

import argparse
import dataclasses
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import torch
from tqdm import tqdm
from transformers import PreTrainedTokenizerFast

from analysis.evaluation.cell import EvaluationCell
from analysis.evaluation.row import Row
from analysis.evaluation.tasks import Case
from analysis.evaluation.worker import steps_on
from longsight.models.model import Model, adopt
from longsight.progress import finish
from training import wording
from training.batches import Batches
from training.card_cells import CardCells, HeldOutTexts, hold_out
from training.corpus import Corpus, read_corpus
from training.loop import Trainer
from training.model import build
from training.prose import Prose
from training.recipe import Phase, Recipe, load_recipe
from training.tokenizer import train_tokenizer

SHAPES = {
    "as the recipe": {},
    "width 128": {"hidden_size": 128, "intermediate_size": 352, "heads": 4},
    "width 224": {"hidden_size": 224, "intermediate_size": 608, "heads": 7},
    "depth 3": {"num_hidden_layers": 3},
    "depth 6": {"num_hidden_layers": 6},
    "head size 16": {"heads": 10},
    "head size 64, width 192": {"hidden_size": 192, "intermediate_size": 512, "heads": 3},
    "width 192": {"hidden_size": 192, "intermediate_size": 512, "heads": 6},
    "vocabulary 512": {"vocab_size": 512},
    "vocabulary 2,048": {"vocab_size": 2048},
    "vocabulary 4,096": {"vocab_size": 4096},
}
"""What differs from the recipe, which must be that of a Llama."""

PHASES = (
    (0.22, {"length": 128, "batch_tokens": 2048, "runs": (1.0, 1.0), "tasks": (0.0, 0.0)}),
    (0.18, {"length": 128, "batch_tokens": 2048, "runs": (0.6, 0.15), "tasks": (0.3, 0.55)}),
    (0.25, {"length": 256, "batch_tokens": 4096, "runs": (0.2, 0.08), "tasks": (0.6, 0.6)}),
    (0.35, {"length": 512, "batch_tokens": 8192, "runs": (0.05, 0.05), "tasks": (0.7, 0.7), "rates": (1.0, 0.02)}),
)
"""Share of the tokens, and the rest of the phase."""

WARM, TIMED = 2, 6  # steps before and while the speed is told


@dataclasses.dataclass(frozen=True)
class ShapeOutcome:
    """What a trained shape is and can do."""

    parameters: int
    speed: float  # tokens per second of the longest phase
    tokens: int
    bits: dict[str, float]  # per byte of held-out text, by kind of text
    right: dict[str, float]  # share of questions answered rightly, by kind


def variant(recipe: Recipe, changes: dict[str, int]) -> Recipe:
    """The recipe with another shape."""
    changes = dict(changes)
    vocabulary = changes.pop("vocab_size", recipe.tokenizer.vocab_size)
    heads = changes.pop("heads", recipe.model["num_attention_heads"])
    model = recipe.model | changes | {"num_attention_heads": heads, "num_key_value_heads": heads}
    return dataclasses.replace(
        recipe, model=model, tokenizer=dataclasses.replace(recipe.tokenizer, vocab_size=vocabulary)
    )


def shortened(recipe: Recipe, tokens: int) -> Recipe:
    """The recipe with the phases of a short run of about `tokens` tokens."""
    phases = tuple(Phase(tokens=int(share * tokens), restated=4.0, **rest) for share, rest in PHASES)
    return dataclasses.replace(recipe, phases=phases)


def speed(recipe: Recipe, texts: Corpus, tokenizer: PreTrainedTokenizerFast) -> float:
    """Tokens per second of processor time, in the last phase."""
    last = dataclasses.replace(recipe, phases=recipe.phases[-1:])
    batches, trainer = Batches(last, texts, tokenizer), Trainer(last, build(last, tokenizer), torch.device("cpu"))
    for step in range(WARM):
        trainer.train_on(batches.at(step))
    began = time.process_time()
    for step in range(WARM, WARM + TIMED):
        trainer.train_on(batches.at(step))
    return TIMED * last.phases[0].batch_tokens / (time.process_time() - began)


def trained(recipe: Recipe, texts: Corpus, tokenizer: PreTrainedTokenizerFast) -> Model:
    batches, trainer = Batches(recipe, texts, tokenizer), Trainer(recipe, build(recipe, tokenizer), torch.device("cpu"))
    for step in tqdm(range(recipe.steps), desc="training", leave=False, mininterval=5):
        trainer.train_on(batches.at(step))
    return adopt(trainer.model, tokenizer)


def measured(model: Model, texts: HeldOutTexts, cases: int, passages: int) -> list[Row]:
    """Answers and bits per byte inside the trained length."""
    cells = CardCells(model.name, model.train_length, texts, cases, passages).inside()

    def made(cell: EvaluationCell) -> Sequence[Case]:
        return cell.task.cases(model, cell.length, cell.trials, cell.seed)

    return [finish(steps_on(model, cell, partial(made, cell))) for cell in tqdm(cells, desc="asking", leave=False)]


def outcomes(options: argparse.Namespace) -> Iterator[tuple[str, ShapeOutcome]]:
    recipe = load_recipe(options.recipe)
    texts, validation = read_corpus(options.corpus)
    held = hold_out(texts, validation, Path(options.work))
    tokenizers: dict[int, PreTrainedTokenizerFast] = {}
    for name in options.shapes:
        shape = variant(recipe, SHAPES[name])
        size = shape.tokenizer.vocab_size
        if size not in tokenizers:
            tokenizers[size] = train_tokenizer(texts, size, shape.tokenizer.sample_bytes, wording.everything())
        fast = speed(shortened(shape, 1_000_000), texts, tokenizers[size])
        short = shortened(shape, int(60 * options.minutes * fast))
        model = trained(short, texts, tokenizers[size])
        rows = measured(model, held, options.cases, options.passages // 10)
        bits = {Path(str(row.task.options["text"])).name: row.scores["bits_per_byte"]
                for row in rows if row.task.key == Prose.key}  # fmt: skip
        yield name, ShapeOutcome(model.hf.num_parameters(), fast, short.tokens, bits, shares(rows))


def shares(rows: Sequence[Row]) -> dict[str, float]:
    """Of questions answered rightly, by kind, over all lengths and texts."""
    right: dict[str, list[float]] = {}
    for row in rows:
        for score in {"found", "right"} & set(row.scores):
            right.setdefault(str(row.task.options["kind"]), []).append(row.scores[score])
    return {kind: sum(each) / len(each) for kind, each in right.items()}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shapes", description=__doc__)
    parser.add_argument("--corpus", required=True, help="what training.run reads")
    parser.add_argument("--recipe", default="small-cpu", help="a recipe of a Llama")
    parser.add_argument("--minutes", type=float, default=5.0, help="processor time for each shape")
    parser.add_argument("--shapes", nargs="+", default=list(SHAPES), choices=SHAPES, metavar="NAME")
    parser.add_argument("--cases", type=int, default=100, help="questions of each kind")
    parser.add_argument("--passages", type=int, default=40, help="held-out passages of each kind of text")
    parser.add_argument("--work", default="results/shapes", help="a folder for the texts that it is measured on")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{options.recipe}, {options.minutes:g} minutes of one thread each; {options.cases} questions of a kind\n")
    for number, (name, outcome) in enumerate(outcomes(options)):
        if not number:
            kinds = [f"bits per byte, {family}" for family in outcome.bits] + list(outcome.right)
            print(f"| shape | parameters | tok/s | tokens | {' | '.join(kinds)} |")
            print("| --- | " + "---: | " * (3 + len(kinds)))
        size, tokens = f"{outcome.parameters / 1e6:.2f} M", f"{outcome.tokens / 1e6:.2f} M"
        values = [f"{value:.3f}" for value in outcome.bits.values()] + [
            f"{value:.0%}" for value in outcome.right.values()
        ]
        print(f"| {name} | {size} | {outcome.speed:,.0f} | {tokens} | {' | '.join(values)} |", flush=True)


if __name__ == "__main__":
    main()
