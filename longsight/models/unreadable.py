"""Files of a model that are damaged, contradict themselves or say what cannot be: told in a sentence."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError

from longsight.errors import LongSightError

STUMBLES = (TypeError, AttributeError, ArithmeticError, IndexError, AssertionError)
"""What transformers raises where it does not look at what a file says, but computes with it."""

UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    RuntimeError,
    ImportError,
    SafetensorError,
    StrictDataclassError,
    *STUMBLES,
)
"""What transformers raises for a checkpoint that is missing, damaged, contradicts itself, or needs a library that is
not installed, as quantised ones do."""


def reason(problem: Exception) -> str:
    """The first sentence of an exception, without the advice that transformers appends."""
    lines = str(problem).strip().splitlines() or [type(problem).__name__]
    said = " ".join(line.strip() for line in (lines[:2] if lines[0].rstrip().endswith(":") else lines[:1]))
    if isinstance(problem, STUMBLES):
        return f"one of its files says what transformers cannot use ({type(problem).__name__}: {said.rstrip('.')})"
    return said


@contextmanager
def understood(source: str | Path, hint: Callable[[], str] = str) -> Iterator[None]:
    """What goes wrong within, while files of `source` are taken at their word, becomes a LongSightError that names
    it; `hint` ends the sentence."""
    try:
        yield
    except LongSightError:
        raise
    except UNREADABLE as problem:
        raise LongSightError(f"{source} cannot be loaded: {reason(problem)}{hint()}") from problem
