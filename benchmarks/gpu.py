"""What reading and answering cost on a CUDA device: each method beside stock transformers and the device's own limit.

`python -m benchmarks.gpu`, in one run of at most 8 minutes that prints as it goes: the equality tests on CUDA, in
float32 and in bfloat16; a text of ten million tokens, read by the embedded model under LM-Infinite; then, all in
bfloat16, random weights in the shape of Llama-2-7B, the embedded model, and SmolLM2 where it is installed. All but the
longest texts are read again with masks, where methods do without. What no time is left for is said to be left out, and
so is what needs more memory than there is. Without CUDA it says so and stops.
"""

if __name__ == "__main__":  # before torch is imported
    from longsight.processor import wait_asleep

    wait_asleep()

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from unittest.mock import patch

import torch
from tqdm import tqdm
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedConfig, PreTrainedModel
from transformers.utils import is_flash_attn_2_available, is_flash_attn_3_available

from analysis.evaluation.memory import forget_peak, peak_memory
from analysis.runs import methods_argument, read_one
from benchmarks.endless import read_on
from benchmarks.measure import Meter, Result, TimedReading, measure_once, read_with_method, read_with_stock
from benchmarks.subject import DEFAULT, ROOT, random_ids, read_stock
from longsight.attention.varlen import SWITCH
from longsight.models.model import adopt, load
from longsight.models.registry import PACKAGED

MINUTES = 8.0
FOR_TESTS, FOR_ENDLESS = 150.0, 60.0
"""Seconds that the equality tests, and the reading without an end, may take."""

LENGTHS = (4096, 32768, 131072)
LONGEST_MASKED = 32768
READERS = ("vanilla", "lm-infinite", "lm-infinite:top_k=5,from_layer=1,insert_at=256", "self-extend")
ENDLESS = "lm-infinite:top_k=0"
TOKENS = 10_000_000
CHUNK, DECODE = 2048, 16
COPIED = 2**30
"""Bytes that are copied to find the bandwidth: more than any cache of a device holds."""

LLAMA_2_7B = LlamaConfig(max_position_embeddings=4096)  # every other default is that model's

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
        """Measure one reader at one length, unless it would end after `deadline` [on the meter's clock]."""
        start, known = meter.clock(), self.spent.setdefault(reader, [])
        if start + expected(known, n) > deadline:
            cell: GpuCell = NO_TIME
        else:
            try:
                cell = measure_once(read, random_ids(self.hf, n).to(self.hf.device), DECODE, meter)
            except torch.OutOfMemoryError:
                cell = NO_MEMORY
            known.append((n, meter.clock() - start))
        self.cells[reader, n] = cell
        return cell

    def bytes_per_token(self, cache: int) -> int:
        """Bytes that one more token must read: every weight but the table of embeddings, of which it needs one row
        (unless that table is the output layer as well), and the cache."""
        embeddings, head = self.hf.get_input_embeddings().weight, self.hf.get_output_embeddings().weight
        weights = sum(p.nbytes for p in self.hf.parameters())
        return weights - (0 if embeddings is head else embeddings.nbytes) + cache


def expected(known: list[tuple[int, float]], n: int) -> float:
    """Seconds for `n` tokens, as `a n + b n ** 2` through the last two of `known` (length, seconds), or `b n ** 2`."""
    if not known:
        return 0.0
    m, seconds = known[-1]
    before, less = known[-2] if len(known) > 1 else (0, 0.0)
    b = (seconds / m - (less / before if before else 0.0)) / (m - before)
    b = min(max(b, 0.0), seconds / m**2)
    return (seconds / m - b * m) * n + b * n**2


def random_weights(config: PreTrainedConfig, device: torch.device) -> PreTrainedModel:
    """Untrained weights in a model's shape, which decides time and memory, in bfloat16."""
    with device:
        return AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).eval()


def subjects(device: torch.device, config: PreTrainedConfig = LLAMA_2_7B) -> list[Subject]:
    """What is measured; without the large one where a device has no room for it."""
    found = [Subject("The embedded model", read_stock(DEFAULT).to(device, torch.bfloat16))]
    for each in PACKAGED.values():
        if each.file is not None:
            model = load(each.name, device, torch.bfloat16)
            model.seam.close()
            found.append(Subject(each.name, model.hf))
    try:
        return [Subject("Llama-2-7B's shape", random_weights(config, device)), *found]
    except torch.OutOfMemoryError:
        print("Llama-2-7B's shape does not fit on this device and is left out.", file=sys.stderr)
        return found


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


def measure_stock(subject: Subject, n: int, meter: Meter, deadline: float) -> None:
    """The shortest text is read in every way that transformers has; longer ones in the way that was fastest."""
    readers = dict(stock_readers(subject.hf))
    best = fastest(subject)
    for reader in [best] if best else readers:
        subject.measure(reader, readers[reader](n), n, meter, deadline)


def fastest(subject: Subject) -> str | None:
    """The fastest stock reader at the shortest length."""
    shortest = min((n for _, n in subject.cells), default=None)
    times = {
        reader: cell.seconds
        for (reader, n), cell in subject.cells.items()
        if n == shortest and reader.startswith(STOCK) and isinstance(cell, Result)
    }
    return min(times, key=lambda reader: times[reader], default=None)


def measure_methods(subject: Subject, n: int, methods: list[str], meter: Meter, deadline: float) -> None:
    """As they come, and then with masks: what no time is left for is the comparison."""
    model, ways = adopt(subject.hf), ("", f", {MASKED}") if n <= LONGEST_MASKED else ("",)
    try:
        for way in ways:
            with patch.dict(os.environ, {SWITCH: "0"} if way else {}):
                for text in methods:
                    method = read_one(model, text, 2 * n)  # with room for as many written tokens as there is time for
                    read = partial(read_with_method, model, method, chunk=CHUNK, room=DECODE)
                    subject.measure(text + way, read, n, meter, deadline)
    finally:
        model.seam.close()


