"""One measurement in a process of its own: read a text, decode after it, and print time and peak memory as JSON.

A fresh process, because memory that an earlier reading gave back to the allocator would hide the next one's peak.
"""

if __name__ == "__main__":  # before torch is imported
    from longsight.processor import wait_asleep

    wait_asleep()

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from analysis.evaluation.memory import forget_peak, peak_memory
from analysis.runs import read_one
from benchmarks.subject import ROOT, random_ids, read_stock
from longsight.generation.decode import Sampling, decode
from longsight.generation.prefill import prefill
from longsight.methods import Method
from longsight.models.model import Model, adopt
from longsight.models.module_patching import cache_keyword

CHUNKED, ONE_PASS = "stock, chunked", "stock, one pass"
STOCK = (CHUNKED, ONE_PASS)
"""Unpatched transformers with sdpa attention and its own DynamicCache: the two ways to read a long prompt with it."""

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}

ENOUGH = 2.0
"""Short readings are repeated for this many seconds, and the fastest counts."""

ReadStep = Callable[[], object]
TimedReading = Callable[[Tensor], tuple[Callable[[], int], ReadStep]]
"""Reads ids (n,) -> functions that tell the bytes of the cache, and that decode one more token."""


@dataclass(frozen=True)
class Meter:
    """How time [seconds] and memory [bytes] are told: what is held when the peak is forgotten, and the peak since."""

    clock: Callable[[], float]
    forget_peak: Callable[[], int]
    peak_memory: Callable[[], int]


@dataclass(frozen=True)
class Spec:
    """What to measure: a method as text or one of `STOCK`, `length` tokens read and `decode` tokens generated after.

    `clock` is "wall", or "cpu" for the processor time of one thread on a machine that others use as well.
    """

    source: str
    method: str
    length: int
    chunk: int
    decode: int
    threads: int
    clock: str = "wall"


@dataclass(frozen=True)
class Result:
    """`seconds` to read, `peak` [bytes] above the loaded model while reading and writing, `cache` [bytes] after both,
    with the keys that are kept turned for written tokens, `stored` [bytes] of it before any was written, and
    `token_seconds`, the median time of a decoded token (None when none was asked for)."""

    seconds: float
    peak: int
    cache: int
    stored: int
    token_seconds: float | None


def run(spec: Spec, limit: float) -> Result | None:
    """Measure in a fresh process; None when that takes longer than `limit` seconds."""
    command = [sys.executable, "-m", "benchmarks.measure", json.dumps(asdict(spec))]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return None
    if done.returncode:
        raise SystemExit(f"{spec} failed:\n{done.stderr[-2000:]}")
    return Result(**json.loads(done.stdout.splitlines()[-1]))


def measure(spec: Spec) -> Result:
    """The measurement itself, in this process."""
    torch.set_num_threads(spec.threads)
    read, hf = reading(spec)
    ids = random_ids(hf, spec.length)
    meter = Meter(CLOCKS[spec.clock], forget_peak, peak_memory)
    result = measure_once(read, ids, spec.decode, meter)
    seconds = spent = result.seconds
    while spent < ENOUGH:
        again = timed(lambda: read(ids), meter.clock)
        seconds, spent = min(seconds, again), spent + again
    return replace(result, seconds=seconds)


def measure_once(read: TimedReading, ids: Tensor, decode: int, meter: Meter) -> Result:
    """Read `ids` (n,) once, and generate `decode` tokens after them."""
    read(ids[:64])  # the first pass through a model pays for what later ones find ready
    before = meter.forget_peak()
    start = meter.clock()
    cache, step = read(ids)
    seconds, stored = meter.clock() - start, cache()
    step()
    times = [timed(step, meter.clock) for _ in range(decode)]
    return Result(seconds, meter.peak_memory() - before, cache(), stored, statistics.median(times) if times else None)


def timed(work: Callable[[], object], clock: Callable[[], float]) -> float:
    """Seconds that `work` takes."""
    start = clock()
    work()
    return clock() - start


def reading(spec: Spec) -> tuple[TimedReading, PreTrainedModel]:
    """How the spec's method reads a text, and the model that it reads with."""
    hf = read_stock(spec.source)
    if spec.method in STOCK:
        return partial(read_with_stock, hf, chunk=spec.chunk if spec.method == CHUNKED else spec.length), hf
    model = adopt(hf)
    method = read_one(model, spec.method, spec.length)
    return partial(read_with_method, model, method, chunk=spec.chunk, room=spec.decode), hf


def read_with_method(
    model: Model, method: Method, ids: Tensor, chunk: int, room: int
) -> tuple[Callable[[], int], ReadStep]:
    """`room`: tokens that will be written, for which the cache has place from the beginning."""
    read = prefill(model, ids, method, chunk=chunk, room=room)
    tokens = decode(model, read, Sampling(stop=frozenset(), max_new_tokens=2**30))
    return lambda: read.cache.nbytes, partial(next, tokens)


@torch.inference_mode()
def read_with_stock(hf: PreTrainedModel, ids: Tensor, chunk: int) -> tuple[Callable[[], int], ReadStep]:
    cache, name = DynamicCache(config=hf.config), cache_keyword(hf)
    for start in range(0, len(ids), chunk):
        part = ids[None, start : start + chunk]
        token = hf(input_ids=part, **{name: cache}, use_cache=True, logits_to_keep=1).logits[:, -1:].argmax(-1)

    @torch.inference_mode()
    def step() -> None:
        nonlocal token
        token = hf(input_ids=token, **{name: cache}, use_cache=True).logits.argmax(-1)

    return lambda: sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers), step


if __name__ == "__main__":
    print(json.dumps(asdict(measure(Spec(**json.loads(sys.argv[1]))))))
