"""A recipe: everything that decides what a model becomes, read from a TOML file. Knows nothing about torch."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path
from typing import Any

RECIPES = Path(__file__).parent / "recipes"


class RecipeError(ValueError):
    """A recipe that cannot be trained: what was asked, what was found, what would work."""


@dataclasses.dataclass(frozen=True)
class Phase:
    """A stretch of training with one sequence length.

    `runs` and `tasks` are parts of the rows, at its first and at its last step; the other rows are plain text.
    `rates` are parts of the learning rate, at the same two steps. `restated` is the loss weight of what an answer
    repeats of its question. A step does not depend on what follows: a run that is going on can still be made longer.
    """

    length: int
    tokens: int
    batch_tokens: int
    runs: tuple[float, float]
    tasks: tuple[float, float]
    rates: tuple[float, float] = (1.0, 1.0)
    restated: float = 1.0

    @property
    def rows(self) -> int:
        """Sequences in one batch."""
        return self.batch_tokens // self.length

    @property
    def steps(self) -> int:
        return self.tokens // self.batch_tokens

    def __post_init__(self) -> None:
        if self.batch_tokens % self.length or self.steps < 1:
            raise RecipeError(
                f"a phase needs batch_tokens divisible by length and at least one step, found length={self.length}, "
                f"batch_tokens={self.batch_tokens}, tokens={self.tokens}"
            )
        for runs, tasks in zip(self.runs, self.tasks, strict=True):
            if min(runs, tasks) < 0 or runs + tasks > 1:
                raise RecipeError(f"runs and tasks are parts of the rows, together at most 1, found {runs} and {tasks}")


@dataclasses.dataclass(frozen=True)
class Optimizer:
    """AdamW with a linear warm-up. `answer_weight`: the loss weight of what an answer adds to its question."""

    learning_rate: float
    betas: tuple[float, float]
    weight_decay: float
    warmup_steps: int
    clip: float
    answer_weight: float


@dataclasses.dataclass(frozen=True)
class TokenizerSettings:
    vocab_size: int
    sample_bytes: int


@dataclasses.dataclass(frozen=True)
class Recipe:
    """One model. `model` holds the keywords of transformers' `AutoConfig.for_model`, `model_type` among them.

    `induction`: whether the initial weights hold a circuit that copies (circuit.py). `begin`: a model folder whose
    weights are the initial ones instead.
    """

    name: str
    seed: int
    train_length: int
    induction: bool
    tokenizer: TokenizerSettings
    model: dict[str, Any]
    optimizer: Optimizer
    phases: tuple[Phase, ...]
    begin: str = ""

    def __post_init__(self) -> None:
        longest = max(phase.length for phase in self.phases)
        if longest != self.train_length:
            raise RecipeError(
                f"train_length={self.train_length}, but the longest phase has length={longest}; make them equal"
            )

    @property
    def steps(self) -> int:
        return sum(phase.steps for phase in self.phases)

    @property
    def tokens(self) -> int:
        return sum(phase.steps * phase.batch_tokens for phase in self.phases)

    def phase_at(self, step: int) -> tuple[Phase, float]:
        """The phase of a step, and how far into it that step is (0 at its first step, 1 at its last)."""
        first = 0
        for phase in self.phases:
            if step < first + phase.steps:
                return phase, (step - first) / max(1, phase.steps - 1)
            first += phase.steps
        raise RecipeError(f"step {step} was asked, but {self.name} has {self.steps} steps")

    def tokens_before(self, step: int) -> int:
        """How many tokens have been trained on when `step` begins."""
        tokens = 0
        for phase in self.phases:
            done = min(step, phase.steps)
            tokens += done * phase.batch_tokens
            step -= done
        return tokens


def between(ends: tuple[float, float], progress: float) -> float:
    """What a quantity that goes evenly from one end to the other is in between."""
    return (1 - progress) * ends[0] + progress * ends[1]


def load_recipe(name: str) -> Recipe:
    """Read a recipe by the name of a file in `recipes/`, or by its path."""
    path = Path(name) if name.endswith(".toml") else RECIPES / f"{name}.toml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in RECIPES.glob("*.toml")))
        raise RecipeError(
            f"recipe {name!r} was asked, but there is no {path}; known recipes: {known}, or give a path to a .toml file"
        )
    return parse_recipe(tomllib.loads(path.read_text(encoding="utf-8")))


def parse_recipe(table: dict[str, Any]) -> Recipe:
    """Build a recipe from the table that a TOML file holds; unknown and missing keys are errors."""
    phases = tuple(_build(Phase, phase) for phase in table.get("phase", []))
    rest = {key: value for key, value in table.items() if key != "phase"}
    sections = {"tokenizer": TokenizerSettings, "optimizer": Optimizer}
    rest |= {key: _build(section, rest.get(key, {})) for key, section in sections.items()}
    if not phases:
        raise RecipeError("a recipe needs at least one [[phase]], found none")
    return _build(Recipe, rest | {"phases": phases})


def _build(kind: type[Any], table: dict[str, Any]) -> Any:
    fields = dataclasses.fields(kind)
    expected = {field.name for field in fields}
    if unknown := sorted(table.keys() - expected):
        raise RecipeError(f"{kind.__name__} has no {', '.join(unknown)}; it has {', '.join(sorted(expected))}")
    needed = {field.name for field in fields if field.default is dataclasses.MISSING}
    if missing := sorted(needed - table.keys()):
        raise RecipeError(
            f"{kind.__name__} needs {', '.join(missing)}, found only {', '.join(sorted(table)) or 'nothing'}"
        )
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in table.items()})
