"""What reading and answering cost on a CUDA device: each method beside stock transformers and the device's own limit.

`python -m benchmarks.gpu`, in one run of at most 8 minutes that prints as it goes: the equality tests on CUDA, in
float32 and in bfloat16; a text of ten million tokens, read by the embedded model under LM-Infinite; then, all in
bfloat16, random weights in the shape of Llama-2-7B, the embedded model, and SmolLM2 where it is installed. All but the
longest texts are read again with masks, where methods do without. What no time is left for is said to be left out, and
so is what needs more memory than there is. After each part stands which goals are met so far. Without CUDA it says so
and stops.

In the shape of Llama-2-7B, 128K tokens take 64 GiB of keys and values with stock transformers, beside 13 GiB of
weights: to compare with stock there, an H200 (141 GB) is needed.
"""

if __name__ == "__main__":  # before torch is imported
    from longsight.processor import wait_asleep

    wait_asleep()

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import chain

import torch
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedConfig, PreTrainedModel

from analysis.evaluation.memory import forget_peak, peak_memory
from analysis.runs import methods_argument, read_one
from benchmarks.endless import FAR, Rate, read_on
from benchmarks.gpu_subject import CHUNK, Subject, heading, measure_methods, measure_stock, row
from benchmarks.measure import Meter, Result
from benchmarks.subject import DEFAULT, ROOT, read_stock
from longsight.models.model import adopt, load
from longsight.models.registry import PACKAGED

MINUTES = 8.0
FOR_TESTS, FOR_ENDLESS = 150.0, 60.0
"""Seconds that the equality tests, and the reading without an end, may take."""

LENGTHS = (4096, 32768, 131072)
GOAL = "lm-infinite"
READERS = ("vanilla", GOAL, "lm-infinite:top_k=5,from_layer=1,insert_at=256", "self-extend")
ENDLESS = "lm-infinite:top_k=0"
TOKENS = 10_000_000
COPIED = 2**30
"""Bytes that are copied to find the bandwidth: more than any cache of a device holds."""

LLAMA_2_7B = LlamaConfig(max_position_embeddings=4096)  # every other default is that model's

LARGE = "Llama-2-7B's shape"
IN_BRACKETS = (
    "In brackets: how many times what stock takes, as it reads fastest; cache and peak are those after writing."
)


@dataclass
class GpuFindings:
    """What was found so far: of the models, the bandwidth [bytes per second], and of the text without an end."""

    subjects: list[Subject] = field(default_factory=list)
    bandwidth: float | None = None
    rate: Rate | None = None

    def large(self, length: int) -> tuple[Subject, Result] | None:
        """The model in Llama-2-7B's shape, and its reading by the method that has goals."""
        for subject in self.subjects:
            if subject.name == LARGE and (ours := subject.result(GOAL, length)):
                return subject, ours
        return None

    def against_stock(self, length: int, read: Callable[[Result], float | None]) -> float | None:
        """How many times the method's figure the fastest stock reading's is."""
        if (found := self.large(length)) is None or (stock := found[0].stock(length)) is None:
            return None
        ours, theirs = read(found[1]), read(stock)
        return theirs / ours if ours and theirs else None

    def share_of_limit(self, length: int) -> float | None:
        """Of the bandwidth, what writing makes use of."""
        if self.bandwidth is None or (found := self.large(length)) is None:
            return None
        return found[0].share_of_limit(found[1], self.bandwidth)

    def minutes(self) -> float | None:
        """What the longest text takes at the rate that was found."""
        return None if self.rate is None else FAR * self.rate.seconds / self.rate.tokens / 60


@dataclass(frozen=True)
class Goal:
    """What is to be reached: at least so much, or at most."""

    words: str
    bound: float
    figure: Callable[[GpuFindings], float | None]
    at_least: bool = True

    def verdict(self, findings: GpuFindings) -> str:
        """A row of the table."""
        figure, sign = self.figure(findings), "at least" if self.at_least else "at most"
        met = figure is not None and (figure >= self.bound if self.at_least else figure <= self.bound)
        cells = ("", "not measured") if figure is None else (f"{figure:,.2f}", "met" if met else "not met")
        return f"| {self.words} | {sign} {self.bound:g} | {' | '.join(cells)} |"


PAPER = "LM-Infinite's paper, arXiv 2308.16137"
GOALS = (
    Goal(
        f"decode after 32,768 tokens, times as fast as stock ({PAPER})", 2.72,
        lambda found: found.against_stock(32768, lambda result: result.token_seconds),
    ),
    Goal("decode after 32,768 tokens, of what copying moves", 0.7, lambda found: found.share_of_limit(32768)),
    Goal(
        f"encode 131,072 tokens, times as fast as stock ({PAPER})", 3.16,
        lambda found: found.against_stock(131072, lambda result: result.seconds),
    ),
    Goal(
        f"memory above the weights at 32,768 tokens, times less than stock ({PAPER})", 7.5,
        lambda found: found.against_stock(32768, lambda result: result.peak),
    ),
    Goal(f"{FAR:,} tokens, minutes that they take", 10.0, GpuFindings.minutes, at_least=False),
)  # fmt: skip
"""All but the last are of LM-Infinite in Llama-2-7B's shape; the last is of the embedded model."""


def goals_table(findings: GpuFindings) -> str:
    """Every goal, and whether it is met."""
    rows = [goal.verdict(findings) for goal in GOALS]
    return "\n".join((f"| goals of {GOAL} | | found | |", "|---|---|---|---|", *rows))


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
        return [Subject(LARGE, random_weights(config, device)), *found]
    except torch.OutOfMemoryError:
        print(f"{LARGE} does not fit on this device and is left out.", file=sys.stderr)
        return found


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


def cuda_meter(device: torch.device) -> Meter:
    def clock() -> float:
        torch.cuda.synchronize(device)
        return time.perf_counter()

    return Meter(clock, partial(forget_peak, device), partial(peak_memory, device))


def run(findings: GpuFindings, lengths: list[int], methods: list[str], meter: Meter, deadline: float) -> Iterator[str]:
    """Measure from short to long; yields each row when it is measured, and after each table the goals."""
    findings.bandwidth = bandwidth = copy_bandwidth(findings.subjects[0].hf.device, meter)
    yield f"\nCopying moves {bandwidth / 1e9:,.0f} GB per second. {IN_BRACKETS}"
    for n in lengths:
        for subject in findings.subjects:
            yield f"\n{heading(subject, n)}"
            stock = measure_stock(subject, n, meter, deadline)
            for reader in chain(stock, measure_methods(subject, n, methods, meter, deadline)):
                yield row(subject, reader, n, bandwidth)
            yield f"\n{goals_table(findings)}"


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


def endless(device: torch.device, tokens: int, meter: Meter, deadline: float) -> Rate:
    """The embedded model, in float32, as it is read with elsewhere."""
    model = adopt(read_stock(DEFAULT).to(device))
    return read_on(model, read_one(model, ENDLESS, model.train_length), tokens, CHUNK, meter, deadline)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
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
    findings = GpuFindings()
    findings.rate = endless(device, options.tokens, meter, min(end, meter.clock() + FOR_ENDLESS))
    print(f"\nWithout an end, {ENDLESS}: {findings.rate}\n\n{goals_table(findings)}", flush=True)
    findings.subjects = subjects(device, config)
    for text in run(findings, sorted(options.lengths), options.methods, meter, end):
        print(text, flush=True)
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
