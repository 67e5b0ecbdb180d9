"""What an endless reading has shown: negative log-likelihood, speed and memory along the text, one value a stretch."""

import json
from dataclasses import asdict, dataclass

import numpy as np

from longsight.errors import LongSightError

from ...export.records import Column, Record, array, value
from ...runs import Run, make_runs, method_of
from .long_reader import LongReading

TENTHS = 10


@dataclass(frozen=True, eq=False)
class OdometerRecord(Record):
    """Runs side by side along one text, in `stretch`es that end at 1, 2, 5 times powers of ten, and where a lap of the
    texts ends."""

    model: str = value("name of the model")
    train_length: int = value("length of the model's training", "tokens")
    device: str = value("what it ran on")
    texts: tuple[str, ...] = value("names of the texts, in order")
    chunk: int | None = value("tokens read at once; None: as many as took an equal time", "tokens")
    lap_tokens: int | None = value("tokens after which the texts begin again; None: when they are at an end", "tokens")
    method: np.ndarray = array("run", "key of the method in METHODS")
    caption: np.ndarray = array("run", "the method and its parameters in one line")
    parameters: np.ndarray = array("run", "the method's parameters as JSON")
    begin: np.ndarray = array("stretch", "position of the first token", "tokens")
    end: np.ndarray = array("stretch", "position after the last token", "tokens")
    lap: np.ndarray = array("stretch", "how often all texts were read before, from 0")
    known: np.ndarray = array("stretch", "how many tokens were predicted", "tokens")
    resident: np.ndarray = array("stretch", "memory of the whole process at the end of the stretch", "bytes")
    nll: np.ndarray = array("run stretch", "mean negative log-likelihood given all earlier tokens", "nats")
    seconds: np.ndarray = array("run stretch", "time that reading took", "s")
    processor: np.ndarray = array("run stretch", "how much of it this process had the processor", "s")

    @property
    def tokens(self) -> int:
        """How many were read."""
        return int(self.end[-1])

    def runs(self) -> tuple[Run, ...]:
        """The methods told apart."""
        each = zip(self.method.tolist(), self.parameters.tolist(), strict=True)
        return make_runs([method_of(key, parameters) for key, parameters in each])

    @property
    def rate(self) -> np.ndarray:
        """(run, stretch) tokens per second; on a processor per second of its time, which other programs cannot take."""
        return (self.end - self.begin) / (self.processor if self.device == "cpu" else self.seconds)

    def columns(self) -> tuple[Column, ...]:
        """Besides the fields: the speed."""
        return (*super().columns(), Column("rate", ("run", "stretch"), "reading speed", "tokens/s", self.rate))

    def inside(self, first: int, last: int) -> np.ndarray:
        """Which stretches (stretch,) lie within the tokens `first` to `last - 1`.

        Raises `LongSightError` where that are none.
        """
        chosen = (self.begin >= first) & (self.end <= last)
        if not chosen.any():
            raise LongSightError(f"No stretch of this reading lies within the tokens {first:,} to {last:,}.")
        return chosen

    def tenth(self, number: int) -> np.ndarray:
        """The stretches (stretch,) of a tenth of what was read, of 0 to 9."""
        return self.inside(self.tokens * number // TENTHS, self.tokens * (number + 1) // TENTHS)

    def mean_nll(self, chosen: np.ndarray) -> np.ndarray:
        """(run,) [nats] over some stretches (stretch,)."""
        return (self.nll[:, chosen] * self.known[chosen]).sum(1) / self.known[chosen].sum()


def record_of(reading: LongReading, device: str) -> OdometerRecord:
    """What is known so far. Raises `LongSightError` before anything was read."""
    stretches, model = reading.stretches, reading.model
    if not stretches:
        raise LongSightError("Nothing was read yet, so there is nothing to show.")
    known = np.array([stretch.known for stretch in stretches])
    return OdometerRecord(
        model=model.name, train_length=model.train_length, device=device,
        texts=tuple(text.name for text in reading.texts), chunk=reading.steady, lap_tokens=reading.lap,
        method=np.array([method.key for method in reading.methods]),
        caption=np.array([method.describe() for method in reading.methods]),
        parameters=np.array([json.dumps(asdict(method)) for method in reading.methods]),
        begin=np.array([stretch.begin for stretch in stretches]), end=np.array([stretch.end for stretch in stretches]),
        lap=np.array([stretch.lap for stretch in stretches]), known=known,
        resident=np.array([stretch.resident for stretch in stretches]),
        nll=np.array([stretch.nll for stretch in stretches]).T / np.where(known, known, np.nan),
        seconds=np.array([stretch.seconds for stretch in stretches]).T,
        processor=np.array([stretch.processor for stretch in stretches]).T,
    )  # fmt: skip
