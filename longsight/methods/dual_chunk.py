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

    This is the paper's rule. With `local` it is that of the authors' published code (`chunkllama_attn_replace.py`): the
    text is cut every s = chunk - local tokens, no distance is larger than `chunk`, and older chunks are seen from
    min(2s - 1, chunk). Up to `local` tokens back, if that is at most s, all distances are true. The authors take
    `local` = an eighth of the trained length. Their optional factor on logits, which changes with the length of the
    call and stays with cached keys, is left out.
    """

    chunk: int = parameter("Tokens per chunk; at most the trained length.", unit="tokens", low=1)
    length: int = parameter("The trained length of the model.", unit="tokens", low=1)
    local: int = parameter(
        "As the authors coded it: how much of each chunk overlaps the next. 0: the paper's rule.",
        unit="tokens", default=0,
    )  # fmt: skip

    key: ClassVar[str] = "dual-chunk"
    title: ClassVar[str] = "Dual Chunk"
    paper: ClassVar[str] = "An et al. 2024, arXiv 2402.17463"
    code: ClassVar[str] = "github.com/HKUNLP/ChunkLlama"
    summary: ClassVar[str] = (
        "Text is cut into chunks; positions restart in each, and older chunks all look equally far."
    )
    sees: ClassVar[str] = "all"
    tells: ClassVar[str] = (
        "key j%chunk; query i%chunk, min(i%chunk + chunk, length - 1) or length - 1; with local as the authors coded it"
    )

    def check(self) -> None:
        if self.chunk > self.length:
            raise LongSightError(
                f"Dual Chunk: chunk = {self.chunk} is larger than the trained length = {self.length}; "
                f"choose at most {self.length}."
            )
        if self.local >= self.chunk:
            raise LongSightError(
                f"Dual Chunk: local = {self.local} leaves nothing of chunk = {self.chunk}; "
                f"choose at most {self.chunk - 1}."
            )

    @classmethod
    def for_model(cls, train_length: int, target_length: int) -> Self:
        return cls(chunk=max(train_length * 3 // 4, 1), length=train_length)

    @property
    def _size(self) -> int:
        """After how many tokens positions restart."""
        return self.chunk - self.local

    @property
    def _farthest(self) -> int:
        """The largest position of a query."""
        return self.chunk if self.local else self.length - 1

    @property
    def _older(self) -> int:
        """The position of every query for chunks older than the one before its own."""
        return min(2 * self._size - 1, self.chunk) if self.local else self.length - 1

    def distance(self, i: Tensor, j: Tensor) -> Tensor:
        i, j, size = torch.as_tensor(i), torch.as_tensor(j), self._size
        ago = i // size - j // size
        query = torch.where(ago == 0, i % size, (i % size + size).clamp(max=self._farthest))
        return torch.where(ago <= 1, query, self._older) - j % size

    @property
    def bands(self) -> tuple[Band, ...]:
        size, farthest = self._size, self._farthest

        def begins(i: Tensor, ago: int) -> Tensor:
            return ((i // size - ago) * size).clamp(min=0)

        def key(j: Tensor) -> Tensor:
            return j % size

        own = Span(lambda i: begins(i, 0), lambda i: i + 1)
        previous = Span(lambda i: begins(i, 1), lambda i: begins(i, 0))
        older = causal() & Span(torch.zeros_like, lambda i: begins(i, 1))
        return (
            Band("own chunk", own, lambda i: i % size, key),
            Band("previous chunk", previous, lambda i: (i % size + size).clamp(max=farthest), key),
            Band("older chunks", older, at(self._older), key),
        )

    @property
    def rule(self) -> str:
        size, farthest = self._size, self._farthest
        previous = f"i // {size} == j // {size} + 1: min(i % {size} + {size}, {farthest}) - j % {size}"
        return f"i // {size} == j // {size}: d; {previous}; else: {self._older} - j % {size}"

    def reach(self, train_length: int) -> int | None:
        if max(self._older, self._size - 1) <= train_length and (self.local or self.length <= train_length):
            return None
        return train_length if self.local else min(train_length, 2 * self.chunk)
