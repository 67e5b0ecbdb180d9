"""Hidden states: the residual stream at chosen depths."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from ..export.records import array
from .observed import Observed
from .probing import Probe
from .reading import Reading, chosen, draw

FIRST_POINTS = 64


@dataclass(frozen=True, eq=False)
class HiddenRecord(Observed):
    """The residual stream at chosen depths, at some positions."""

    depth: np.ndarray = array("depth", "after how many layers; 0 is the embedding", "layers")
    position: np.ndarray = array("point", "position in the text", "tokens")
    token: np.ndarray = array("point", "text of the token")
    states: np.ndarray = array("depth point channel", "hidden state; the last depth is after the final norm")


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
