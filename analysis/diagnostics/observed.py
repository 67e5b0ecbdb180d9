"""Records of what probes measure. Positions count from the start of the text, whatever the method reads of it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..records import Column, Record, array, value

PARTS = ("starting", "window", "middle", "fetched")
"""Where attention goes: to the first tokens, to other recent ones, to the rest, to keys fetched by content."""

LEAST_QUERIES = 32
SINK = 0.3


@dataclass(frozen=True, eq=False)
class Observed(Record):
    """What all of them say of the reading that they come from."""

    model: str = value("name of the model")
    method: str = value("key of the method in METHODS")
    caption: str = value("the method and its parameters in one line")
    parameters: dict[str, Any] = value("the method's parameters by name")
    n: int = value("length of the text", "tokens")
    unread: int = value("how many first tokens the method never reads", "tokens")
    train_length: int = value("length of the model's training", "tokens")


@dataclass(frozen=True, eq=False)
class AttentionObserved(Observed):
    """What records of measured queries share."""

    sampling: str = value("which queries were measured")
    layer: np.ndarray = array("layer", "number of the layer, from 0")
    position: np.ndarray = array("query", "position of the query in the text", "tokens")
    token: np.ndarray = array("query", "text of the query's token")
    keys: np.ndarray = array("layer query", "number of keys that the query sees, fetched ones included", "keys")


@dataclass(frozen=True, eq=False)
class LogitRecord(AttentionObserved):
    """Attention logits: before the softmax, after scaling, over the keys that a query sees."""

    largest: np.ndarray = array("layer head query", "largest |logit|")
    mean: np.ndarray = array("layer head query", "mean logit")
    spread: np.ndarray = array("layer head query", "standard deviation of the logits")


@dataclass(frozen=True, eq=False)
class EntropyRecord(AttentionObserved):
    """Attention entropy, and what bounds it from below."""

    entropy: np.ndarray = array("layer head query", "attention entropy", "nats")
    largest: np.ndarray = array("layer head", "largest |logit| of all measured queries: B of proposition 1")

    @property
    def most(self) -> np.ndarray:
        """(layer query) ln(keys) [nats]: the entropy of attention that is spread evenly."""
        return np.log(self.keys)

    @property
    def share(self) -> np.ndarray:
        """(layer head query) entropy as a share of `most`; NaN where the query sees one key."""
        most = np.where(self.keys > 1, self.most, np.nan)
        return self.entropy / most[:, None]

    @property
    def bound(self) -> np.ndarray:
        """(layer head query) ln n - 2B [nats]: entropy is never lower (LM-Infinite, proposition 1)."""
        return self.most[:, None] - 2 * self.largest[:, :, None]

    def columns(self) -> tuple[Column, ...]:
        """Besides the fields: the share and the bound."""
        axes = ("layer", "head", "query")
        return (
            *super().columns(),
            Column("share", axes, "attention entropy as a share of ln(keys)", "", self.share),
            Column("bound", axes, "ln(keys) - 2 largest: lower bound of the entropy", "nats", self.bound),
        )


@dataclass(frozen=True, eq=False)
class MassRecord(AttentionObserved):
    """Where attention goes, in shares that sum to 1, and how far away the model is told that it is."""

    starting_tokens: int = value("how many first tokens of what is read count as starting", "tokens")
    window: int = value("tokens at a true distance below this count as window", "tokens")
    starting: np.ndarray = array("layer head query", "attention on starting tokens", "share")
    recent: np.ndarray = array("layer head query", "attention on window tokens that are no starting ones", "share")
    middle: np.ndarray = array("layer head query", "attention on all other tokens that the rule shows", "share")
    fetched: np.ndarray = array("layer head query", "attention on keys fetched by content", "share")
    distance: np.ndarray = array("layer head query", "mean effective distance attended to", "tokens")


@dataclass(frozen=True, eq=False)
class DistanceRecord(Observed):
    """Effective distances that the model is shown, beside those of its training.

    Bin b holds distances d with `ceil(d / width) = b`, so that bin 0 is the query itself and the trained length, which
    stands for everything beyond under a ceiling, falls into the last familiar bin.
    """

    sampling: str = value("which queries were measured")
    queries: int = value("how many queries were measured")
    width: int = value("width of a bin", "tokens")
    layer: np.ndarray = array("layer", "number of the layer, from 0")
    upper: np.ndarray = array("bin", "largest effective distance of the bin", "tokens")
    shown: np.ndarray = array("bin", "keys shown at this distance, per query", "keys")
    trained: np.ndarray = array("bin", "keys at this distance, per query, in a text of the trained length", "keys")
    attended: np.ndarray = array("layer bin", "attention at this distance, mean over heads and queries", "share")

    @property
    def unseen(self) -> np.ndarray:
        """(bin) whether the bin lies beyond the trained length."""
        return self.upper > self.train_length


@dataclass(frozen=True, eq=False)
class SinkRecord(Observed):
    """How much attention each token receives.

    `received` is the mean weight of a key over the measured queries that see it. Keys fetched by content are left out:
    only the last query has any.
    """

    sampling: str = value("which queries were measured")
    queries: int = value("how many queries were measured")
    layer: np.ndarray = array("layer", "number of the layer, from 0")
    position: np.ndarray = array("key", "position of the key in the text", "tokens")
    token: np.ndarray = array("key", "text of the key's token")
    seen: np.ndarray = array("key", "how many measured queries see the key", "queries")
    received: np.ndarray = array("layer head key", "mean attention that the key receives where it is seen", "share")

    @property
    def collected(self) -> np.ndarray:
        """(layer head key) attention that the key receives from all queries together; its mean over keys is 1.

        Estimated from the measured queries. It is fair to keys that are seen by many queries and by few: an ordinary
        key collects about 1 in either case, for every query has attention 1 to give.
        """
        return np.nan_to_num(self.received) * self.seen * ((self.n - self.unread) / self.queries)

    @property
    def heads(self) -> np.ndarray:
        """(key) share of all heads in which the key is a sink: it receives over 0.3 (Gu et al. 2024, arXiv 2410.10781,
        section 3.1); NaN for keys that under 32 queries see, too few for a mean."""
        return np.where(self.seen >= LEAST_QUERIES, (self.received > SINK).mean((0, 1)), np.nan)

    def columns(self) -> tuple[Column, ...]:
        """Besides the fields: what the key collects, and in how many heads it is a sink."""
        axes, means = ("layer", "head", "key"), "attention received from all queries together"
        return (
            *super().columns(),
            Column("collected", axes, means, "queries", self.collected),
            Column("heads", ("key",), f"heads in which the key receives over {SINK}", "share", self.heads),
        )


@dataclass(frozen=True, eq=False)
class AttentionMap(Observed):
    """Attention weights of chosen layers and heads over a range of queries and keys.

    A cell holds the attention that falls on its keys, mean over its measured queries; where a cell is one query and one
    key, that is the attention weight itself. NaN: no query of the cell sees a key of it.
    """

    sampling: str = value("which queries were measured")
    queries: tuple[int, ...] = value("first query and the one after the last", "tokens")
    keys: tuple[int, ...] = value("first key and the one after the last", "tokens")
    layer: np.ndarray = array("layer", "number of the layer, from 0")
    head: np.ndarray = array("head", "number of the head, from 0")
    query_position: np.ndarray = array("row", "position of the cell's first query", "tokens")
    key_position: np.ndarray = array("column", "position of the cell's first key", "tokens")
    query_token: np.ndarray = array("row", "text of the cell's first query")
    key_token: np.ndarray = array("column", "text of the cell's first key")
    weight: np.ndarray = array("layer head row column", "attention on the cell's keys, mean over its queries", "share")

    @property
    def exact(self) -> bool:
        """Whether a cell is one query and one key."""
        return self.weight.shape[2:] == (self.queries[1] - self.queries[0], self.keys[1] - self.keys[0])

    @property
    def pooling(self) -> str:
        """How cells stand for tokens, as a sentence."""
        if self.exact:
            return "One cell is one query and one key."
        rows, columns = self.weight.shape[2:]
        tall, wide = (self.queries[1] - self.queries[0]) / rows, (self.keys[1] - self.keys[0]) / columns
        return (
            f"One cell stands for {tall:,.1f} queries x {wide:,.1f} keys: the attention that falls on its keys, "
            f"mean over its queries. {self.sampling}"
        )


@dataclass(frozen=True, eq=False)
class HiddenRecord(Observed):
    """The residual stream at chosen depths, at some positions."""

    depth: np.ndarray = array("depth", "after how many layers; 0 is the embedding", "layers")
    position: np.ndarray = array("point", "position in the text", "tokens")
    token: np.ndarray = array("point", "text of the token")
    states: np.ndarray = array("depth point channel", "hidden state; the last depth is after the final norm")


@dataclass(frozen=True, eq=False)
class NLLRecord(Observed):
    """How surprised the model is at each token."""

    token: np.ndarray = array("token", "text of the token")
    nll: np.ndarray = array("token", "negative log-likelihood given all earlier tokens; NaN where never read", "nats")
