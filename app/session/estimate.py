"""What an answer will cost, before it is begun: memory by the library's count, time by the speed measured so far."""

import contextlib
import itertools
import math
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from app.session import devices, formatting, suitability
from app.session.device_sharing import Waiting, line_of
from longsight.errors import LongSightError
from longsight.generation.prefill import Prefilled, StepSize, prefill_steps
from longsight.methods import METHODS, Method
from longsight.methods.by_head import shares
from longsight.models.model import Model
from longsight.progress import Progress

SHARE = 0.5
"""The part of the free memory that one prefill may take: others are at work too, and chunks need room of their own."""

WRITING = "writing"
"""The task of `speed` in which an answer is written, one token after the other."""

MOST_SECONDS = 600.0
"""What may be asked of a device that others use as well, and the most that a remedy may take."""

MOST_OFFERED = 5  # methods that a remedy names
LOOKS = 1024  # queries at which the visible keys are counted
MOST_SAMPLES = 24
TRIALS = ((512, "lm-infinite"), (4096, "lm-infinite"), (4096, "vanilla"))
"""What is read to know a machine: tokens at most, and a method."""

TRIAL_SECONDS = 2.0
"""What a trial may take, as far as the one before tells: a large model is measured on shorter texts."""


def pairs(method: Method, tokens: int, reused: int = 0, rules: Sequence[Method] = ()) -> float:
    """About how many query-key pairs a prefill of `tokens` computes in a layer when the first `reused` are there
    already; on average, where layers have `rules` of their own."""
    kept = method.keeps(tokens)
    first = reused if kept == tokens else 0  # a method that cuts the prompt reads what is left from its start
    if first >= kept:
        return 0.0
    queries = torch.linspace(first, kept - 1, min(LOOKS, kept - first), dtype=torch.float64).long()
    layers = Counter(rules or (method,))
    seen = sum(count * _seen(rule, queries) for rule, count in layers.items()) / layers.total()
    return seen * (kept - first)


def _seen(rule: Method, queries: torch.Tensor) -> float:
    """How many keys these queries (n,) see on average; heads with rules of their own count by their share."""
    found = 0.0
    for each, share in shares(rule):
        seen = [(band.span.last(queries) - band.span.first(queries)).clamp(min=0) for band in each.bands]
        found += float(share) * float(torch.stack(seen).sum(0).double().mean())
    return found


@dataclass
class Speed:
    """How fast a model reads on its device: `seconds = a * tokens + b * pairs`, fitted to real prefills."""

    samples: deque[tuple[float, float, float]] = field(default_factory=lambda: deque(maxlen=MOST_SAMPLES))

    def add(self, tokens: float, pairs: float, seconds: float) -> None:
        self.samples.append((tokens, pairs, seconds))

    def seconds(self, tokens: float, pairs: float) -> float | None:
        """Seconds to read this much; None before anything was measured."""
        if not self.samples:
            return None
        measured = np.array(self.samples)
        relative = measured[:, :2] / measured[:, 2:]  # every sample weighs the same, however long it ran
        rates = _non_negative(relative)
        return float(rates @ (tokens, pairs))


def _non_negative(relative: np.ndarray) -> np.ndarray:
    """Least squares for `relative @ rates = 1` with both rates (2,) >= 0."""
    rates = np.linalg.lstsq(relative, np.ones(len(relative)), rcond=None)[0]
    if (rates >= 0).all():
        return rates
    alone = [np.linalg.lstsq(relative[:, [n]], np.ones(len(relative)), rcond=None) for n in (0, 1)]
    best = min((0, 1), key=lambda n: alone[n][1].sum())
    rates = np.zeros(2)
    rates[best] = alone[best][0][0]
    return rates


_speeds: dict[str, Speed] = {}


def speed(model: Model, task: str = "") -> Speed:
    """What has been measured of a model so far, while it only read, or at a task that takes longer."""
    return _speeds.setdefault(f"{model.name} {model.device} {task}".rstrip(), Speed())


def measure_steps(model: Model) -> Generator[None, None, None]:
    """Measure a model that has not run yet: a few short prefills, a second or a few. Needs the device."""
    measured = speed(model)
    if measured.samples:
        return
    vocabulary, rate = model.hf.get_input_embeddings().num_embeddings, math.inf
    for most, key in TRIALS:
        tokens = int(min(most, max(TRIALS[0][0], rate * TRIAL_SECONDS)))
        method = METHODS[key].for_model(model.train_length, tokens)
        seconds = yield from _timed(prefill_steps(model, torch.arange(tokens) % vocabulary, method, chunk=StepSize()))
        measured.add(tokens, pairs(method, tokens, rules=model.seam.rules(method)), seconds)
        rate = tokens / seconds


def _timed(steps: Generator[Progress, None, Prefilled]) -> Generator[None, None, float]:
    """Do `steps`; returns the seconds that they took, without what passed between them."""
    seconds = 0.0
    while True:
        start = time.perf_counter()
        try:
            next(steps)
        except StopIteration:
            return seconds + time.perf_counter() - start
        seconds += time.perf_counter() - start
        yield


TRUST = 0.05
"""The share of a forecast that counts as if it had been seen to be true."""


