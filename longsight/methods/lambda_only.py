"""The lambda-shaped mask of LM-Infinite on its own (Han et al. 2023, arXiv 2308.16137)."""

from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor

from longsight.methods.bands import Band, beyond, recent, starting
from longsight.methods.base import Method, parameter, true_distance

PAPER = "Han et al. 2023, arXiv 2308.16137"
WINDOW_HELP = "How many recent tokens a query sees, itself included."
STARTING_HELP = "How many of the text's first tokens every query sees. 5 to 100 work equally; 0 fails."


def lambda_visible(i: Tensor, j: Tensor, window: int, n_starting: int) -> Tensor:
    """The lambda-shaped mask (section 4.1): `d < window` or `j < n_starting`."""
    d = true_distance(i, j)
    return (d >= 0) & ((d < window) | (torch.as_tensor(j) < n_starting))


@dataclass(frozen=True)
class Lambda(Method):
    """The lambda-shaped mask without the distance ceiling: the starting tokens keep their true, unseen distances."""

    window: int = parameter(WINDOW_HELP, unit="tokens", low=1)
    starting: int = parameter(STARTING_HELP, unit="tokens", default=10)

    key: ClassVar[str] = "lambda"
    title: ClassVar[str] = "Λ only"
    paper: ClassVar[str] = f"{PAPER}, ablation (figure 5)"
    summary: ClassVar[str] = "Half of LM-Infinite: recent and starting tokens, but starting tokens at unseen distances."
    sees: ClassVar[str] = "d < window or j < starting"
    tells: ClassVar[str] = "d"

    @classmethod
    def for_model(cls, train_length: int, target_length: int) -> Self:
        return cls(window=train_length)

    def visible(self, i: Tensor, j: Tensor) -> Tensor:
        return lambda_visible(i, j, self.window, self.starting)

    @property
    def bands(self) -> tuple[Band, ...]:
        return Band("window", recent(self.window)), Band("starting", starting(self.starting) & beyond(self.window))

    @property
    def rule(self) -> str:
        return f"d < {self.window}: d; j < {self.starting}: d"

    def reach(self, train_length: int) -> int | None:
        return None if self.starting == 0 and self.window <= train_length else train_length
