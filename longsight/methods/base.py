"""What a method is: a small frozen object with pure functions of positions."""

import math
from collections.abc import Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple, Self

import torch
from torch import Tensor

from longsight.errors import LongSightError
from longsight.methods.bands import Band, causal
from longsight.methods.fetching import Retrieval

LARGEST = 2**40
"""No parameter of any method needs to exceed this."""

FACTOR_HELP = "A constant factor on all logits; the authors' code has 1.1434, their rule 1."


def parameter(
    help: str, *, unit: str, low: float = 0, high: float = LARGEST, default: Any = MISSING, kw_only: bool = False,
    symbol: str | None = None,
) -> Any:  # fmt: skip
    """Declare a field of a method: the page makes its control from it, the README its table, the check its error.

    `symbol`: the letter that the paper has for it, where labels have little room. Of a text, `low` and `high` are
    numbers of characters.
    """
    metadata = {"help": help, "unit": unit, "low": low, "high": high, "symbol": symbol}
    return field(default=default, kw_only=kw_only, metadata=metadata)


class HeadGroup(NamedTuple):
    """Key/value heads of one layer that follow one rule."""

    rule: "Method"
    heads: tuple[int, ...]


@dataclass(frozen=True)
class Method:
    """A rule about positions: which keys a query sees, and which distance the model is told.

    `visible`, `distance`, `logit_scale` and `inv_freq` are the law. `bands` states `visible` and `distance` once more
    in a form that is fast to compute; a test over an exhaustive grid holds the two together.
    """

    log_n: int = parameter(
        "Trained length from which on logits grow as ln(position) / ln(log_n). 0: never.",
        unit="tokens", default=0, kw_only=True,
    )  # fmt: skip

    key: ClassVar[str]
    title: ClassVar[str]
    paper: ClassVar[str]
    code: ClassVar[str] = ""
    """The repository of its authors' own code, where they published it: `github.com/owner/name`."""
    summary: ClassVar[str]
    sees: ClassVar[str]
    tells: ClassVar[str]
    needs: ClassVar[str | None] = None
    """The only kind of position encoding on which the method has an effect; None: any."""

    def __post_init__(self) -> None:
        for spec in fields(self):
            self._check_field(spec)
        if self.log_n == 1:
            raise LongSightError(f"{self.title}: log_n = 1 would divide by ln(1) = 0; choose 0 (off) or at least 2.")
        self.check()

    def _check_field(self, spec: Field) -> None:
        name, value, low, high = spec.name, getattr(self, spec.name), spec.metadata["low"], spec.metadata["high"]
        if spec.type is str:
            self._check_text(name, value, low, high)
            return
        kinds, wanted = ((int, float), "a number") if spec.type is float else ((int,), "a whole number")
        if isinstance(value, bool) or not isinstance(value, kinds):
            raise LongSightError(f"{self.title}: {name} must be {wanted}, but {value!r} was given.")
        if not low <= value <= high:
            raise LongSightError(f"{self.title}: {name} must be between {low:,} and {high:,}, but {value:,} was given.")

    def _check_text(self, name: str, value: object, low: int, high: int) -> None:
        if not isinstance(value, str):
            raise LongSightError(f"{self.title}: {name} must be a text, but {value!r} was given.")
        if not low <= len(value) <= high:
            raise LongSightError(
                f"{self.title}: {name} must have between {low:,} and {high:,} characters, but has {len(value):,}."
            )
        for at, character in enumerate(value, 1):
            if character == '"' or not character.isprintable():  # in a line that names methods, texts stand in quotes
                raise LongSightError(
                    f"{self.title}: {name} must have neither double quotes nor control characters, but {character!r} "
                    f"is its character {at}."
                )

    def check(self) -> None:
        """Raise `LongSightError` when parameters contradict each other."""

    @classmethod
    def for_model(cls, train_length: int, target_length: int) -> Self:
        """Sensible parameters for a model trained on `train_length` tokens that is to read `target_length`."""
        raise NotImplementedError

    def visible(self, i: Tensor, j: Tensor) -> Tensor:
        """Whether query `i` attends to key `j` (int64 tensors, broadcast) -> bool; never when `j > i`. By default: to
        every key that is not in its future."""
        return true_distance(i, j) >= 0

    def distance(self, i: Tensor, j: Tensor) -> Tensor:
        """The effective distance that the position encoding is given for query `i` and key `j`, where visible; with
        `frequency_groups`, one for each of them (group, ...). By default: the true one."""
        return true_distance(i, j)

    def logit_scale(self, i: Tensor) -> Tensor | None:
        """A factor on query `i`, and so on its products with keys (not on ALiBi's bias); None stands for 1 everywhere.

        With `log_n` it is max(1, ln(i + 1) / ln(log_n)): attention over more keys is sharpened as its entropy grows
        (Su 2021, "Attention scaling from the invariance of entropy"; Chiang and Cholak 2022, arXiv 2202.12172).
        """
        if self.log_n == 0:
            return None
        return ((i + 1).double().log() / math.log(self.log_n)).clamp(min=1)

    def inv_freq(self, inv_freq: Tensor, length: int) -> Tensor:
        """The RoPE frequencies [radians per token] (rotary_dim / 2,) for queries whose text is `length` tokens long."""
        return inv_freq

    def lengths(self, i: Tensor) -> Tensor | None:
        """For each query (n,) the text length that its frequencies are made for; None when they never change."""
        return None

    def length_at(self, i: Tensor) -> int:
        """`lengths` of one query; 0 when frequencies never change."""
        lengths = self.lengths(i.reshape(1))
        return 0 if lengths is None else int(lengths)

    def runs(self, i: Tensor) -> list[slice]:
        """Cut consecutive queries `i` (n,) where their frequencies change."""
        lengths = self.lengths(i)
        if lengths is None:
            return [slice(0, len(i))]
        ends = torch.unique_consecutive(lengths, return_counts=True)[1].cumsum(0).tolist()
        return [slice(start, end) for start, end in pairwise([0, *ends])]

    @property
    def frequency_groups(self) -> int:
        """Into how many groups the pairs of channels that turn are parted, the fastest first, each with distances and
        positions in bands of its own (see `rope.pair_groups`); 1: all hear the same."""
        return 1

    def in_layers(self, heads: Sequence[int]) -> tuple["Method", ...]:
        """What it is in each layer of a model whose layers have so many key/value `heads` (0: no keys): itself, unless
        heads follow rules of their own. Raises `LongSightError` when it is made for other models."""
        return (self,) * len(heads)

    @property
    def head_rules(self) -> tuple["Method", ...]:
        """The rules that the heads of a model follow, where they differ; none: all follow this one."""
        return ()

    @property
    def head_groups(self) -> tuple[HeadGroup, ...]:
        """Where the key/value heads of a layer follow rules of their own, all of them, parted by rule; `visible` and
        `bands` then say what some of them see. None: all follow this one."""
        return ()

    @property
    def bands(self) -> tuple[Band, ...]:
        """Disjoint bands that together cover exactly the visible keys. By default one, that states the defaults."""
        return (Band("all", causal()),)

    @property
    def retrieval(self) -> Retrieval | None:
        """Keys fetched by content besides the visible ones, or None."""
        return None

    def retrieval_in(self, layer: int) -> Retrieval | None:
        """How `layer` fetches, if it does."""
        rule = self.retrieval
        return rule if rule is not None and layer >= rule.from_layer else None

    @property
    def while_reading(self) -> "Method":
        """What it comes to while a text is only read, and never asked about: itself, without what the last token of a
        prompt alone would do."""
        return self

    def piece(self, start: int, size: int) -> int:
        """How many tokens to read at once from position `start` on when `size` are asked for: no fewer, and none that
        would tear queries apart that fetch together."""
        return size if self.retrieval is None else self.retrieval.whole(start, size)

    @property
    def acts_without_positions(self) -> bool:
        """Whether layers that hear no positions compute something else under it: they see less, or scaled logits."""
        return type(self).visible is not Method.visible or self.logit_scale(torch.tensor([LARGEST])) is not None

    @property
    def longest(self) -> int | None:
        """The longest text [tokens] that it is defined for, what is written after it included; None: any."""
        return None

    def check_length(self, tokens: int) -> None:
        """Raise `LongSightError` for a text of `tokens`, what is written after it included, that is too long."""
        if self.longest is not None and tokens > self.longest:
            raise LongSightError(
                f"{self.title}: its rule is made for texts of at most {self.longest:,} tokens, and this one has "
                f"{tokens:,} with what is written after it; choose parameters for a longer one, and read it anew."
            )

    @property
    def rule(self) -> str | None:
        """Its law in the language of `composed`, but for what it does to logits; None where it is no law of positions
        alone, or tells frequencies apart."""
        return None

    def keeps(self, n: int) -> int:
        """How many of the last tokens of a prompt of `n` tokens are read at all."""
        return n

    def reach(self, train_length: int) -> int | None:
        """The longest text [tokens] in which every distance the model is told is one of its training (or the ceiling
        that stands for all longer ones); None when there is no limit."""
        return train_length

    def describe(self) -> str:
        """The method and its parameters in one line, for captions and logs."""
        values = ", ".join(
            f"{spec.name}={getattr(self, spec.name)}"
            for spec in fields(self)
            if getattr(self, spec.name) != spec.default
        )
        return f"{self.title} ({values})" if values else self.title


def true_distance(i: Tensor, j: Tensor) -> Tensor:
    """`i - j`, with both broadcast as int64."""
    return torch.as_tensor(i) - torch.as_tensor(j)


def of_group(distance: Tensor, group: int = -1) -> Tensor:
    """Distances (query, key) that one group of frequencies is told, by default the slowest, of those that `distance`
    gives; where all hear the same, these."""
    return distance if distance.ndim < 3 else distance[group]


def times(factor: float, scale: Tensor | None, i: Tensor) -> Tensor | None:
    """A constant `factor` on the logits of queries `i`, besides a `scale` that they have; None stands for 1."""
    if factor == 1:
        return scale
    return torch.full_like(i, factor, dtype=torch.float64) if scale is None else scale * factor
