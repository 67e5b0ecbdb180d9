"""StreamingLLM (Xiao et al. 2023, arXiv 2309.17453)."""

from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor

from longsight.methods.bands import Band, beyond, recent, starting
from longsight.methods.base import Method, parameter, true_distance


@dataclass(frozen=True)
class StreamingLLM(Method):
    """The first `sinks` tokens (attention sinks) and the `recent + 1` most recent ones (`d <= recent`), at their
    positions inside the cache.

    Window keys keep their distance; a sink `t` outside the window stands at `min(i, sinks + recent) - t`.
    In the published code eviction happens between forward passes, so that a long prompt read in one pass is dense; here
    the rule holds for each query, in prefill and decode alike.
    """

    sinks: int = parameter("How many of the text's first tokens every query sees.", unit="tokens")
    recent: int = parameter("How many tokens before the query it sees.", unit="tokens")

    key: ClassVar[str] = "streaming-llm"
    title: ClassVar[str] = "StreamingLLM"
    paper: ClassVar[str] = "Xiao et al. 2023, arXiv 2309.17453"
    code: ClassVar[str] = "github.com/mit-han-lab/streaming-llm"
    summary: ClassVar[str] = "A few sink tokens and the recent ones, renumbered as if nothing lay between them."
    sees: ClassVar[str] = "d <= recent or j < sinks"
    tells: ClassVar[str] = "window: d; sink t outside it: min(i, sinks + recent) - t"

    @classmethod
    def for_model(cls, train_length: int, target_length: int) -> Self:
        sinks = min(4, train_length - 1)
        return cls(sinks=sinks, recent=train_length - sinks - 1)

    def visible(self, i: Tensor, j: Tensor) -> Tensor:
        d = true_distance(i, j)
        return (d >= 0) & ((d <= self.recent) | (torch.as_tensor(j) < self.sinks))

    def distance(self, i: Tensor, j: Tensor) -> Tensor:
        d = true_distance(i, j)
        return torch.where(d <= self.recent, d, torch.as_tensor(i).clamp(max=self.sinks + self.recent) - j)

    @property
    def bands(self) -> tuple[Band, ...]:
        window = self.recent + 1
        sink = Band(
            "sink",
            starting(self.sinks) & beyond(window),
            q_position=lambda i: i.clamp(max=self.sinks + self.recent),
        )
        return Band("window", recent(window)), sink

    @property
    def rule(self) -> str:
        return f"d <= {self.recent}: d; j < {self.sinks}: min(i, {self.sinks} + {self.recent}) - j"

    def reach(self, train_length: int) -> int | None:
        return None if self.sinks + self.recent <= train_length else train_length