def copy_bandwidth(device: torch.device, meter: Meter) -> float:
    """Bytes per second that the device moves when it copies: each is read and written. The best of ten."""
    source = torch.empty(COPIED, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    times = []
    for _ in range(10):
        start = meter.clock()
        target.copy_(source)
        times.append(meter.clock() - start)
    return 2 * COPIED / min(times)


def table(subject: Subject, n: int, bandwidth: float) -> str:
    """Every reader at one length, in Markdown; in brackets the share of what the fastest stock reader takes."""
    lines = [
        f"### {subject.name}, {n:,} tokens",
        "",
        "| | encode [s] | decode [ms per token] | of the bandwidth limit | cache [MB] | peak above the weights [MB] |",
        "|---|---|---|---|---|---|",
    ]
    best = fastest(subject)
    stock = subject.cells.get((best, n)) if best else None
    for (reader, length), cell in subject.cells.items():
        if length == n:
            lines.append(f"| {reader} | {' | '.join(row(subject, cell, stock, bandwidth))} |")
    return "\n".join(lines)


def row(subject: Subject, cell: GpuCell, stock: GpuCell | None, bandwidth: float) -> list[str]:
    """One reader's figures, as text."""
    if not isinstance(cell, Result):
        return [cell, "", "", "", ""]
    token, limit = cell.token_seconds or 0.0, subject.bytes_per_token(cell.cache) / bandwidth

    def figure(read: Callable[[Result], float], unit: float, digits: int) -> str:
        text = f"{read(cell) / unit:,.{digits}f}"
        if not isinstance(stock, Result) or stock is cell or not read(stock):
            return text
        return f"{text} ({read(cell) / read(stock):.2f})"

    return [
        figure(lambda result: result.seconds, 1, 2),
        figure(lambda result: result.token_seconds or 0.0, 1e-3, 2),
        f"{limit / token:.0%}" if token else "",
        figure(lambda result: result.cache, 1e6, 1),
        figure(lambda result: result.peak, 1e6, 0),
    ]


def cuda_meter(device: torch.device) -> Meter:
    def clock() -> float:
        torch.cuda.synchronize(device)
        return time.perf_counter()

    return Meter(clock, partial(forget_peak, device), partial(peak_memory, device))


def run(found: list[Subject], lengths: list[int], methods: list[str], meter: Meter, deadline: float) -> Iterator[str]:
    """Measure from short to long; yields each table when it is done."""
    bandwidth = copy_bandwidth(found[0].hf.device, meter)
    yield f"Copying moves {bandwidth / 1e9:,.0f} GB per second."
    for n in lengths:
        for subject in tqdm(found, desc=f"{n:,} tokens", leave=False):
            measure_stock(subject, n, meter, deadline)
            measure_methods(subject, n, methods, meter, deadline)
            yield table(subject, n, bandwidth)


def equality_tests(seconds: float) -> int:
    """Run the matrix on CUDA; 0 when every test passed within `seconds`."""
    if seconds <= 0:
        print("No time is left for the equality tests.", file=sys.stderr)
        return 1
    command = [sys.executable, "-m", "pytest", "-q", "tests/longsight/matrix/test_devices.py", "-k", "cuda"]
    try:
        return subprocess.run(command, cwd=ROOT, timeout=seconds, check=False).returncode
    except subprocess.TimeoutExpired:
        print(f"The equality tests were stopped after {seconds:.0f} seconds.", file=sys.stderr)
        return 1


def endless(device: torch.device, tokens: int, meter: Meter, deadline: float) -> str:
    """The embedded model, in float32, as it is read with elsewhere."""
    model = adopt(read_stock(DEFAULT).to(device))
    rate = read_on(model, read_one(model, ENDLESS, model.train_length), tokens, CHUNK, meter, deadline)
    return f"Without an end, {ENDLESS}: {rate}"


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--lengths", type=int, nargs="+", default=LENGTHS, metavar="N")
    parser.add_argument(
        "--methods",
        type=methods_argument,
        default=list(READERS),
        help='"vanilla;self-extend:group=4"',
    )
    parser.add_argument("--tokens", type=int, default=TOKENS, help="of the text without an end")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="how long the whole run may take")
    return parser


def benchmark(device: torch.device, config: PreTrainedConfig, options: argparse.Namespace, meter: Meter) -> int:
    """Everything, printed as it goes; 0 when every equality test passed."""
    start = meter.clock()
    end = start + 60 * options.minutes
    print(f"torch {torch.__version__}, chunks of {CHUNK:,} tokens", flush=True)
    failed = equality_tests(min(FOR_TESTS, end - start))
    print(f"\n{endless(device, options.tokens, meter, min(end, meter.clock() + FOR_ENDLESS))}", flush=True)
    for text in run(subjects(device, config), sorted(options.lengths), options.methods, meter, end):
        print(f"\n{text}", flush=True)
    return failed


def main() -> int:
    options = parser().parse_args()
    if not torch.cuda.is_available():
        raise SystemExit(
            f"benchmarks.gpu needs a CUDA device, and torch {torch.__version__} finds none here; "
            "benchmarks.prefill measures on a CPU."
        )
    device = torch.device("cuda", torch.cuda.current_device())
    print(torch.cuda.get_device_name(device), flush=True)
    return benchmark(device, LLAMA_2_7B, options, cuda_meter(device))


if __name__ == "__main__":
    sys.exit(main())
