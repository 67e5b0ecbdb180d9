"""What a device is called, and how much memory it has left."""

import os
from pathlib import Path

import psutil
import torch

CGROUP = Path("/sys/fs/cgroup")
UNLIMITED = -1  # as `setrlimit` says it

LENT = os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")
"""Whether this is a Space that is lent a GPU for one call at a time (ZeroGPU), as the package `spaces` asks for it."""


def name(device: torch.device) -> str:
    """CPU, or the name of the accelerator."""
    if LENT:
        return "ZeroGPU"
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type.upper()


def free_bytes(device: torch.device) -> int:
    """Memory that a new cache could use: of the accelerator, or of this machine, the container around us and what this
    process may take."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    available = psutil.virtual_memory().available
    return min(available, _container_free(available), _process_free(available))


def _process_free(otherwise: int) -> int:
    """What the limit on this process's addresses (`ulimit -v`) leaves; `otherwise` when there is none."""
    process = psutil.Process()
    limit = process.rlimit(psutil.RLIMIT_AS)[0] if psutil.LINUX else UNLIMITED
    return otherwise if limit == UNLIMITED else max(limit - process.memory_info().vms, 0)


def _container_free(otherwise: int) -> int:
    """What the container's limit (cgroup v2) leaves; `otherwise` when there is no limit."""
    try:
        limit, used, details = ((CGROUP / f"memory.{file}").read_text() for file in ("max", "current", "stat"))
    except OSError:
        return otherwise
    if limit.strip() == "max":
        return otherwise
    reclaimable = dict(line.split() for line in details.splitlines()).get("inactive_file", "0")  # files, not programs
    return max(int(limit) - int(used) + int(reclaimable), 0)
