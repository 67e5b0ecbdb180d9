"""A reading on a disk: written whole or not at all, so that it can be gone on with however it ended."""

import os
import pickle
from pathlib import Path

import torch

from longsight.errors import LongSightError

from .long_reader import LongReading

FILE = "odometer.state"


def save(reading: LongReading, folder: Path) -> None:
    """Write the reading down; when this returns, it is on the disk, in the place of an earlier one."""
    new = folder / f"{FILE}.new"
    with new.open("wb") as file:
        torch.save(reading.state(), file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, folder / FILE)


def go_on(reading: LongReading, folder: Path) -> bool:
    """Let the reading go on from where the folder has it; whether it was there.

    Raises `LongSightError` for a file that is damaged, or of another reading.
    """
    path = folder / FILE
    if not path.exists():
        return False
    try:
        state = torch.load(path, map_location=reading.model.device, weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as problem:
        raise LongSightError(f"{path} cannot be read; remove it, and the reading begins anew.") from problem
    reading.restore(state)
    return True
