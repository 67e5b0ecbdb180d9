"""The KV cache: unrotated keys and values, and what a method lets go of.

Keys are stored as the model projected them, before any rotation, so that one cache serves every band (and every later
query) at whatever position the method gives it. While tokens are written one by one there are turned copies besides
(see `one_query.py`).
"""

from array import array
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache as TransformersCache

from longsight.attention.kept_keys import kept
from longsight.attention.kept_layer import Counted, KeptLayer
from longsight.attention.offloaded_keys import OffloadedKeys
from longsight.attention.split_layer import HeadKeys, SplitLayer
from longsight.attention.state_layer import StateLayer
from longsight.methods import Method
from longsight.methods.bands import EVERYTHING


class Cache(TransformersCache):
    """The KV cache of a text under one method, which comes down to a rule in each layer. It is an explicit argument and
    can be continued.

    `length` [tokens] read so far, `nbytes` [bytes] held, `ids` the tokens read (kept by `prefill` and `decode`). With
    `padded` every layer keeps everything: the rows of a padded batch let go of tokens at different times. While tokens
    are written one by one, `turns` allows it a turned copy of its keys: half as many bytes again under most methods
    (see `Model.cache_bytes`), and writing is as many times slower without as keys are many. `users`: the last layer
    that uses the keys of each (see `last_users`); `recurrent`: the layers that keep a state instead. `offload`: where
    layers that fetch put what their bands cannot show; None: they keep it.
    """

    def __init__(
        self, method: Method, rules: Sequence[Method], padded: bool = False, users: Sequence[int] | None = None,
        recurrent: Collection[int] = (), offload: torch.device | None = None,
    ) -> None:  # fmt: skip
        users = range(len(rules)) if users is None else users
        beside = None if padded else offload
        made: list[KeptLayer | SplitLayer | StateLayer] = []
        for n, (rule, user) in enumerate(zip(rules, users, strict=True)):
            if n in recurrent:
                made.append(StateLayer())
            elif rule.head_groups:
                groups = rule.head_groups
                made.append(SplitLayer([HeadKeys(heads, _empty(each, user, padded, None)) for each, heads in groups]))
            else:
                made.append(_empty(rule, user, padded, beside))
        super().__init__(layers=made)
        self.method = method
        self.rules = tuple(rules)
        self.padded, self.offload = padded, offload
        self.announced = 0  # the length of the text that is being read, as far as anyone has said
        self.text = 0  # the length of text that was known when its last tokens were read
        self.turns = True
        self.spoilt = False  # a call failed on its way through the layers: some have read what others have not
        # While a forward pass runs: what it knows, for layers that are handed nothing but the cache.
        self.chunk: Any = None
        self.ids = array("q")
        self._position: Tensor | None = None  # (1,) of the token read last, if it was counted
        self._counted = 0  # the length after it

    @property
    def length(self) -> int:
        return self.get_seq_length()

    @property
    def nbytes(self) -> int:
        return sum(layer.nbytes for layer in self.layers)

    @property
    def offloaded_nbytes(self) -> int:
        """Bytes of keys and values beside the device's memory."""
        return sum(layer.offloaded.nbytes for layer in self.kept_layers if layer.offloaded is not None)

    @property
    def kept_layers(self) -> Iterator[KeptLayer]:
        """What holds keys and values: layers, or parts of them."""
        for layer in self.layers:
            if isinstance(layer, SplitLayer):
                yield from layer.each
            elif isinstance(layer, KeptLayer):
                yield layer

    def count(self, tokens: int) -> None:
        """So many tokens are about to be read. Where one follows in layers that are all full, everything from here on
        is computed from a count that the device keeps: no number of the processor's, no shape and no place in memory
        differs from one token to the next, as CUDA graphs ask for.

        That is the one rule that decides it. A layer that keeps everything never becomes full, because its method asks
        for that, or a padded batch, or because what it lets go of is kept beside the device (see `KeptLayer.full`): it
        goes on growing, and what depends on the length is made by the processor. An observer changes nothing of this:
        it looks at what is there, with work of its own.
        """
        layers = list(self.kept_layers)
        if tokens > 1 or not self.turns or not all(layer.full for layer in layers):
            self._position = None
            for layer in layers:
                layer.counted = None
            return
        if self._position is None or self._counted != self.length:
            self._position = torch.full((1,), self.length, device=layers[0].keys.device)
        else:
            self._position.add_(1)
        self._counted, found = self.length + 1, dict[tuple[int, int, torch.device], Counted]()
        for layer in layers:
            alike = (layer.starting, layer.window, layer.keys.device)
            if alike not in found:
                found[alike] = layer.count(self._position.to(layer.keys.device))
            layer.counted = found[alike]

    @property
    def takes_back(self) -> bool:
        """Whether the latest token can be forgotten: where all there is of it are its own keys and values, each in the
        place of one that no later query sees. A state is made of all tokens, and what fetches remembers blocks, or
        keeps keys beside the device."""
        fetches = any(rule.retrieval_in(n) is not None for n, rule in enumerate(self.rules))
        return not fetches and not any(isinstance(layer, StateLayer) for layer in self.layers)

    def take_back(self) -> None:
        """Forget the latest token, which came alone, as a cache that `takes_back`; `ids` are the caller's."""
        self._position = None
        for layer in self.kept_layers:
            layer.take_back()

    def fork(self) -> "Cache":
        """A cache that has read the same and goes on by itself: what one of the two reads, the other does not see."""
        fork = Cache(self.method, (), self.padded, offload=self.offload)
        fork.rules = self.rules
        fork.layers = [layer.fork() for layer in self.layers]
        fork.ids, fork.spoilt, fork.turns = self.ids[:], self.spoilt, self.turns
        fork.announced, fork.text = self.announced, self.text
        return fork

    def forget_turned(self) -> None:
        """Let go of turned keys: they are made anew when they are needed."""
        for layer in self.kept_layers:
            layer.turned.clear()

    def reserve(self, length: int, room: int = 0) -> None:
        """Announce a text of `length` tokens: its room is taken at once, with that of `room` more tokens, which may
        follow. Where a model hears long texts otherwise than short ones, it is heard as what it is from its first
        token on."""
        self.announced = length
        for layer in self.layers:
            layer.reserve(length + room)

    def restart(self) -> None:
        """Forget everything, to be read into anew."""
        for layer in self.layers:
            layer.reset()
        self.announced = self.text = 0
        self.ids = array("q")


def _empty(rule: Method, user: int, padded: bool, beside: torch.device | None) -> KeptLayer:
    """A layer, or heads of one, that keep what `rule` needs until layer `user` has used it."""
    footprint = EVERYTHING if padded else kept(rule, user, beside is not None)
    fetches = rule.retrieval_in(user) is not None
    return KeptLayer(*footprint, OffloadedKeys(beside) if beside is not None and fetches else None)
