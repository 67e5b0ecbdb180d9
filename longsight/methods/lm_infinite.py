"""LM-Infinite (Han et al. 2023, arXiv 2308.16137)."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from torch import Tensor

from longsight.errors import LongSightError
from longsight.methods.bands import Band, after, at, beyond, recent, starting, unchanged
from longsight.methods.base import Method, parameter, true_distance
from longsight.methods.ceiling import CEILING_HELP
from longsight.methods.fetching import LAST, BestKeys, Retrieval, in_blocks
from longsight.methods.lambda_only import PAPER, STARTING_HELP, WINDOW_HELP, lambda_visible


@dataclass(frozen=True)
class LMInfinite(Method):
    """Lambda-shaped mask and distance ceiling together, with optional retrieval of middle tokens (sections 4.1 to 4.3).

    The window is `d < window` (window keys, the query included) and the ceiling itself is the trained length L, not
    L - 1, as in the authors' code. A starting token inside the window is seen once, at its true distance.
    With `top_k > 0` every head of the layers `>= from_layer` also attends to its `top_k` best middle keys, presented at
    distance `insert_at`; as in the authors' code this is done for the last token of a prompt and for every generated
    one, or, with `queries` (ours), for every block of so many queries, which choose by their mean and see what they
    fetched unless it is in their window. Only then must the whole text be remembered.
    """

    window: int = parameter(WINDOW_HELP, unit="tokens", low=1)
    starting: int = parameter(STARTING_HELP, unit="tokens", default=10)
    ceiling: int = parameter(CEILING_HELP, unit="tokens", low=1, default=0)
    top_k: int = parameter("How many middle tokens each head fetches by content. 0: none.", unit="tokens", default=0)
    from_layer: int = parameter("First layer that fetches, counted from 0.", unit="layer", default=4)
    insert_at: int = parameter("The distance at which fetched tokens are presented.", unit="tokens", default=-1)
    queries: int = parameter(
        "How many consecutive queries fetch together. 0: only the last token of a prompt and generated ones.",
        unit="tokens", default=LAST,
    )  # fmt: skip

    key: ClassVar[str] = "lm-infinite"
    title: ClassVar[str] = "LM-Infinite"
    paper: ClassVar[str] = PAPER
    code: ClassVar[str] = "github.com/Glaciohound/LM-Infinite"
    summary: ClassVar[str] = "Recent and starting tokens, none farther than the model has seen; others if fetched."
    sees: ClassVar[str] = "d < window or j < starting, and top_k middle keys per head"
    tells: ClassVar[str] = "min(d, ceiling); fetched keys: insert_at"

    def __post_init__(self) -> None:
        # Left unset, the ceiling is the window and fetched keys stand half-way to it (the authors' choices).
        if type(self.ceiling) is int and self.ceiling == 0:
            object.__setattr__(self, "ceiling", self.window)
        if type(self.insert_at) is int and self.insert_at == -1 and isinstance(self.ceiling, int):
            object.__setattr__(self, "insert_at", self.ceiling // 2)
        super().__post_init__()

    def check(self) -> None:
        if self.insert_at > self.ceiling:
            raise LongSightError(
                f"{self.title}: insert_at = {self.insert_at} lies beyond ceiling = {self.ceiling}; "
                "choose at most the ceiling."
            )

    @classmethod
    def for_model(cls, train_length: int, target_length: int) -> Self:
        return cls(window=train_length, ceiling=train_length)

    def visible(self, i: Tensor, j: Tensor) -> Tensor:
        return lambda_visible(i, j, self.window, self.starting)

    def distance(self, i: Tensor, j: Tensor) -> Tensor:
        return true_distance(i, j).clamp(max=self.ceiling)

    @property
    def bands(self) -> tuple[Band, ...]:
        first, near, far = starting(self.starting), min(self.window, self.ceiling), max(self.window, self.ceiling)
        bands = [
            Band("window", recent(near)),
            Band("starting", first & beyond(far), q_position=at(self.ceiling), k_position=at(0)),
        ]
        if self.ceiling < self.window:
            bands.append(Band("window at the ceiling", recent(far) & beyond(near), at(self.ceiling), at(0)))
        if self.window < self.ceiling:
            bands.append(Band("starting below the ceiling", first & beyond(near) & recent(far), unchanged, unchanged))
        return tuple(bands)

    @property
    def retrieval(self) -> Retrieval | None:
        if self.top_k == 0:
            return None
        return Retrieval(
            BestKeys(self.top_k), after(self.starting) & beyond(self.window), self.queries, in_blocks(self.queries),
            distance=self.insert_at, from_layer=self.from_layer,
        )  # fmt: skip

    @property
    def while_reading(self) -> Self:
        return replace(self, top_k=0) if self.queries == LAST else self

    @property
    def rule(self) -> str | None:
        if self.top_k:
            return None
        window, starting, top = self.window, self.starting, self.ceiling
        pieces = [f"d < {min(window, top)}: d"]
        if top < window:
            pieces.append(f"d < {window}: {top}")
        if window < top:
            pieces.append(f"d < {top} and j < {starting}: d")
        return "; ".join([*pieces, f"j < {starting}: {top}"])

    def reach(self, train_length: int) -> int | None:
        farthest = self.ceiling if self.starting else min(self.ceiling, self.window)
        return None if farthest <= train_length else train_length
