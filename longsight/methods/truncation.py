"""Cut the prompt: what one does without any method."""

from dataclasses import dataclass
from typing import ClassVar, Self

from longsight.methods.bands import Band, causal
from longsight.methods.base import Method, parameter


@dataclass(frozen=True)
class Truncation(Method):
    """The prompt keeps its last `length` tokens, whose positions restart at 0; the rest is never read.

    It is the one method that changes the prompt instead of the attention: the rule inside what is kept is vanilla's.
    Generated tokens come on top of `length`.
    """

    length: int = parameter("How many of the prompt's last tokens are kept.", unit="tokens", low=1)

    key: ClassVar[str] = "truncation"
    title: ClassVar[str] = "Truncation"
    paper: ClassVar[str] = "common practice"
    summary: ClassVar[str] = "The prompt is cut to its last tokens. Fluent, but blind to everything before the cut."
    sees: ClassVar[str] = "the last length tokens of the prompt"
    tells: ClassVar[str] = "d"

    @classmethod
    def for_model(cls, train_length: int, target_length: int) -> Self:
        return cls(length=train_length)

    @property
    def bands(self) -> tuple[Band, ...]:
        return (Band("kept", causal()),)

    def keeps(self, n: int) -> int:
        return min(n, self.length)

    def reach(self, train_length: int) -> int | None:
        return None if self.length <= train_length else train_length
