"""How much memory this process holds, and held at its peak."""

import ctypes
import gc
import resource
import sys
from pathlib import Path

import psutil
import torch

MARKS = Path("/proc/self/clear_refs")
"""Where Linux is told to forget a peak."""


def forget_peak(device: torch.device | None = None) -> int:
    """The memory held now [bytes], after what is unused has been given back; the recorded peak begins again here."""
    gc.collect()
    if device is not None and device.type == "cuda":
        torch.cuda.empty_cache()  # or what earlier texts left in pieces could make a later one need more
        torch.cuda.reset_peak_memory_stats(device)
        return held_memory(device)
    give_back()  # or what an earlier text needed would still count as held
    if MARKS.exists():
        MARKS.write_text("5")
    return held_memory()


def give_back() -> None:
    """Let the system have the memory that this process holds and does not use, where that can be asked for."""
    if hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)


def held_memory(device: torch.device | None = None) -> int:
    """The memory held now [bytes]: of an accelerator, or this process's own."""
    if device is not None and device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    return psutil.Process().memory_info().rss


def peak_memory(device: torch.device | None = None) -> int:
    """The peak [bytes] since `forget_peak`; where the system keeps only one peak, that of the whole process."""
    if device is not None and device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if MARKS.exists():
        status = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
