"""Tasks of reading on: how surprised a model is along a text, and whether a method costs anything inside the trained
length."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from longsight.errors import LongSightError
from longsight.methods import METHODS, Method
from longsight.models.model import Model
from longsight.progress import Progress

from ...diagnostics.nll import NLLProbe
from ...diagnostics.probing import Probing
from . import texts
from .base import Case, Facts, Outcome, Steps, Task, option, tokenizer_of

CHUNK = 1024


class PassageFacts(Facts):
    """`ends`: the last words that were read."""

    ends: str


def read_on(
    model: Model, method: Method, ids: Sequence[int], before: int, total: int
) -> Generator[Progress[Outcome], None, np.ndarray]:
    """Read `ids`; yields after each chunk and returns the NLL [nats] (n,) of each token, NaN where it is not known."""
    probing = Probing(model, ids, method, [NLLProbe])
    for part in probing.steps(CHUNK):
        yield Progress(before + part.done, total)
    return probing.records()[0].nll  # type: ignore[attr-defined]


def passages(model: Model, source: str, length: int, trials: int, seed: int) -> list[Case]:
    """`trials` stretches of `length` tokens of a text. Those of one seed and trial end at the same place whatever their
    length, so that lengths can be compared by their last tokens. Raises `LongSightError` when the text is too short."""
    tokenizer = tokenizer_of(model)
    first = tokenizer("", verbose=False)["input_ids"]
    cases = []
    for trial in range(trials):
        text = texts.ending(source, np.random.default_rng([seed, trial]), 8 * length)
        ids = tokenizer(text, add_special_tokens=False, split_special_tokens=True, verbose=False)["input_ids"]
        if len(first) + len(ids) < length:
            raise LongSightError(
                f"{length:,} tokens of {source} were asked for, but it has {len(ids):,} before the place drawn for it; "
                "give a longer text or choose a smaller length."
            )
        cases.append(Case((*first, *ids[len(first) + len(ids) - length :]), (), PassageFacts(ends=text[-60:])))
    return cases


def known_mean(values: np.ndarray) -> float | None:
    """The mean of the finite values; None without any, so that it can be written as JSON."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else None


@dataclass(frozen=True)
class Perplexity(Task):
    """Negative log-likelihood along real prose: of all tokens, of the last ones before a milestone, band by band."""

    text: str = option(texts.PROSE, "What is read: prose, paper, or a file of plain text.")
    last: int = option(256, "How many tokens before the end make the milestone's perplexity.", low=1)
    band: int = option(256, "Tokens in a band of positions.", low=1)

    key: ClassVar[str] = "perplexity"
    title: ClassVar[str] = "Perplexity"
    paper: ClassVar[str] = "LM-Infinite, table 1 and figure 5"
    look: ClassVar[str] = (
        "How surprised the model is just before each length. It should stay as low as inside the trained length."
    )
    scores: ClassVar[dict[str, str]] = {
        "nll": "mean NLL of all tokens [nats]",
        "nll_last": "mean NLL of the last tokens [nats]; its exponential is the perplexity",
    }
    case_facts: ClassVar[type[PassageFacts]] = PassageFacts

    def cases(self, model: Model, length: int, trials: int, seed: int) -> list[Case]:
        return passages(model, self.text, length, trials, seed)

    def steps(self, model: Model, method: Method, cases: Sequence[Case]) -> Steps:
        done, total = 0, sum(method.keeps(len(case.ids)) for case in cases)
        for number, case in enumerate(cases):
            nll = yield from read_on(model, method, case.ids, done, total)
            done += method.keeps(len(case.ids))
            bands = [known_mean(nll[start : start + self.band]) for start in range(0, len(nll), self.band)]
            yield Progress(done, total, result=Outcome(number, self.score(case, nll), more={"bands": bands}))

    def score(self, case: Case, answer: np.ndarray) -> dict[str, float | None]:
        """`answer` (n,) is the NLL [nats] of each token."""
        return {"nll": known_mean(answer), "nll_last": known_mean(answer[-self.last :])}


@dataclass(frozen=True)
class ShortContext(Task):
    """Whether a method costs anything where none is needed: the same text with and without it."""

    text: str = option(texts.PROSE, "What is read: prose, paper, or a file of plain text.")

    key: ClassVar[str] = "short-context"
    title: ClassVar[str] = "Short context"
    paper: ClassVar[str] = "SelfExtend, table 5: short-context tasks"
    look: ClassVar[str] = "The difference to vanilla. Inside the trained length a method should cost nothing: 0."
    scores: ClassVar[dict[str, str]] = {
        "nll": "mean NLL of all tokens [nats]",
        "cost": "what the method adds to vanilla's [nats]",
        "largest": "largest difference at any token [nats]",
    }
    case_facts: ClassVar[type[PassageFacts]] = PassageFacts

    def cases(self, model: Model, length: int, trials: int, seed: int) -> list[Case]:
        return passages(model, self.text, length, trials, seed)

    def steps(self, model: Model, method: Method, cases: Sequence[Case]) -> Steps:
        done, total = 0, sum(method.keeps(len(case.ids)) + len(case.ids) for case in cases)
        for number, case in enumerate(cases):
            plain = yield from read_on(model, METHODS["vanilla"](), case.ids, done, total)
            done += len(case.ids)
            nll = yield from read_on(model, method, case.ids, done, total)
            done += method.keeps(len(case.ids))
            yield Progress(done, total, result=Outcome(number, self.score(case, np.stack([nll, plain]))))

    def score(self, case: Case, answer: np.ndarray) -> dict[str, float | None]:
        """`answer` (2, n) is the NLL [nats] of each token with the method, and under vanilla."""
        nll, plain = answer[:, np.isfinite(answer).all(0)]
        if not len(nll):
            return {"nll": None, "cost": None, "largest": None}
        return {"nll": float(nll.mean()), "cost": float((nll - plain).mean()), "largest": float(abs(nll - plain).max())}
