"""Probes of what runs through the model besides attention: the residual stream, and the predictions at its end."""

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .observed import HiddenRecord, NLLRecord
from .probing import Probe
from .reading import Reading, chosen, draw

FIRST_POINTS = 64


class HiddenProbe(Probe):
    """Hidden states at chosen depths: of the first 64 tokens read, and of `most` drawn from all."""

    wants_hidden: ClassVar[bool] = True

    def __init__(self, reading: Reading, depths: tuple[int, ...] | None = None, most: int = 1024) -> None:
        super().__init__(reading)
        self.depths = chosen("depth", depths, reading.layers, reading.model.name)
        read = len(reading.read)
        self.points = np.union1d(np.arange(min(FIRST_POINTS, read)), draw(read, most))
        channels = reading.model.hf.get_input_embeddings().embedding_dim
        self._states = torch.full((len(self.depths), len(self.points), channels), torch.nan)

    def hidden(self, start: int, states: tuple[Tensor, ...]) -> None:
        first, last = np.searchsorted(self.points, (start, start + len(states[0])))
        picked = torch.from_numpy(self.points[first:last] - start).to(states[0].device)
        for place, depth in enumerate(self.depths):
            self._states[place, first:last] = states[depth][picked].float().cpu()

    def record(self) -> HiddenRecord:
        position = self.reading.unread + self.points
        return HiddenRecord(
            **self.reading.header(),
            depth=np.array(self.depths),
            position=position,
            token=self.reading.tokens[position],
            states=self._states.numpy().copy(),
        )


class NLLProbe(Probe):
    """Negative log-likelihood of every token that is read, but the first."""

    def __init__(self, reading: Reading) -> None:
        super().__init__(reading)
        self._nll = np.full(reading.n, np.nan, dtype=np.float32)

    def logits(self, start: int, logits: Tensor) -> None:
        targets = self.reading.read[start + 1 : start + 1 + len(logits)].to(logits.device)
        nll = F.cross_entropy(logits[: len(targets)].float(), targets, reduction="none")
        first = self.reading.unread + start + 1
        self._nll[first : first + len(targets)] = nll.cpu().numpy()

    def record(self) -> NLLRecord:
        return NLLRecord(**self.reading.header(), token=self.reading.tokens, nll=self._nll.copy())
