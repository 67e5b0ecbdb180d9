"""What a task is: it makes cases, puts them to a model under a method, and scores what comes back."""

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from longsight.errors import LongSightError
from longsight.generation.decode import Sampling, decode
from longsight.generation.prefill import Chunk
from longsight.generation.prefix_sharing import prefill_shared
from longsight.methods import Method
from longsight.models.model import Model
from longsight.progress import Progress

from ..report_parts import ReportPart
from ..row import Row, Strict
from ..score_report import score_part
from ..score_table import comparable
from .clock import Clock


def option(
    default: Any, help: str, *, low: int | None = None, high: int | None = None, choices: Sequence[str] = ()
) -> Any:
    """Declare a field of a task: command lines and the page are made from it."""
    return field(default=default, metadata={"help": help, "low": low, "high": high, "choices": tuple(choices)})


class Facts(Strict):
    """How a case was made, for the results. A task that has something to say of that derives a class with fields."""


@dataclass(frozen=True)
class Case:
    """One thing that is asked: plain data, equal whenever it is made again from the same seed.

    `ids` (n,) is the prompt, `answers` what counts as right (any one of them), `facts` how it was made, which goes into
    the results.
    """

    ids: tuple[int, ...]
    answers: tuple[str, ...] = ()
    facts: Facts = field(default_factory=Facts)


@dataclass(frozen=True)
class Outcome:
    """What came of a case: the number of the case, its scores by name (None: not known), and what the model said.

    `cost` holds what it took (seconds, bytes): all that may differ when it is done again. `more` holds results that are
    no single numbers, in the order of the text.
    """

    case: int
    scores: Mapping[str, float | None]
    said: str = ""
    cost: Mapping[str, float] = field(default_factory=dict)
    more: Mapping[str, Sequence[float | None]] = field(default_factory=dict)


Steps = Generator[Progress[Outcome], None, None]
"""Tokens done of all there are; and an outcome, where a case has just come to its end."""


@dataclass(frozen=True)
class Task(ABC):
    """A task with its options. One entry of TASKS; runner, page and report know no more of it than this."""

    key: ClassVar[str]
    title: ClassVar[str]
    paper: ClassVar[str]
    look: ClassVar[str]
    """What to look for in its results."""
    scores: ClassVar[dict[str, str]]
    """Every score by name, and what it means."""
    case_facts: ClassVar[type[Facts]] = Facts
    """What its cases say of how they were made."""

    def __post_init__(self) -> None:
        for spec in fields(self):
            self._check(spec.name, getattr(self, spec.name), spec.metadata, type(spec.default))

    def _check(self, name: str, value: Any, limits: Any, kind: type) -> None:
        if type(value) is not kind:
            wanted = {int: "a whole number", str: "a word", float: "a number"}[kind]
            raise LongSightError(f"{self.title}: {name} must be {wanted}, but {value!r} was given.")
        if limits["low"] is not None and value < limits["low"]:
            raise LongSightError(f"{self.title}: {name} must be at least {limits['low']}, but {value} was given.")
        if limits["high"] is not None and value > limits["high"]:
            raise LongSightError(f"{self.title}: {name} must be at most {limits['high']}, but {value} was given.")
        if limits["choices"] and value not in limits["choices"]:
            offered = ", ".join(limits["choices"])
            raise LongSightError(f"{self.title}: {name} must be one of {offered}, but {value!r} was given.")

    @abstractmethod
    def cases(self, model: Model, length: int, trials: int, seed: int) -> Sequence[Case]:
        """Cases that fill `length` tokens with what is to come of them: a pure function of its arguments.

        Raises `LongSightError` when they cannot be made: no tokenizer, too little text, too small a length.
        """

    def each_case(self, model: Model, length: int, trials: int, seed: int) -> Iterator[Case]:
        """The same `cases`, for who does something else between them; one by one where making one takes a while."""
        yield from self.cases(model, length, trials, seed)

    def count(self, trials: int) -> int:
        """How many cases a cell of so many `trials` has."""
        return trials

    def readings(self, trials: int) -> float:
        """About how many texts of the whole length are read for them, where prompts that begin alike are read once."""
        return float(self.count(trials))

    def written(self, trials: int) -> int:
        """How many tokens are written for them, at most."""
        return 0

    @abstractmethod
    def steps(self, model: Model, method: Method, cases: Sequence[Case], chunk: Chunk = 2048) -> Steps:
        """Put the cases to the model, reading `chunk` tokens at a time; yields often, and each outcome once. Closing it
        stops the work."""

    @abstractmethod
    def score(self, case: Case, answer: Any) -> dict[str, float | None]:
        """The scores of what the model gave for a case."""

    @classmethod
    def report(cls, rows: Sequence[Row]) -> list[ReportPart]:
        """What a report has of `rows` of this task, whatever their options and their models: by default a table and a
        figure for each of its scores."""
        return [score_part(cls.title, cls.look, cls.scores, group) for group in comparable(rows)]

    def describe(self) -> str:
        """The key and every option that is not at its default: the text that `read_task` reads."""
        values = [
            f"{spec.name}={getattr(self, spec.name)}"
            for spec in fields(self)
            if getattr(self, spec.name) != spec.default
        ]
        return f"{self.key}:{','.join(values)}" if values else self.key


class Asking(Task):
    """A task whose cases are prompts that the model answers or continues, greedily; prompts that begin alike are read
    together (`longsight.generation.prefix_sharing`)."""

    room: ClassVar[int]
    """How many tokens an answer may take."""
    stops: ClassVar[bool] = True
    """Whether the answer ends where the model ends it."""

    def prompt_room(self, length: int) -> int:
        """Tokens of a prompt that with its answer has `length`. Raises `LongSightError` where none are left."""
        if length <= self.room:
            raise LongSightError(
                f"{self.title}: a text of {length:,} tokens was asked for, of which {self.room} are to be written; "
                f"choose a length above {self.room}."
            )
        return length - self.room

    def written(self, trials: int) -> int:
        return self.count(trials) * self.room

    def steps(self, model: Model, method: Method, cases: Sequence[Case], chunk: Chunk = 2048) -> Steps:
        sampling = Sampling(max_new_tokens=self.room, stop=None if self.stops else frozenset())
        clock = Clock()
        for part in prefill_shared(model, [case.ids for case in cases], method, chunk):
            yield from clock.aside(Progress(part.done, part.total))
            if part.result is None:
                continue
            number, prefilled = part.result.number, part.result.prefilled
            said = []
            for token in decode(model, prefilled, sampling):
                said.append(token)
                yield from clock.aside(Progress(part.done, part.total))
            scores = self.score(cases[number], text_of(model, said))
            cost = {"seconds": clock.stop()[1], "cache_bytes": prefilled.cache.nbytes}
            yield Progress(part.done, part.total, result=Outcome(number, scores, text_of(model, said), cost))
            clock = Clock()


def text_of(model: Model, ids: Sequence[int]) -> str:
    """What token ids say."""
    return tokenizer_of(model).decode(list(ids), skip_special_tokens=True)


def tokenizer_of(model: Model) -> Any:
    """The model's tokenizer. Raises `LongSightError` when it has none."""
    if model.tokenizer is None:
        raise LongSightError(f"{model.name} has no tokenizer, so it cannot be asked anything; choose another model.")
    return model.tokenizer
