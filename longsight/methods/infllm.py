"""InfLLM (Xiao et al. 2024, arXiv 2402.04617)."""

from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor

from longsight.errors import LongSightError
from longsight.methods.bands import Band, Footprint, Span, at, beyond, recent, starting
from longsight.methods.base import Method, parameter, true_distance
from longsight.methods.fetching import BestBlocks, Retrieval, in_blocks
from longsight.methods.lambda_only import STARTING_HELP, WINDOW_HELP


@dataclass(frozen=True)
class InfLLM(Method):
    """The window, the starting tokens, and of all else the blocks of `block` tokens that suit the query best; whatever
    is out of the window (`d < window`) stands at `window - 1`.

    Queries fetch together in blocks of `queries`, counted from the start of the text. Keys that left the window, but
    not all of whose block had when the block of queries began, are seen by all (`remainder`).
    The authors' code cuts blocks of queries anew at the start of each call, so that what it computes depends on how a
    text is cut into calls; and it counts keys of the remainder twice for queries in whose window they still are.
    Neither is done here. A token that is written fetches for itself, with the remainder of its block.
    """

    window: int = parameter(WINDOW_HELP, unit="tokens", low=1)
    starting: int = parameter(STARTING_HELP, unit="tokens", default=128)
    block: int = parameter("How many tokens are fetched as one.", unit="tokens", low=1, default=128)
    top_k: int = parameter("How many blocks each layer fetches.", unit="blocks", low=1, default=16)
    representatives: int = parameter(
        "How many tokens of a block stand for it: those that were attended to most.", unit="tokens", low=1, default=4,
    )  # fmt: skip
    queries: int = parameter("How many consecutive queries fetch together.", unit="tokens", low=1, default=512)

    key: ClassVar[str] = "infllm"
    title: ClassVar[str] = "InfLLM"
    paper: ClassVar[str] = "Xiao et al. 2024, arXiv 2402.04617"
    code: ClassVar[str] = "github.com/thunlp/InfLLM"
    summary: ClassVar[str] = (
        "Recent and starting tokens, and for every block of queries the blocks of text that suit it."
    )
    sees: ClassVar[str] = "d < window or j < starting, and top_k blocks per layer"
    tells: ClassVar[str] = "min(d, window - 1)"

    @classmethod
    def for_model(cls, train_length: int, target_length: int) -> Self:
        window = max(train_length // 2, 1)
        block = min(128, max(window // 8, 1))
        return cls(
            window=window,
            starting=min(128, window // 4),
            block=block,
            top_k=max((train_length - window) // block, 1),
            representatives=min(4, block),
            queries=min(512, max(window // 2, 1)),
        )

    def check(self) -> None:
        if self.representatives > self.block:
            raise LongSightError(
                f"{self.title}: representatives = {self.representatives:,} of a block of {self.block:,} tokens; "
                "choose at most as many as it has."
            )

    def begin(self, i: Tensor) -> Tensor:
        """The first position of the block of queries that `i` is in."""
        return in_blocks(self.queries)(i)

    def blocks_end(self, i: Tensor) -> Tensor:
        """The end of the blocks of keys that query `i` may fetch: all that were out of the window, as a whole, when its
        block of queries began."""
        blocks = (self.begin(torch.as_tensor(i)) - self.starting - self.window).clamp(min=0) // self.block
        return self.starting + blocks * self.block

    def visible(self, i: Tensor, j: Tensor) -> Tensor:
        d = true_distance(i, j)
        return (d >= 0) & ((d < self.window) | (torch.as_tensor(j) < self.starting) | (j >= self.blocks_end(i)))

    def distance(self, i: Tensor, j: Tensor) -> Tensor:
        return true_distance(i, j).clamp(max=self.window - 1)

    @property
    def bands(self) -> tuple[Band, ...]:
        needed = Footprint(0, self.window + self.block + self.queries)
        left = Span(self.blocks_end, lambda i: i + 1, needed) & beyond(self.window)
        far = [("starting", starting(self.starting) & beyond(self.window)), ("remainder", left)]
        return Band("window", recent(self.window)), *(
            Band(name, span, at(self.window - 1), at(0)) for name, span in far
        )

    @property
    def retrieval(self) -> Retrieval:
        return Retrieval(
            BestBlocks(self.top_k, self.block, self.representatives, self.window),
            Span(lambda i: torch.full_like(i, self.starting), self.blocks_end),
            self.queries,
            self.begin,
            distance=self.window - 1,
        )

    def reach(self, train_length: int) -> int | None:
        return None if self.window <= train_length else train_length
