"""ReAttention (Liu et al. 2024, arXiv 2407.15176)."""

from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor

from longsight.errors import LongSightError
from longsight.methods.bands import Band, Footprint, Span
from longsight.methods.base import Method, parameter, true_distance
from longsight.methods.fetching import BestSpans, Retrieval, in_blocks
from longsight.methods.lambda_only import STARTING_HELP


@dataclass(frozen=True)
class ReAttention(Method):
    """Recent tokens, and before them, as if nothing lay between, the starting tokens and the surroundings of the keys
    that suit the query best, renumbered in their order.

    Queries fetch together in blocks of `queries`, counted from the start of the text; the last query of a block has a
    window of `local` less 1 to `align` keys, so that it moves on in steps of `align`. Up to `starting + local` tokens,
    counted to the end of the block, everything is seen.
    The authors' code reads its first call whole, counts from the end of each call, and by default gives recalled keys
    their old positions (`pe_original`), with which nothing is extrapolated; with grouped heads its choice takes query
    heads in another order. None of this is done here. A token that is written fetches for itself.
    """

    local: int = parameter("How many recent tokens are seen, or up to align fewer.", unit="tokens", low=2)
    starting: int = parameter(STARTING_HELP, unit="tokens", default=32)
    top_k: int = parameter("How many keys each query of each head picks.", unit="tokens", low=1, default=4)
    span: int = parameter("How many tokens are fetched around a key that was picked.", unit="tokens", low=1, default=32)
    most: int = parameter("How many of the picked keys a layer fetches at most.", unit="tokens", low=1, default=127)
    queries: int = parameter("How many consecutive queries fetch together.", unit="tokens", low=1, default=512)
    align: int = parameter("In steps of how many tokens the window moves on.", unit="tokens", low=1, default=128)

    key: ClassVar[str] = "reattention"
    title: ClassVar[str] = "ReAttention"
    paper: ClassVar[str] = "Liu et al. 2024, arXiv 2407.15176"
    code: ClassVar[str] = "github.com/OpenMOSS/ReAttention"
    summary: ClassVar[str] = "Recent tokens, and before them whatever suits them best, as if nothing lay between."
    sees: ClassVar[str] = "d < local (about), and per layer j < starting and what surrounds its best keys"
    tells: ClassVar[str] = "recent: d; others: by rank, right before them"

    @classmethod
    def for_model(cls, train_length: int, target_length: int) -> Self:
        local = max(train_length // 2, 2)
        align = min(128, max(local // 8, 1))
        starting = min(32, train_length // 8)
        span = min(32, max(train_length // 16, 1))
        most = max((train_length - local - starting) // (span + span % 2), 1)
        return cls(local, starting, 4, span, most, min(512, max(local - align, 1)), align)

    def check(self) -> None:
        if self.queries > self.local - self.align:
            raise LongSightError(
                f"{self.title}: {self.queries:,} queries fetch together, but the window of the last of them may be no "
                f"longer than local - align = {self.local - self.align:,}; choose at most so many queries."
            )

    def begin(self, i: Tensor) -> Tensor:
        """The first position of the block of queries that `i` is in."""
        return in_blocks(self.queries)(i)

    def end(self, i: Tensor) -> Tensor:
        """The position after the last one of that block."""
        return self.begin(i) + self.queries

    def recent_from(self, i: Tensor) -> Tensor:
        """The first key of the window of query `i`; 0 while everything is seen."""
        past = self.end(torch.as_tensor(i)) - self.starting - self.local
        return torch.where(past > 0, self.starting + (past // self.align + 1) * self.align, 0)

    def visible(self, i: Tensor, j: Tensor) -> Tensor:
        return (true_distance(i, j) >= 0) & (j >= self.recent_from(i))

    @property
    def bands(self) -> tuple[Band, ...]:
        needed = Footprint(0, self.starting + self.local)
        return (Band("window", Span(self.recent_from, lambda i: i + 1, needed)),)

    @property
    def retrieval(self) -> Retrieval:
        return Retrieval(
            BestSpans(self.top_k, self.span, self.most),
            Span(lambda i: torch.full_like(i, self.starting), self.recent_from),
            self.queries,
            self.begin,
            always=self.starting,
        )

    def reach(self, train_length: int) -> int | None:
        farthest = self.starting + self.most * (self.span + self.span % 2) + self.local
        return None if farthest <= train_length else train_length
