"""Dual Chunk Attention (An et al. 2024, arXiv 2402.17463)."""

from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor

from longsight.errors import LongSightError
from longsight.methods.bands import Band, Span, at, causal
from longsight.methods.base import Method, parameter


@dataclass(frozen=True)
class DualChunk(Method):
    """Keys stand at `j % chunk`; a query at `i % chunk` for its own chunk, at `min(i % chunk + chunk, length - 1)` for
    the one before, and at `length - 1` for all older ones (section 3).

    This is the paper's rule. The authors' published code lets the previous chunk's window depend on a local window
    instead, and its maps differ.
    """

    chunk: int = parameter("Tokens per chunk; at most the trained length.", unit="tokens", low=1)
    length: int = parameter("The trained length of the model.", unit="tokens", low=1)

    key: ClassVar[str] = "dual-chunk"
    title: ClassVar[str] = "Dual Chunk"
    paper: ClassVar[str] = "An et al. 2024, arXiv 2402.17463"
    summary: ClassVar[str] = (
        "Text is cut into chunks; positions restart in each, and older chunks all look equally far."
    )
    sees: ClassVar[str] = "all"
    tells: ClassVar[str] = "key j%chunk; query i%chunk, min(i%chunk + chunk, length - 1) or length - 1"

    def check(self) -> None:
        if self.chunk > self.length:
            raise LongSightError(
                f"Dual Chunk: chunk = {self.chunk} is larger than the trained length = {self.length}; "
                f"choose at most {self.length}."
            )

    @classmethod
    def for_model(cls, train_length: int, target_length: int) -> Self:
        return cls(chunk=max(train_length * 3 // 4, 1), length=train_length)

    def distance(self, i: Tensor, j: Tensor) -> Tensor:
        i, j = torch.as_tensor(i), torch.as_tensor(j)
        ago = i // self.chunk - j // self.chunk
        within = i % self.chunk
        query = torch.where(ago == 0, within, (within + self.chunk).clamp(max=self.length - 1))
        return torch.where(ago <= 1, query, self.length - 1) - j % self.chunk

    @property
    def bands(self) -> tuple[Band, ...]:
        size = self.chunk

        def begins(i: Tensor, ago: int) -> Tensor:
            return ((i // size - ago) * size).clamp(min=0)

        def key(j: Tensor) -> Tensor:
            return j % size

        own = Span(lambda i: begins(i, 0), lambda i: i + 1)
        previous = Span(lambda i: begins(i, 1), lambda i: begins(i, 0))
        older = causal() & Span(torch.zeros_like, lambda i: begins(i, 1))
        return (
            Band("own chunk", own, lambda i: i % size, key),
            Band("previous chunk", previous, lambda i: (i % size + size).clamp(max=self.length - 1), key),
            Band("older chunks", older, at(self.length - 1), key),
        )

    def reach(self, train_length: int) -> int | None:
        return None if self.length <= train_length else min(train_length, 2 * self.chunk)
