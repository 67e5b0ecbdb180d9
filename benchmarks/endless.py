"""How fast a text without an end is read: tokens per second of one method, from the first million to the last."""

from dataclasses import dataclass

import torch

from benchmarks.measure import Meter
from longsight.methods import Method
from longsight.models.model import Model

FAR = 200_000_000
"""Tokens of the longest text that LM-Infinite's authors read."""


@dataclass(frozen=True)
class Rate:
    """How far it came, and how fast it was in the first and in the last tenth of that."""

    tokens: int
    seconds: float
    first: float
    last: float

    def __str__(self) -> str:
        hours = FAR * self.seconds / self.tokens / 3600
        return (
            f"{self.tokens:,} tokens in {self.seconds:,.1f} s: {self.tokens / self.seconds:,.0f} tokens per second, "
            f"{self.first:,.0f} in the first tenth and {self.last:,.0f} in the last; "
            f"at this rate {FAR:,} tokens take {hours:,.1f} hours."
        )


def read_on(model: Model, method: Method, tokens: int, chunk: int, meter: Meter, deadline: float) -> Rate:
    """Read `tokens` random tokens, or as many as there is time for until `deadline` [on the meter's clock]."""
    make, cache = torch.Generator().manual_seed(0), model.seam.new_cache(method)
    vocabulary = model.hf.config.vocab_size
    ends, start = [0.0], meter.clock()
    for _ in range(-(-tokens // chunk)):
        model.forward(torch.randint(vocabulary, (chunk,), generator=make), cache, logits_to_keep=1)
        ends.append(meter.clock() - start)
        if start + ends[-1] > deadline:
            break
    part = max(1, (len(ends) - 1) // 10)
    return Rate(
        cache.length, ends[-1], part * chunk / (ends[part] - ends[0]), part * chunk / (ends[-1] - ends[-1 - part])
    )
