"""A model on a device, and what is measured of it there: each method and each way of stock transformers, by length."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from unittest.mock import patch

import torch
from transformers import PreTrainedModel
from transformers.utils import is_flash_attn_2_available, is_flash_attn_3_available

from analysis.runs import read_one
from benchmarks.measure import Meter, Result, TimedReading, measure_once, read_with_method, read_with_stock
from benchmarks.subject import random_ids
from longsight.attention.varlen import SWITCH
from longsight.models.model import adopt

CHUNK, DECODE = 2048, 16
LONGEST_MASKED = 32768
STOCK, MASKED = "stock", "with masks"
NO_MEMORY, NO_TIME = "out of memory", "no time left"

GpuCell = Result | str
"""A measurement, or why there is none."""


@dataclass(frozen=True)
class Subject:
    """A model on the device, unpatched, and what was measured of it: (reader, length) -> cell."""

    name: str
    hf: PreTrainedModel
    cells: dict[tuple[str, int], GpuCell] = field(default_factory=dict)
    spent: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    """reader -> (length, seconds that its whole measurement took), from short to long."""

    def measure(self, reader: str, read: TimedReading, n: int, meter: Meter, deadline: float) -> GpuCell:
        """Measure one reader at one length, unless it would end after `deadline` [on the meter's clock], or a shorter
        text needed too much memory already."""
        start, known = meter.clock(), self.spent.setdefault(reader, [])
        if any(cell == NO_MEMORY and m < n for (other, m), cell in self.cells.items() if other == reader):
            cell: GpuCell = NO_MEMORY
        elif start + expected(known, n) > deadline:
            cell = NO_TIME
        else:
            try:
                cell = measure_once(read, random_ids(self.hf, n).to(self.hf.device), DECODE, meter)
            except torch.OutOfMemoryError:
                cell = NO_MEMORY
            known.append((n, meter.clock() - start))
        self.cells[reader, n] = cell
        return cell

    def result(self, reader: str, n: int) -> Result | None:
        """A reader's measurement, where there is one."""
        cell = self.cells.get((reader, n))
        return cell if isinstance(cell, Result) else None

    def stock(self, n: int) -> Result | None:
        """The fastest stock reading of so many tokens."""
        found = [cell for (reader, m), cell in self.cells.items() if m == n and reader.startswith(STOCK)]
        return min((cell for cell in found if isinstance(cell, Result)), key=lambda cell: cell.seconds, default=None)

    def bytes_per_token(self, stored: int) -> int:
        """Bytes that one more token must read: every weight but the table of embeddings, of which it needs one row
        (unless that table is the output layer as well), and the keys and values that are `stored`, each once."""
        embeddings, head = self.hf.get_input_embeddings().weight, self.hf.get_output_embeddings().weight
        weights = sum(p.nbytes for p in self.hf.parameters())
        return weights - (0 if embeddings is head else embeddings.nbytes) + stored

    def share_of_limit(self, result: Result, bandwidth: float) -> float | None:
        """How much of a `bandwidth` [bytes per second] writing makes use of; None where nothing was written."""
        return self.bytes_per_token(result.stored) / bandwidth / result.token_seconds if result.token_seconds else None


def expected(known: list[tuple[int, float]], n: int) -> float:
    """Seconds for `n` tokens, as `a n + b n ** 2` through the last two of `known` (length, seconds), or `b n ** 2`."""
    if not known:
        return 0.0
    m, seconds = known[-1]
    before, less = known[-2] if len(known) > 1 else (0, 0.0)
    b = (seconds / m - (less / before if before else 0.0)) / (m - before)
    b = min(max(b, 0.0), seconds / m**2)
    return (seconds / m - b * m) * n + b * n**2


def stock_readers(hf: PreTrainedModel) -> Iterator[tuple[str, Callable[[int], TimedReading]]]:
    """The ways to read with transformers: every attention that is installed, in one pass and in chunks."""
    flash = {"flash_attention_3": is_flash_attn_3_available, "flash_attention_2": is_flash_attn_2_available}
    on_cuda = hf.device.type == "cuda"
    for attention in [*(name for name, there in flash.items() if on_cuda and there()), "sdpa"]:

        def reads(n: int, chunk: int | None, attention: str = attention) -> TimedReading:
            hf.set_attn_implementation(attention)
            return partial(read_with_stock, hf, chunk=chunk or n)

        yield f"{STOCK}, {attention}, one pass", partial(reads, chunk=None)
        yield f"{STOCK}, {attention}, chunked", partial(reads, chunk=CHUNK)


def measure_stock(subject: Subject, n: int, meter: Meter, deadline: float) -> Iterator[str]:
    """The shortest text is read in every way that transformers has; a longer one in the fastest that comes to its end.
    Yields each reader when it is measured."""
    readers = dict(stock_readers(subject.hf))
    proven = fastest_first(subject)
    for reader in proven or readers:
        cell = subject.measure(reader, readers[reader](n), n, meter, deadline)
        yield reader
        if proven and isinstance(cell, Result):
            break


def fastest_first(subject: Subject) -> list[str]:
    """The stock readers that have read a text: those that read the longest one first, and of them the fastest."""
    read = {
        reader: (-n, cell.seconds)
        for (reader, n), cell in sorted(subject.cells.items(), key=lambda item: item[0][1])
        if reader.startswith(STOCK) and isinstance(cell, Result)
    }
    return sorted(read, key=lambda reader: read[reader])


def measure_methods(subject: Subject, n: int, methods: list[str], meter: Meter, deadline: float) -> Iterator[str]:
    """As they come, and then with masks: what no time is left for is the comparison. Yields each reader when it is
    measured."""
    model, ways = adopt(subject.hf), ("", f", {MASKED}") if n <= LONGEST_MASKED else ("",)
    try:
        for way in ways:
            for text in methods:
                method = read_one(model, text, 2 * n)  # with room for as many written tokens as there is time for
                read = partial(read_with_method, model, method, chunk=CHUNK, room=DECODE)
                with patch.dict(os.environ, {SWITCH: "0"} if way else {}):
                    subject.measure(text + way, read, n, meter, deadline)
                yield text + way
    finally:
        model.seam.close()


def heading(subject: Subject, n: int) -> str:
    """What stands above the rows of one length, in Markdown."""
    columns = ("encode [s]", "decode [ms per token]", "of the bandwidth limit", "cache [MB]", "peak above weights [MB]")
    return f"### {subject.name}, {n:,} tokens\n\n| | {' | '.join(columns)} |\n|---{'|---' * len(columns)}|"


def row(subject: Subject, reader: str, n: int, bandwidth: float) -> str:
    """One reader's figures; a method's with how many times those of the fastest stock reader they are, in brackets."""
    cell, stock = subject.cells[reader, n], None if reader.startswith(STOCK) else subject.stock(n)
    cells = [cell, "", "", "", ""] if isinstance(cell, str) else _figures(subject, cell, stock, bandwidth)
    return f"| {reader} | {' | '.join(cells)} |"


def _figures(subject: Subject, result: Result, stock: Result | None, bandwidth: float) -> list[str]:
    def figure(read: Callable[[Result], float], unit: float, digits: int) -> str:
        text = f"{read(result) / unit:,.{digits}f}"
        return f"{text} ({read(result) / read(stock):.2f})" if stock is not None and read(stock) else text

    share = subject.share_of_limit(result, bandwidth)
    return [
        figure(lambda each: each.seconds, 1, 2),
        figure(lambda each: each.token_seconds or 0.0, 1e-3, 2),
        "" if share is None else f"{share:.0%}",
        figure(lambda each: each.cache, 1e6, 1),
        figure(lambda each: each.peak, 1e6, 0),
    ]
