"""A real model on this processor beside stock transformers: reading and writing, each method, as ratios of one run.

`python -m benchmarks.real_model [MODEL] [--read 2048 9216] [--write 8192] [--dtypes float32 bfloat16] [--loops 0 2]`.
One process and one thread; what is compared takes turns, and the median of its processor time counts, so that other
programs disturb all alike. Text to write after is made up in the caches, as its content makes no difference to speed.
Of a GGUF file of four bits, what writes without them (see `one_row`) is compared too, and llama.cpp reads and writes as
much, where it is installed (see `llama_cpp.py`).
"""

if __name__ == "__main__":  # before torch is imported
    from longsight.processor import wait_asleep

    wait_asleep()

import argparse
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from benchmarks import llama_cpp
from benchmarks.crowded import busy
from benchmarks.measure import CHUNKED, ONE_PASS, read_with_stock
from benchmarks.subject import random_ids
from longsight.attention.kv_cache import Cache
from longsight.generation.prefill import prefill
from longsight.methods import METHODS, Method
from longsight.models.gguf_files import gguf_file, opened
from longsight.models.model import Model, load
from longsight.models.module_patching import cache_keyword

CHUNK, WINDOW, BURST = 2048, 2048, 8
WITHOUT, DEQUANTISED = "vanilla, no turned keys", "vanilla, no packed weights"

Work = Callable[[], object]


def methods(model: Model, length: int) -> dict[str, Method]:
    return {
        "vanilla": METHODS["vanilla"](),
        "lm-infinite": METHODS["lm-infinite"](window=min(WINDOW, model.train_length)),
        "self-extend": model.method("self-extend", 4 * model.train_length),
    }


def readings(model: Model, stock: PreTrainedModel, length: int) -> dict[str, Work]:
    """What is compared at reading `length` tokens."""
    ids = random_ids(stock, length)
    ours = {key: partial(prefill, model, ids, method, chunk=CHUNK) for key, method in methods(model, length).items()}
    return {
        ONE_PASS: partial(read_with_stock, stock, ids, length),
        CHUNKED: partial(read_with_stock, stock, ids, CHUNK),
        **ours,
    }


def writings(model: Model, stock: PreTrainedModel, dequantised: Model | None, length: int) -> dict[str, Work]:
    """What is compared at writing one more token after `length`; `dequantised`: the model without its four bits."""
    states = made_up(model, length)
    token = torch.tensor([1])
    theirs = DynamicCache(config=stock.config)
    for layer, (k, v) in enumerate(states):
        theirs.update(k, v, layer)

    @torch.inference_mode()
    def write_stock() -> None:
        stock(input_ids=token[None], **{cache_keyword(stock): theirs}, use_cache=True)

    def write(cache: Cache, model: Model = model) -> None:
        model.forward(token, cache, retrieves=True, logits_to_keep=1)

    caches = {key: filled(model, method, states) for key, method in methods(model, length).items()}
    caches[WITHOUT] = filled(model, METHODS["vanilla"](), states)
    caches[WITHOUT].turns = False
    ours = {key: partial(write, cache) for key, cache in caches.items()}
    if dequantised is not None:
        ours[DEQUANTISED] = partial(write, filled(dequantised, METHODS["vanilla"](), states), dequantised)
    return {ONE_PASS: write_stock, **ours}


def made_up(model: Model, length: int) -> list[tuple[Tensor, Tensor]]:
    """Random keys and values (1, key_head, length, channel) in the shape of each layer's."""
    cache = model.seam.new_cache(METHODS["vanilla"]())
    model.forward(torch.tensor([1]), cache)
    return [
        tuple(torch.randn(1, x.shape[1], length, x.shape[3], dtype=x.dtype) for x in (layer.keys, layer.values))
        for layer in cache.layers
    ]


def filled(model: Model, method: Method, states: list[tuple[Tensor, Tensor]]) -> Cache:
    cache = model.seam.new_cache(method)
    for layer, (k, v) in zip(cache.layers, states, strict=True):
        layer.reserve(k.shape[2] + 64)
        layer.update(k, v)
    return cache


def in_turns(works: Mapping[str, Work], times: int, burst: int = 1) -> dict[str, float]:
    """The median processor time [seconds] of each, which take turns; the first turn warms up. A turn is a `burst` of
    them one after another, as tokens are written, and its first one, which finds another's keys in the processor's
    cache, does not count."""
    found: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(times + 1):
        for name, work in works.items():
            for n in range(burst):
                start = time.process_time()
                work()
                if (turn or times == 1) and (n or burst == 1):
                    found[name].append(time.process_time() - start)
    return {name: statistics.median(seconds) for name, seconds in found.items()}


def show(title: str, tokens: int, seconds: Mapping[str, float]) -> None:
    """One row: tokens per second of processor time, and how many times stock's faster way."""
    stock = min(seconds[name] for name in (ONE_PASS, CHUNKED) if name in seconds)
    cells = [f"{name} {tokens / each:,.1f} ({stock / each:.2f})" for name, each in seconds.items()]
    print(f"| {title} | {' | '.join(cells)} |", flush=True)


def show_llama_cpp(model: Model, source: str, options: argparse.Namespace) -> None:
    """What llama.cpp does of the same, in tokens per second of processor time; nothing where it cannot."""
    file = gguf_file(source)
    if file is None or not llama_cpp.installed():
        return
    lengths = [*options.read, *options.write]
    other = llama_cpp.LlamaCpp(file.path, max(lengths, default=0) + options.turns * BURST + 64)
    cells = [f"read {n:,} {n / other.read(random_ids(model.hf, n)):,.1f}" for n in options.read]
    cells += [
        f"write after {n:,} {1 / other.write(random_ids(model.hf, n), options.turns * BURST):,.1f}"
        for n in options.write
    ]
    print(f"| llama.cpp, packed weights | {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.real_model", description=__doc__)
    parser.add_argument("model", nargs="?", default="SmolLM2-135M", help="what longsight.load takes")
    parser.add_argument("--read", type=int, nargs="*", default=[2048, 4096, 9216], help="tokens read")
    parser.add_argument("--write", type=int, nargs="*", default=[2048, 8192], help="tokens before those written")
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--loops", type=int, nargs="+", default=[0, 2], help="busy programs beside")
    parser.add_argument("--times", type=int, default=3, help="readings of each, of which the median counts")
    parser.add_argument("--turns", type=int, default=4, help=f"turns of writing {BURST} tokens each")
    options = parser.parse_args()
    torch.set_num_threads(1)
    amx = "with" if torch.cpu.get_capabilities().get("amx_bf16", False) else "without"
    print(f"{options.model}; {platform.machine()} {amx} AMX, one thread, torch {torch.__version__}")
    print("tokens per second of processor time (times stock's faster way)\n")
    for dtype in options.dtypes:
        format_ = getattr(torch, dtype)
        model, other = (load(options.model, "cpu", format_) for _ in range(2))
        other.seam.close()
        dequantised = load(opened(options.model, format_), "cpu", format_) if model.packed_bytes else None
        for loops in options.loops:
            with busy(loops):
                where = f"{dtype}, {loops} busy loops"
                for n in options.read:
                    show(f"{where}, read {n:,}", n, in_turns(readings(model, other.hf, n), options.times))
                for n in options.write:
                    works = writings(model, other.hf, dequantised, n)
                    show(f"{where}, write after {n:,}", 1, in_turns(works, options.turns, BURST))
    show_llama_cpp(model, options.model, options)


if __name__ == "__main__":
    main()
