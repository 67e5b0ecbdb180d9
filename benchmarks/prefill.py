"""How fast a long text is read and answered, and in how much memory, by each method and by stock transformers.

`python -m benchmarks.prefill [MODEL]`. Every figure comes from a process of its own; ratios inside one run are what
counts. Stock is the faster of its two ways to read (chunked, or in one pass).
"""

if __name__ == "__main__":  # before torch is imported
    from longsight.processor import wait_asleep

    wait_asleep()

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch
from tqdm import tqdm

from analysis.runs import methods_argument
from benchmarks.measure import CLOCKS, STOCK, Result, Spec, run
from benchmarks.subject import DEFAULT
from longsight.methods import METHODS

LENGTHS = (512, 2048, 8192, 32768, 65536)
SHORT, MIDDLE, LONG = 2048, 8192, 65536
"""The lengths between which the targets compare."""

PrefillResults = dict[tuple[str, int], Result | None]
"""(method, length) -> its measurement; None when it took too long."""

PrefillCell = Callable[[int, Result], str]
"""Writes one figure of a table: (length, measurement) -> text."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prefill", description=__doc__)
    parser.add_argument("model", nargs="?", default=str(DEFAULT), help="a folder with a model")
    parser.add_argument("--lengths", type=int, nargs="+", default=LENGTHS, metavar="N")
    parser.add_argument(
        "--methods",
        type=methods_argument,
        default=list(METHODS),
        help='"vanilla;self-extend:group=4"',
    )
    parser.add_argument("--chunk", type=int, default=2048, help="tokens read at once")
    parser.add_argument("--decode", type=int, default=32, help="tokens generated after the text")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument(
        "--clock", choices=CLOCKS, default="wall", help="cpu: the time of one thread, for a machine that is busy"
    )
    parser.add_argument("--limit", type=float, default=900, help="seconds after which a measurement is given up")
    parser.add_argument("--out", type=Path, help="a JSON file for all figures")
    return parser.parse_args()


def measure_all(options: argparse.Namespace) -> PrefillResults:
    """Length by length, so that a run that is stopped has compared something."""
    wanted = [(method, n) for n in options.lengths for method in (*STOCK, *options.methods)]
    results: PrefillResults = {}
    for method, n in tqdm(wanted, desc="measuring", unit="reading"):
        shorter = [results[method, m] for m in options.lengths if m < n]
        if None in shorter:  # what was too slow for a shorter text is too slow for this one
            results[method, n] = None
            continue
        spec = Spec(options.model, method, n, options.chunk, options.decode, options.threads, options.clock)
        results[method, n] = run(spec, options.limit)
    return results


def stock_seconds(results: PrefillResults, n: int) -> float | None:
    """The faster of the two stock readings."""
    found = [result.seconds for key in STOCK if (result := results[key, n]) is not None]
    return min(found, default=None)


def table(title: str, results: PrefillResults, lengths: list[int], cell: PrefillCell) -> str:
    """One line per method, one column per length."""
    width = max(len(method) for method, _ in results) + 2
    lines = ["", title, " " * width + "".join(f"{n:>16,}" for n in lengths)]
    for method in dict.fromkeys(method for method, _ in results):
        cells = [results[method, n] for n in lengths]
        texts = ["too slow" if r is None else cell(n, r) for n, r in zip(lengths, cells, strict=True)]
        lines.append(method.ljust(width) + "".join(text.rjust(16) for text in texts))
    return "\n".join(lines)


def speed(results: PrefillResults, n: int, result: Result) -> str:
    stock = stock_seconds(results, n)
    ratio = f" ({stock / result.seconds:.2f}x)" if stock else ""
    return f"{n / result.seconds:,.0f}{ratio}"


def tables(results: PrefillResults, lengths: list[int]) -> str:
    """The four tables of a run."""
    return "\n".join([
        table("tokens read per second (times stock's)", results, lengths, partial(speed, results)),
        table("peak memory, reading and writing, above the loaded model [MB]", results, lengths, megabytes("peak")),
        table("cache after writing, with keys turned for it [MB]", results, lengths, megabytes("cache")),
        table("time per decoded token [ms]", results, lengths, lambda n, r: f"{(r.token_seconds or 0) * 1e3:.2f}"),
    ])  # fmt: skip


def megabytes(name: str) -> PrefillCell:
    return lambda n, result: f"{getattr(result, name) / 1e6:,.2f}"


def targets(results: PrefillResults) -> list[tuple[str, float, float, bool]]:
    """What LM-Infinite must show: (sentence, figure, bound, whether the figure must be at least the bound)."""
    short, middle, long = (results.get(("lm-infinite", n)) for n in (SHORT, MIDDLE, LONG))
    if short is None or middle is None or long is None:
        return []
    speeds = {n: n / r.seconds for n, r in ((SHORT, short), (LONG, long))}
    found = [
        ("tokens/s at 64K / at 2K", speeds[LONG] / speeds[SHORT], 0.8, True),
        ("peak memory at 64K / at 8K", long.peak / middle.peak, 1.1, False),
        ("decode time at 64K / at 2K", (long.token_seconds or 0) / (short.token_seconds or 1), 1.2, False),
    ]
    if stock := stock_seconds(results, LONG):
        found.append(("tokens/s at 64K / stock's", stock / long.seconds, 8, True))
    return found


def main() -> None:
    options = arguments()
    results = measure_all(options)
    print(f"{options.model}, {options.threads} threads, chunks of {options.chunk:,} tokens")
    print(tables(results, list(options.lengths)))
    print("\nLM-Infinite's targets")
    for sentence, figure, bound, at_least in targets(results):
        met = figure >= bound if at_least else figure <= bound
        print(f"  {sentence:28}{figure:8.2f}   {'>=' if at_least else '<='} {bound:g}   {'met' if met else 'NOT MET'}")
    if options.out is not None:
        rows = [{"method": m, "length": n, **(asdict(r) if r else {})} for (m, n), r in results.items()]
        options.out.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
