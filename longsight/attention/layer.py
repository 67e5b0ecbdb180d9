"""What tells one layer of a model from another: how it hears positions, and whether it has a rule of its own."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from longsight.attention.encoding import Encoding
from longsight.methods import Method, Vanilla, Window
from longsight.methods.bands import Band, Footprint, Span
from longsight.methods.base import parameter
from longsight.methods.fetching import LAST

QueryScale = Callable[[Tensor], Tensor]
"""Positions (n,) -> the factor that queries there are multiplied by (n,) float64."""


@dataclass(frozen=True)
class OwnChunk(Method):
    """The keys of the query's own chunk of the text: the rule of a layer that was trained so, and no method."""

    chunk: int = parameter("Tokens per chunk.", unit="tokens", low=1)

    title: ClassVar[str] = "Own chunk"

    def visible(self, i: Tensor, j: Tensor) -> Tensor:
        return super().visible(i, j) & (i // self.chunk == j // self.chunk)

    @property
    def bands(self) -> tuple[Band, ...]:
        own = Span(lambda i: i // self.chunk * self.chunk, lambda i: i + 1, Footprint(0, self.chunk))
        return (Band("own chunk", own),)


@dataclass(frozen=True)
class Recurrence(Method):
    """Linear attention: a state that every token changes, in the place of keys. The rule of such a layer, and no
    method: no key is ever asked for, and no token is ever out of reach."""

    title: ClassVar[str] = "Linear attention"

    def visible(self, i: Tensor, j: Tensor) -> Tensor:
        return super().visible(i, j) & False

    @property
    def bands(self) -> tuple[Band, ...]:
        return (Band("none", Span(lambda i: i, lambda i: i)),)


@dataclass(frozen=True)
class Layer:
    """One layer. Layers that are alike share their `encoding`, the very object.

    `window` [tokens]: it was trained to see no further, or with `chunk` [tokens] no further than its chunk of the text
    begins (both None: it sees everything). Every distance in it is one of training already, so it keeps its window or
    its chunks whatever the method, which acts on the other layers.
    `loose`: its window is longer than any text of its training, so that not all distances in it are: vanilla keeps it,
    and a method takes its place.
    `softcap`: the bound that the logits of this layer cannot pass, `softcap * tanh(logit / softcap)` (None: there is
    none); no model has it beside ALiBi. `query_scale`: what queries are multiplied by at their true positions.
    `keys_of`: the number of the earlier layer whose keys and values it uses, and has none of its own. `recurrent`: it
    has linear attention, and keeps a state in the place of keys. `latent`: it stores keys and values as one compressed
    vector and makes them anew from it for every query (MLA); of their channels the first `latent` hear no positions.
    """

    encoding: Encoding
    window: int | None = None
    softcap: float | None = None
    chunk: int | None = None
    query_scale: QueryScale | None = None
    keys_of: int | None = None
    recurrent: bool = False
    latent: int | None = None
    loose: bool = False

    @property
    def sees_everything(self) -> bool:
        return (self.window is None or self.loose) and self.chunk is None and not self.recurrent

    def rule(self, method: Method) -> Method:
        """The method that runs in this layer when `method` is asked for."""
        if self.recurrent:
            return Recurrence()
        if self.window is not None and not (self.loose and method != Vanilla()):
            return Window(self.window)
        return method if self.chunk is None else OwnChunk(self.chunk)


def acting(layers: Sequence[Layer]) -> list[int]:
    """The layers that a method acts on."""
    return [n for n, layer in enumerate(layers) if layer.sees_everything]


def attending(layers: Sequence[Layer]) -> tuple[int, ...]:
    """The layers that attend to keys, and do not keep a state in their place."""
    return tuple(n for n, layer in enumerate(layers) if not layer.recurrent)


def last_users(layers: Sequence[Layer]) -> list[int]:
    """For each layer the last one that uses its keys: itself, where it shares them with none."""
    users = list(range(len(layers)))
    for n, layer in enumerate(layers):
        if layer.keys_of is not None:
            users[layer.keys_of] = n
    return users


def share_and_fetch(layers: Sequence[Layer], rules: Sequence[Method]) -> bool:
    """Whether queries fetch together, each for the others, in a layer that uses the keys of another."""
    found = [rule.retrieval_in(n) for n, rule in enumerate(rules) if layers[n].keys_of is not None]
    return any(retrieval is not None and retrieval.queries != LAST for retrieval in found)


def limits(layers: Sequence[Layer]) -> dict[str, int]:
    """What layers see where they do not see everything, in words, and how many do."""
    windows = Counter(layer.window for layer in layers if layer.window is not None and not layer.loose)
    chunks = Counter(layer.chunk for layer in layers if layer.chunk is not None)
    found = {f"window of {size:,}": count for size, count in sorted(windows.items())}
    found |= {f"chunks of {size:,}": count for size, count in sorted(chunks.items())}
    states = sum(layer.recurrent for layer in layers)
    return found | ({"state in the place of keys": states} if states else {})


def describe(layers: Sequence[Layer]) -> str:
    """Which layers a method acts on, where that is not all of them and not in the same way; otherwise nothing."""
    whole, total = acting(layers), len(layers)
    deaf = sum(layers[n].encoding.kind == "none" for n in whole)
    parts = [f"{count} keep{'s its' if count == 1 else ' their'} {limit}" for limit, count in limits(layers).items()]
    if parts and whole:
        parts.insert(0, f"{len(whole)} of {total} layers see{'s' * (len(whole) == 1)} everything")
    elif parts:
        parts = [f"No layer of {total} sees everything", *parts, "no method can have an effect"]
    for size, count in sorted(Counter(layer.window for layer in layers if layer.loose).items()):
        parts.append(f"under a method {count} see past their window of {size:,}, longer than any text of training")
    if deaf:
        parts.append(f"{deaf} of {total} layers hear{'s' * (deaf == 1)} no distances, only what can be seen is changed")
    return "; ".join(parts) + "." * bool(parts)
