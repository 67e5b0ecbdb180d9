"""Methods that no paper has: all that anyone has to write to try an idea."""

from dataclasses import dataclass
from typing import ClassVar, Self

from torch import Tensor

from longsight.methods.bands import Band, Footprint, Span, beyond, causal, recent
from longsight.methods.base import Method, parameter, true_distance


@dataclass(frozen=True)
class BlindSpot(Method):
    """Everything but the keys from `near` to `far` tokens back, at true distances."""

    near: int = parameter("How many recent tokens a query sees, itself included.", unit="tokens", low=1)
    far: int = parameter("From how many tokens back on it sees again.", unit="tokens", low=1)

    key: ClassVar[str] = "blind-spot"
    title: ClassVar[str] = "Blind spot"
    paper: ClassVar[str] = "nobody, never"
    summary: ClassVar[str] = "Sees what is near and what is far, and nothing between."
    sees: ClassVar[str] = "d < near or d >= far"
    tells: ClassVar[str] = "d"

    @classmethod
    def for_model(cls, train_length: int, target_length: int) -> Self:
        return cls(near=max(train_length // 2, 1), far=train_length)

    def visible(self, i: Tensor, j: Tensor) -> Tensor:
        d = true_distance(i, j)
        return (d >= 0) & ((d < self.near) | (d >= self.far))

    @property
    def bands(self) -> tuple[Band, ...]:
        return Band("near", recent(self.near)), Band("far", causal() & beyond(max(self.near, self.far)))


@dataclass(frozen=True)
class SameChunk(Method):
    """Chunked attention: the keys of the query's own chunk, at true distances. What is seen shrinks at each edge."""

    chunk: int = parameter("Tokens per chunk.", unit="tokens", low=1)

    key: ClassVar[str] = "same-chunk"
    title: ClassVar[str] = "Same chunk"
    paper: ClassVar[str] = "nobody, never"
    summary: ClassVar[str] = "Forgets everything at the edge of a chunk."
    sees: ClassVar[str] = "j // chunk = i // chunk"
    tells: ClassVar[str] = "d"

    @classmethod
    def for_model(cls, train_length: int, target_length: int) -> Self:
        return cls(chunk=train_length)

    def visible(self, i: Tensor, j: Tensor) -> Tensor:
        return super().visible(i, j) & (i // self.chunk == j // self.chunk)

    @property
    def bands(self) -> tuple[Band, ...]:
        own = Span(lambda i: i // self.chunk * self.chunk, lambda i: i + 1, Footprint(0, self.chunk))
        return (Band("own chunk", own),)
