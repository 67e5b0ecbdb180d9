"""The models that ship with the project: found in a folder, loaded when first used, kept for everyone."""

import threading
from pathlib import Path

from engine.errors import LongSightError
from engine.models import Model, load

MODELS = Path(__file__).resolve().parent.parent / "assets" / "models"
FIRST = "rope-small"

_loaded: dict[str, Model] = {}
_loading = threading.Lock()


def names() -> list[str]:
    """The embedded models, by the names of their folders; the one that the page opens with comes first."""
    found = (path.parent.name for path in MODELS.glob("*/config.json"))
    return sorted(found, key=lambda name: (name != FIRST, name))


def model(name: str) -> Model:
    """The model called `name`. Raises `LongSightError` when there is none, or when the engine refuses it."""
    if name not in names():
        offered = ", ".join(names()) or f"none; put one into {MODELS.name}/"
        raise LongSightError(f"There is no embedded model {name!r}; there is {offered}.")
    with _loading:
        if name not in _loaded:
            _loaded[name] = load(MODELS / name)
        return _loaded[name]
