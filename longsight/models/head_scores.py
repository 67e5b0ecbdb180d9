"""Which heads see everything under DuoAttention, from scores for each key/value head: those of a file in its authors'
format, or of anyone's measurement."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from longsight.errors import LongSightError
from longsight.methods.duo import FULL, STREAMING, Duo

PATTERN, CONFIG = "full_attention_heads.tsv", "config.json"
LARGEST_FILE = 2**22
"""Bytes; the authors' largest pattern has 26 thousand."""


def words(scores: Sequence[Sequence[float]], share: float) -> str:
    """`Duo.heads` in which the heads with the highest `scores` (layer, head) are full: as many as reach the quantile
    1 - `share` of all, as in the authors' `sparsify_attention_heads`; of equal ones the earlier, where they draw.
    Layers without scores are those that no method acts on."""
    if not 0 <= share <= 1:
        raise LongSightError(f"The share of full heads must be between 0 and 1, but {share} was given.")
    flat = np.concatenate([np.asarray(layer, dtype=float) for layer in scores])
    full = len(flat) - math.ceil(round((1 - share) * (len(flat) - 1), 9)) if share else 0
    digits = np.full(len(flat), STREAMING)
    digits[np.argsort(-flat, kind="stable")[:full]] = FULL
    parts = np.split(digits, np.cumsum([len(layer) for layer in scores])[:-1])
    return " ".join(word if len(set(word)) > 1 else word[:1] or FULL for word in map("".join, parts))


def read_pattern(folder: str | Path, share: float = 0.5) -> Duo:
    """The method of a folder as github.com/mit-han-lab/duo-attention has them in `attn_patterns`: scores of layers and
    key/value heads in `full_attention_heads.tsv`, and `sink_size` and `recent_size` in `config.json`.

    `share` of the heads are full: 1 - the authors' sparsity, 0.25 for their model with as many key/value heads as heads
    and 0.5 for the others. Raises `LongSightError` on files that are not there or say something else.
    """
    place = Path(folder)
    scores, sizes = _scores(place / PATTERN), _sizes(place / CONFIG)
    return Duo(window=sizes["recent_size"], starting=sizes["sink_size"], heads=words(scores.tolist(), share))


def _scores(path: Path) -> np.ndarray:
    """(layer, head) between 0 and 1."""
    rows = [line.split("\t") for line in _text(path).splitlines() if line.strip()]
    try:
        scores = np.array(rows, dtype=float)
    except ValueError as problem:
        raise _unlike(path, str(problem)) from problem
    if scores.ndim != 2 or not scores.size or not np.isfinite(scores).all():
        raise _unlike(path, f"{len(rows)} lines were found, or numbers that are not finite")
    return scores.clip(0, 1)


def _sizes(path: Path) -> dict[str, int]:
    try:
        held = json.loads(_text(path))
        found = {name: held[name] for name in ("sink_size", "recent_size")}
    except (ValueError, KeyError, TypeError) as problem:
        raise LongSightError(f"{path} must be JSON with sink_size and recent_size, but: {problem!r:.120}.") from problem
    return found


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise LongSightError(f"{path} has {path.stat().st_size:,} bytes; a pattern of heads has few thousand.")
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as problem:
        raise LongSightError(
            f"{path} cannot be read ({problem}); a pattern is a folder with {PATTERN} and {CONFIG}."
        ) from problem


def _unlike(path: Path, found: str) -> LongSightError:
    return LongSightError(f"{path} must have a line of numbers for each layer, parted by tabs, but: {found:.160}.")
