"""Keys fetched by content, besides those that a query sees for where they are: when, what, and where they stand.

    when    queries      consecutive queries that fetch together, or only the last token of a text
    what    choice       single keys, each head its own; whole blocks, or the surroundings of the best keys, for a layer
    where   distance     all at one distance, or renumbered: lined up right before the window

Rules only: `longsight.attention.retrieval` carries them out, `longsight.attention.plain` defines what is right.
"""

from dataclasses import dataclass

from torch import Tensor

from longsight.methods.bands import PositionMap, Span, unchanged

LAST = 0
"""For `queries`: only the last token of a prompt fetches, and every one that is written."""


@dataclass(frozen=True)
class BestKeys:
    """Each head fetches the `count` keys that score highest against the mean of its queries, rotated to the distance at
    which fetched keys stand; for a single query the score is also their logit (LM-Infinite, section 3.3)."""

    count: int

    @property
    def told(self) -> str:
        return f"each head also fetches {self.count:,} of the hidden keys"


@dataclass(frozen=True)
class BestBlocks:
    """A layer fetches the `count` blocks of `size` keys that score highest, summed over heads (InfLLM, section 3.2).

    A head's score of a block is the product of the mean of its queries, rotated to the distance at which fetched keys
    stand, and the mean of the block's representatives: the `representatives` keys that drew most of that head's
    attention while they were `recently`, in the first band of the method, `recently` tokens long.
    """

    count: int
    size: int
    representatives: int
    recently: int

    @property
    def told(self) -> str:
        return f"each layer also fetches {self.count:,} blocks of {self.size:,} of the hidden keys"


@dataclass(frozen=True)
class BestSpans:
    """A layer fetches the surroundings of the best keys (ReAttention): of each query and head the `count` keys that
    score highest, both unrotated, and of all these the `most` that were picked most often (of equal ones the earlier),
    each with the keys around it: `span` of them, or one more where that is odd, as many before it as from it on."""

    count: int
    span: int
    most: int

    @property
    def told(self) -> str:
        around = f"{len(self.offsets):,} tokens"
        return f"each layer also fetches {around} around each of up to {self.most:,} of the hidden keys"

    @property
    def offsets(self) -> range:
        """What is added to the position of a hit."""
        half = (self.span + 1) // 2
        return range(-half, half)


Choice = BestKeys | BestBlocks | BestSpans


@dataclass(frozen=True)
class Retrieval:
    """How layers `>= from_layer` fetch.

    `queries`: how many of them fetch together, in blocks counted from the start of the text so that it does not matter
    in which pieces a text is read, provided that none ends inside a block (see `whole`); where reading ends, the
    queries of a block that are there fetch without the others. `begin` is the first position of a query's block.
    `middle`: the keys that may be fetched. `distance`: at which fetched keys stand; None: they are lined up, in order,
    right before the end of `middle`, where the keys that are seen begin. `always`: so many of the first tokens of a
    text are lined up with them, once there is anything to fetch.
    """

    choice: Choice
    middle: Span
    queries: int = LAST
    begin: PositionMap = unchanged
    distance: int | None = None
    always: int = 0
    from_layer: int = 0

    def fetchable(self, i: Tensor, j: Tensor) -> Tensor:
        """Whether query `i` may fetch key `j` (int64 tensors, broadcast) -> bool."""
        return self.middle(i, j) | (j < self.always) & (self.middle.first(i) < self.middle.last(i))

    @property
    def told(self) -> str:
        """What is fetched, and where it stands, as part of a sentence."""
        if self.distance is not None:
            return f"{self.choice.told} and sees them at distance {self.distance:,}"
        first = f"behind the first {self.always:,} of the text and " if self.always else ""
        return f"{self.choice.told} and sees them {first}right before the keys that are drawn"

    def whole(self, start: int, size: int) -> int:
        """How many tokens to read at once from `start` on: `size`, or as few more as make the last block whole."""
        return size if self.queries == LAST else size + -(start + size) % self.queries


def in_blocks(queries: int) -> PositionMap:
    """The first position of the block that a query is in; with `LAST` its own."""
    return unchanged if queries == LAST else lambda i: i // queries * queries
