"""The models that the page offers: those that ship with the project, those that an installed package brings, and those
that whoever runs it names.

The environment's LONGSIGHT_MODELS holds Hub ids, folders and GGUF files, separated by commas. Only what is offered
here can be asked for; it is loaded when first used, and kept for everyone.
"""

import os
import threading
from functools import cache
from pathlib import Path

import torch

from analysis.evaluation.cell import digest
from app.assets import MODELS
from app.session import devices
from longsight.errors import LongSightError
from longsight.models.model import Model, load
from longsight.models.registry import PACKAGED

FIRST = "rope-small"
"""The model that a page opens with, where it is there."""
NAMED = "LONGSIGHT_MODELS"

_loaded: dict[str | Path, Model] = {}
_loading = threading.Lock()


def sources() -> dict[str, str | Path]:
    """Name -> folder, GGUF file or Hub id, in the order of the list. Raises `LongSightError` when two have one name."""
    shipped = [path.parent for path in sorted(MODELS.glob("*/config.json"))]
    found: dict[str, str | Path] = {path.name: path for path in sorted(shipped, key=lambda path: path.name != FIRST)}
    found |= {name: name for name, packaged in PACKAGED.items() if packaged.file is not None}
    for source in filter(None, map(str.strip, os.environ.get(NAMED, "").split(","))):
        if found.get(name := Path(source).name, source) != source:
            raise LongSightError(f"{NAMED} names {source}, but {found[name]} is called {name} already; rename one.")
        found[name] = source
    return found


def names() -> list[str]:
    """What the models are called, by the last part of their source."""
    return list(sources())


def is_loaded(name: str) -> bool:
    """Whether `model` will answer at once. Raises `LongSightError` when none is called `name`."""
    return _source(name) in _loaded


def identity(name: str) -> tuple[str, str]:
    """What results call the model: its name, or its id on the Hub, and the digest of its files, or an empty one."""
    source = str(_source(name))
    found = _digest(source)
    return (name if found else source), found


_digest = cache(digest)
"""Of the files as they were when the model was first asked for: it stays loaded."""


def _source(name: str) -> str | Path:
    offered = sources()
    if not isinstance(name, str) or name not in offered:
        listed = ", ".join(offered) or f"none; put one into {MODELS.name}/"
        raise LongSightError(f"No model called {str(name)[:40]!r} is offered; there is {listed}.")
    return offered[name]


def model(name: str) -> Model:
    """The model called `name`. Raises `LongSightError` when none is, or when the library refuses it."""
    source = _source(name)
    if source in _loaded:  # while another one is loaded, which may take a while
        return _loaded[source]
    with _loading:
        if source not in _loaded:
            _loaded[source] = _load(source).on_suited_threads()
        return _loaded[source]


def _load(source: str | Path) -> Model:
    """Where a GPU is lent, a model waits for it in the machine's memory, in the number format that it has on GPUs."""
    return load(source, device="cpu", dtype=torch.bfloat16) if devices.LENT else load(source)
