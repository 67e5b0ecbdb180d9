"""What tells one layer of a model from another: how it hears positions, and whether it has a window of its own."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from longsight.attention.encoding import Encoding
from longsight.methods import Method, Window


@dataclass(frozen=True)
class Layer:
    """One layer. Layers that are alike share their `encoding`, the very object.

    `softcap`: the bound that the logits of this layer cannot pass, `softcap * tanh(logit / softcap)` (None: there is
    none); no model has it beside ALiBi.

    `window` [tokens]: it was trained to see no further (None: it sees everything). Every distance in it is one of
    training already, so it keeps its window whatever the method, which acts on the other layers.
    """

    encoding: Encoding
    window: int | None = None
    softcap: float | None = None

    def rule(self, method: Method) -> Method:
        """The method that runs in this layer when `method` is asked for."""
        return method if self.window is None else Window(self.window)


def acting(layers: Sequence[Layer]) -> list[int]:
    """The layers that a method acts on."""
    return [n for n, layer in enumerate(layers) if layer.window is None]


def describe(layers: Sequence[Layer]) -> str:
    """Which layers a method acts on, where that is not all of them and not in the same way; otherwise nothing."""
    whole, total = acting(layers), len(layers)
    deaf = sum(layers[n].encoding.kind == "none" for n in whole)
    windows = Counter(layer.window for layer in layers if layer.window is not None)
    parts = [
        f"{count} keep{'s its' if count == 1 else ' their'} window of {window:,}"
        for window, count in sorted(windows.items())
    ]
    if parts and whole:
        parts.insert(0, f"{len(whole)} of {total} layers see{'s' * (len(whole) == 1)} everything")
    elif parts:
        parts = [f"No layer of {total} sees everything", *parts, "no method can have an effect"]
    if deaf:
        parts.append(f"{deaf} of {total} layers hear{'s' * (deaf == 1)} no distances, only what can be seen is changed")
    return "; ".join(parts) + "." * bool(parts)
