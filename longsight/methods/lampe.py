"""LaMPE (Zhang et al. 2025, arXiv 2508.02308)."""

from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor

from longsight.errors import LongSightError
from longsight.methods.bands import Band, beyond, causal, recent
from longsight.methods.base import FACTOR_HELP, Method, parameter, times, true_distance

LONGEST = 2**31
"""Tokens; products of two such numbers are exact."""


@dataclass(frozen=True)
class LaMPE(Method):
    """Neighbours (`0 <= d < head`) at their true distance; all others by a map of the whole text onto `use` positions.

    For a text of `length` tokens m(x) = x * use // (length - 1), and a key past the head stands at
    m(i) - m(j) + head - m(head) - 1: continuous at d = head, and a staircase. With `tail` there is a third band: let r
    be the last x with m(x) = m(tail); keys with d >= length - r keep their distance but for a constant, so that they
    too are told apart. The authors make the map anew for each text, of its prompt; here `length` is fixed, so that a
    text reads alike in one pass, in chunks and token by token, and a longer one is refused. Published code counts the
    first distance of each band twice in prefill, and rounds m in float32. It multiplies all logits by 1.1434:
    `logit_factor`.
    """

    head: int = parameter("How many recent tokens keep their true distance.", unit="tokens", low=1, symbol="H")
    use: int = parameter("Onto how many positions the text is mapped.", unit="tokens", low=1, high=LONGEST, symbol="U")
    length: int = parameter(
        "The text that the map is made for; longer ones are refused.", unit="tokens", low=2, high=LONGEST, symbol="N"
    )
    tail: int = parameter(
        "About how many of the farthest distances stay as far apart as they are. 0: none.", unit="tokens", default=0
    )
    logit_factor: float = parameter(FACTOR_HELP, unit="×", low=1, high=4, default=1.0)

    key: ClassVar[str] = "lampe"
    title: ClassVar[str] = "LaMPE"
    paper: ClassVar[str] = "Zhang et al. 2025, arXiv 2508.02308"
    summary: ClassVar[str] = "Near tokens exactly, all others squeezed into the positions that the length leaves them."
    sees: ClassVar[str] = "all, in texts of up to length tokens"
    tells: ClassVar[str] = (
        "m(x) = x·use//(length - 1); d < head: d; else m(i) - m(j) + head - m(head) - 1; at last, with tail: d - c"
    )

    def check(self) -> None:
        if self.use > self.length - 1:
            raise LongSightError(
                f"LaMPE: use = {self.use} positions would stretch a text of length = {self.length} tokens; "
                f"choose at most {self.length - 1}."
            )
        if self.tail and self._tail_begins <= self.head:
            raise LongSightError(
                f"LaMPE: head = {self.head} and tail = {self.tail} leave nothing between them of length = "
                f"{self.length} tokens; choose smaller ones, or tail = 0."
            )

    @classmethod
    def for_model(cls, train_length: int, target_length: int) -> Self:
        """The authors' choice for models trained on 4,096 and 8,192 tokens, as parts of the trained length; the text
        may grow to the next multiple of that."""
        length = -(-max(target_length, 2) // train_length) * train_length
        return cls(head=max(train_length // 8, 1), use=max(train_length * 3 // 8, 1), length=max(length, 2))

    def _mapped(self, x: Tensor) -> Tensor:
        """m(x), exact also for positions far past the text."""
        whole, rest = x // (self.length - 1), x % (self.length - 1)
        return whole * self.use + rest * self.use // (self.length - 1)

    def _m(self, x: int) -> int:
        return x * self.use // (self.length - 1)

    @property
    def _shift(self) -> int:
        """What is added to mapped distances, so that they go on from those of the head."""
        return self.head - self._m(self.head) - 1

    @property
    def _tail_begins(self) -> int:
        """The distance [tokens] from which on the tail's rule holds; `length` where there is no tail."""
        if self.tail == 0:
            return self.length
        step = -(-(self._m(self.tail) + 1) * (self.length - 1) // self.use)  # the first x with a larger m
        return self.length - (step - 1)

    @property
    def _tail_shift(self) -> int:
        """What the tail's distances are shortened by, so that they go on from the mapped ones."""
        farthest = self._tail_begins - 1
        return farthest - self._m(farthest) - self._shift

    def distance(self, i: Tensor, j: Tensor) -> Tensor:
        d = true_distance(i, j)
        mapped = self._mapped(torch.as_tensor(i)) - self._mapped(torch.as_tensor(j)) + self._shift
        if self.tail:
            mapped = torch.where(d < self._tail_begins, mapped, d - self._tail_shift)
        return torch.where(d < self.head, d, mapped)

    def logit_scale(self, i: Tensor) -> Tensor | None:
        return times(self.logit_factor, super().logit_scale(i), i)

    @property
    def longest(self) -> int:
        return self.length

    @property
    def bands(self) -> tuple[Band, ...]:
        span = causal() & beyond(self.head)
        between = span & recent(self._tail_begins) if self.tail else span
        mapped = Band("mapped", between, lambda i: self._mapped(i) + self._shift, self._mapped)
        head = Band("head", recent(self.head))
        if self.tail == 0:
            return head, mapped
        return head, mapped, Band("tail", beyond(self._tail_begins), lambda i: i - self._tail_shift)

    @property
    def rule(self) -> str:
        shift = f"{self.head} - {self._m(self.head)} - 1"
        mapped = f"i * {self.use} // (n - 1) - j * {self.use} // (n - 1) + {shift}"
        if self.tail == 0:
            return f"d < {self.head}: d; else: {mapped}"
        return f"d < {self.head}: d; d < {self._tail_begins}: {mapped}; else: d - {self._tail_shift}"

    def reach(self, train_length: int) -> int | None:
        """Distances to the text's first token are the largest, and rise with the text."""
        first = torch.tensor(0)
        low, high = 1, self.length + 1  # a text of `low` tokens has familiar distances only, one of `high` is too long
        while high - low > 1:
            middle = (low + high) // 2
            familiar = int(self.distance(torch.tensor(middle - 1), first)) < train_length
            low, high = (middle, high) if familiar else (low, middle)
        return low