class Forecast:
    """What reading a conversation of `tokens` with one method will take, `reused` of them being in a cache already.

    With a `task`, what doing that takes; before it was ever done, what reading alone takes.
    """

    def __init__(self, model: Model, method: Method, tokens: int, reused: int = 0, task: str = "") -> None:
        kept = method.keeps(tokens)
        self.method, self.rules = method, model.seam.rules(method)
        self.reused = reused if kept == tokens else 0
        self.tokens = kept - self.reused
        self.speed = speed(model, task)
        self.pairs = pairs(method, kept, self.reused, self.rules)
        guide = self.speed if self.speed.samples else speed(model)
        self.seconds = guide.seconds(self.tokens, self.pairs)

    def left(self, done: int, elapsed: float) -> float | None:
        """Seconds to go when `done` tokens took `elapsed` seconds: late tokens may cost far more than early ones, and
        the first steps may be slow by chance, so that the forecast counts as well as what was seen."""
        behind = pairs(self.method, self.reused + done, self.reused, self.rules)
        so_far = self.speed.seconds(done, behind)
        if self.seconds is None or not so_far:
            return None
        trust = self.seconds * TRUST
        return max(self.seconds - so_far, 0.0) * (elapsed + trust) / (so_far + trust)

    def learn(self, seconds: float) -> None:
        """The prefill is over and took this long."""
        self.speed.add(self.tokens, self.pairs, max(seconds, 1e-6))


def total(seconds: Iterable[float | None]) -> float | None:
    """The sum of forecasts; None where one of them is not known."""
    known: list[float] = []
    for part in seconds:
        if part is None:
            return None
        known.append(part)
    return sum(known)


def write_seconds(model: Model, tokens: int) -> float | None:
    """About how long writing so many tokens takes; None before anything was written."""
    return speed(model, WRITING).seconds(tokens, 0.0)


@dataclass(frozen=True)
class Work:
    """What a visitor wants of each method: `what` in words, `tokens` of its longest text, how to ask for `less`, and
    the `seconds` that it would take with a method; None where no other method is to be offered."""

    what: str
    tokens: int
    less: str = "Give a shorter text"
    seconds: Callable[[Method], float | None] | None = None


def reading(model: Model, tokens: int) -> Work:
    """To read one text."""
    return Work(f"{tokens:,} tokens", tokens, seconds=lambda method: Forecast(model, method, tokens).seconds)


def check_time(model: Model, method: Method, work: Work, seconds: float | None, visitor: object) -> None:
    """Raise `LongSightError`, with the numbers and a remedy, when the `work` that `visitor` wants would take so many
    `seconds` that others who are at the device would wait for too long."""
    others = len(line_of(model.device).others(visitor))
    if not others or seconds is None or seconds <= MOST_SECONDS:
        return
    raise LongSightError(
        f"{method.title} would need {formatting.about(seconds)} for {work.what}, and {Waiting(others).who} "
        f"at work here too; meanwhile up to {formatting.duration(MOST_SECONDS)} can be asked for. "
        f"{_remedy(model, method, work, _limit(model, 0))}"
    )


def fits(model: Model, method: Method, tokens: int, held: int = 0, writing: bool = False) -> bool:
    """Whether `check_memory` would be silent; `writing`: and there is room for the turned keys that make it fast."""
    return model.cache_bytes(method, tokens, writing) <= _limit(model, held)


_claims: list[tuple[str, Callable[[], int]]] = []


@contextlib.contextmanager
def claimed(device: torch.device, still: Callable[[], int]) -> Iterator[None]:
    """While a text is read, `still` says how many bytes its cache has yet to fill: they are free, but not to be had."""
    claim = (str(device), still)
    _claims.append(claim)
    try:
        yield
    finally:
        _claims.remove(claim)


def _limit(model: Model, held: int) -> int:
    others = sum(still() for device, still in list(_claims) if device == str(model.device))
    return int(SHARE * max(devices.free_bytes(model.device) - others, 0)) + held


def check_memory(model: Model, method: Method, tokens: int, held: int = 0) -> None:
    """Raise `LongSightError`, with the numbers and a remedy, when the cache of a prefill would not fit.

    `held`: bytes that this conversation holds already and will go on using.
    """
    if fits(model, method, tokens, held):
        return
    limit, needed = _limit(model, held), model.cache_bytes(method, tokens)
    raise LongSightError(
        f"{tokens:,} tokens need a cache of {formatting.size(needed)} with {method.title}; at most "
        f"{formatting.size(limit)} is to be had now, enough for {longest(model, method, tokens, limit):,} tokens. "
        + _remedy(model, method, reading(model, tokens), limit)
    )


def longest(model: Model, method: Method, tokens: int, limit: int) -> int:
    """The most tokens, up to `tokens`, whose cache fits into `limit` bytes."""
    low, high = 0, tokens
    while low < high:
        middle = (low + high + 1) // 2
        if model.cache_bytes(method, middle) <= limit:
            low = middle
        else:
            high = middle - 1
    return low


def _remedy(model: Model, refused: Method, work: Work, limit: int) -> str:
    """What would fit, into memory and into a visitor's patience."""
    fitting = (
        method.title for key, method in METHODS.items() if key != refused.key and _suits(model, key, work, limit)
    )
    offered = " or ".join(itertools.islice(fitting, MOST_OFFERED))
    return f"{work.less}, or choose {offered}." if offered else f"{work.less}."


def _suits(model: Model, key: str, work: Work, limit: int) -> bool:
    method = model.method(key, work.tokens)
    if work.seconds is None or model.cache_bytes(method, work.tokens) > limit or suitability.refusal(model, method):
        return False
    seconds = work.seconds(method)
    return seconds is None or seconds <= MOST_SECONDS
