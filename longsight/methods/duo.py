"""DuoAttention (Xiao et al. 2024, arXiv 2410.10819)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Self

from torch import Tensor

from longsight.errors import LongSightError
from longsight.methods.bands import Band, after, beyond
from longsight.methods.base import Method, parameter
from longsight.methods.by_head import ByHead
from longsight.methods.lambda_only import Lambda
from longsight.methods.vanilla import Vanilla

FULL, STREAMING = "1", "0"


@dataclass(frozen=True)
class Duo(Method):
    """Some key/value heads see everything (retrieval heads), the others the first tokens and the recent ones
    (streaming heads), all at true distances. Streaming heads remember no more than they see.

    `heads` has a word for each layer, and a word a digit for each of the layer's key/value heads, 1 where it sees
    everything; a digit by itself stands for all heads of its layer, and a word by itself for all layers. Query heads
    follow the key/value head that they share. The window is `d < window`, the query included, as in the authors'
    training; while their code writes, streaming heads see one key more, and in its first chunk every head sees all.
    Which heads retrieve is a fact about a model: left empty, `heads` is every second one, which is a guess.
    """

    window: int = parameter(
        "How many recent tokens streaming heads see, the query's own included.", unit="tokens", low=1
    )
    starting: int = parameter("How many of the text's first tokens streaming heads see.", unit="tokens")
    heads: str = parameter(
        "A word for each layer, a digit for each of its key/value heads: 1 sees everything, 0 streams. Empty: every "
        "second head, a guess.",
        unit="text", high=8000, default="",
    )  # fmt: skip

    key: ClassVar[str] = "duo"
    title: ClassVar[str] = "DuoAttention"
    paper: ClassVar[str] = "Xiao et al. 2024, arXiv 2410.10819"
    code: ClassVar[str] = "github.com/mit-han-lab/duo-attention"
    summary: ClassVar[str] = "Some heads see everything, the others the starting tokens and the recent ones alone."
    sees: ClassVar[str] = "full heads all, others d < window or j < starting"
    tells: ClassVar[str] = "d"

    def check(self) -> None:
        _words(self.heads)

    @classmethod
    def for_model(cls, train_length: int, target_length: int) -> Self:
        """The authors' 256 recent and 64 starting tokens, or less where the model was trained on few."""
        window = min(256, max(1, train_length // 2))
        return cls(window=window, starting=window // 4)

    def in_layers(self, heads: Sequence[int]) -> tuple[Method, ...]:
        words = _words(self.heads)
        if len(words) not in (0, 1, len(heads)):
            raise LongSightError(
                f"{self.title}: heads has words for {len(words)} layers, but the model has {len(heads)}; give one for "
                "each layer, or one for all."
            )
        told = words * len(heads) if len(words) == 1 else words
        return tuple(
            ByHead(law=self, rules=tuple(self._rules[digit] for digit in self._digits(n, told, count)))
            for n, count in enumerate(heads)
        )

    def _digits(self, layer: int, words: Sequence[str], count: int) -> str:
        """A digit for each of the `count` heads of a layer."""
        if not words:
            return "".join(FULL if (layer + head) % 2 == 0 else STREAMING for head in range(count))
        word = words[layer] if len(words[layer]) != 1 else words[layer] * count
        if count and len(word) != count:
            raise LongSightError(
                f"{self.title}: the word {word:.40} names {len(word)} heads, but layer {layer} of the model has "
                f"{count} key/value heads; give a digit for each, or one for all."
            )
        return word

    @property
    def _streaming(self) -> Lambda:
        return Lambda(window=self.window, starting=self.starting, log_n=self.log_n)

    @property
    def _rules(self) -> dict[str, Method]:
        return {FULL: Vanilla(log_n=self.log_n), STREAMING: self._streaming}

    @property
    def head_rules(self) -> tuple[Method, ...]:
        """That of full heads, and that of streaming ones."""
        return tuple(rule for digit, rule in self._rules.items() if digit in (self.heads.strip() or FULL + STREAMING))

    @property
    def _only_streams(self) -> bool:
        return bool(_words(self.heads)) and FULL not in self.heads

    def visible(self, i: Tensor, j: Tensor) -> Tensor:
        """To some head."""
        return self._streaming.visible(i, j) if self._only_streams else super().visible(i, j)

    @property
    def bands(self) -> tuple[Band, ...]:
        seen = self._streaming.bands
        hidden = after(self.starting) & beyond(self.window)
        return seen if self._only_streams else (*seen, Band("full heads alone", hidden))

    @property
    def acts_without_positions(self) -> bool:
        return STREAMING in self.heads or not _words(self.heads) or super().acts_without_positions

    def reach(self, train_length: int) -> int | None:
        return self._streaming.reach(train_length) if self._only_streams else train_length


@lru_cache(maxsize=256)
def _words(text: str) -> tuple[str, ...]:
    words = tuple(text.split())
    for word in words:
        if not set(word) <= {FULL, STREAMING}:
            raise LongSightError(
                f"DuoAttention: heads must be words of the digits 1 and 0, parted by spaces, but {word:.40} was given."
            )
    return words
