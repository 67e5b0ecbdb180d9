"""What is said of a method that fails beside others: one sentence for its own place, whatever the reason."""

import logging

import torch

from longsight.errors import LongSightError
from longsight.methods import Method

log = logging.getLogger(__name__)


def is_out_of_memory(error: Exception) -> bool:
    """Whether memory did not suffice: on an accelerator, or on a CPU, which torch tells by a RuntimeError."""
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or (
        isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
    )


def sentence(error: Exception, method: Method, at: int, remedy: str, details: str = "the log") -> str:
    """What became of `method`, which had read `at` tokens. What it could not know beforehand is logged.

    `remedy` is added where memory did not suffice, and `details` are what has the traceback.
    """
    if isinstance(error, LongSightError):
        return str(error)
    if is_out_of_memory(error):
        log.error("%s ran out of memory", method.describe(), exc_info=error)
        return f"{method.title} ran out of memory at token {at:,}; {remedy}."
    log.error("%s failed", method.describe(), exc_info=error)
    return f"{method.title} failed in a way that was not foreseen; {details} has the details."
