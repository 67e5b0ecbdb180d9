"""How long reading and writing take, and how much memory (LM-Infinite, section 5.5)."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from longsight.errors import LongSightError
from longsight.generation.decode import Sampling, decode
from longsight.generation.prefill import Chunk, Prefilled, prefill_steps
from longsight.methods import Method
from longsight.models.model import Model
from longsight.progress import Progress

from ..memory import forget_peak, peak_memory
from ..report_parts import ReportPart
from ..row import Row
from . import texts
from .base import Case, Outcome, Steps, Task, option
from .clock import Clock
from .efficiency_report import efficiency_parts
from .passages import PassageFacts, passages


@dataclass(frozen=True)
class Efficiency(Task):
    """A passage is read and some tokens are written after it, on the clock; both together are as long as is asked for.

    The times of a machine that does other work as well, or of several workers at once, say little; the size of the
    cache does not depend on that.
    """

    text: str = option(texts.PROSE, "What is read: prose, paper, or a file or folder of texts.")
    decode: int = option(16, "How many tokens are written after it.", low=2)

    key: ClassVar[str] = "efficiency"
    title: ClassVar[str] = "Efficiency"
    paper: ClassVar[str] = "LM-Infinite, section 5.5"
    look: ClassVar[str] = (
        "Time and memory against length: where a method sees everything both grow with the text; where it sees a "
        "window, a token costs the same at any length."
    )
    scores: ClassVar[dict[str, str]] = {"cache_bytes": "what the cache holds of the text [bytes]"}
    case_facts: ClassVar[type[PassageFacts]] = PassageFacts

    def cases(self, model: Model, length: int, trials: int, seed: int) -> list[Case]:
        if length <= self.decode:
            raise LongSightError(
                f"{length:,} tokens leave nothing to read before the {self.decode:,} that are written; choose a length "
                f"of more than {self.decode:,}."
            )
        return passages(model, self.text, length - self.decode, trials, seed)

    def written(self, trials: int) -> int:
        return trials * self.decode

    def steps(self, model: Model, method: Method, cases: Sequence[Case], chunk: Chunk = 2048) -> Steps:
        total = sum(method.keeps(len(case.ids)) for case in cases)
        sampling = Sampling(max_new_tokens=self.decode, stop=frozenset())
        done = 0
        for number, case in enumerate(cases):
            held = forget_peak(model.device)
            clock = Clock()
            read = yield from self._read(model, case, method, clock, Progress(done, total), chunk)
            done += method.keeps(len(case.ids))
            encoding, peak, cache = clock.stop(), peak_memory(model.device) - held, read.cache.nbytes
            writing = Clock()
            said = list(decode(model, read, sampling))
            spent = writing.stop()
            cost = {
                "encode_seconds": encoding[0], "encode_processor": encoding[1], "decode_seconds": spent[0] / len(said),
                "decode_processor": spent[1] / len(said), "peak_bytes": peak,
            }  # fmt: skip
            yield Progress(done, total, result=Outcome(number, self.score(case, cache), cost=cost))

    def _read(
        self, model: Model, case: Case, method: Method, clock: Clock, before: Progress[Outcome], chunk: Chunk
    ) -> Generator[Progress[Outcome], None, Prefilled]:
        """Read a case on the clock."""
        read: list[Prefilled] = []

        def reading() -> Generator[Progress[Any], None, None]:
            read.append((yield from prefill_steps(model, case.ids, method, chunk=chunk)))

        for step in reading():
            yield from clock.aside(Progress(before.done + step.done, before.total))
        return read[0]

    def score(self, case: Case, answer: int) -> dict[str, float | None]:
        """`answer` is what the cache holds [bytes]."""
        return {"cache_bytes": answer}

    @classmethod
    def report(cls, rows: Sequence[Row]) -> list[ReportPart]:
        return efficiency_parts(rows, cls.look)
