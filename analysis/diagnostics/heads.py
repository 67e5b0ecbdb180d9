"""Which heads see everything under DuoAttention, as a method in one line: found in a model, or read from a file.

    longsight look MODEL attention --text FILE --methods "$(longsight heads MODEL)"

A model's heads are those that look back furthest when a random passage is repeated. A folder of the method's authors
(full_attention_heads.tsv and config.json) says which heads theirs are.
"""

from __future__ import annotations

if __name__ == "__main__":  # before torch is imported
    from longsight.processor import wait_asleep

    wait_asleep()

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from longsight.errors import LongSightError
from longsight.methods.duo import Duo
from longsight.models.head_scores import PATTERN, read_pattern, words
from longsight.models.model import load

from ..runs.typed import quoted
from .retrieval_heads import retrieval_scores


def found(source: str, share: float) -> Duo:
    """DuoAttention with a `share` of full heads: of a folder with a pattern, or of a model. Raises `LongSightError`."""
    if (Path(source) / PATTERN).exists():
        return read_pattern(source, share)
    model = load(source)
    usual = Duo.for_model(model.train_length, model.train_length)
    method = replace(usual, heads=words(retrieval_scores(model), share))
    model.seam.check_method(method)
    return method


def main(arguments: Sequence[str] | None = None, prog: str = "python -m analysis.diagnostics.heads") -> int:
    """Print the line; 1 and one sentence when there is none."""
    parser = argparse.ArgumentParser(
        prog=prog, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", help="a model (a folder, a .gguf file or a Hub id), or a folder with a pattern")
    parser.add_argument("--share", type=float, default=0.5, help="share of all heads that see everything; 0.5")
    options = parser.parse_args(arguments)
    try:
        method = found(options.source, options.share)
    except LongSightError as problem:
        print(problem, file=sys.stderr)
        return 1
    print(f"{Duo.key}:window={method.window},starting={method.starting},heads={quoted(method.heads)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
