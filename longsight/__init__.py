"""LongSight, the library: token ids in, tensors out. Knows nothing about panels, figures or pages.

`import longsight` brings in no torch: each name of `__all__` is imported when it is first asked for. The classes of
methods are those of `METHODS`, by their own names.
"""

# ruff: noqa: F401, F403  (names that are handed on)

from importlib import import_module
from typing import TYPE_CHECKING, Any

from longsight.errors import LongSightError
from longsight.progress import Progress

__version__ = "0.1.0"

if TYPE_CHECKING:  # the same names as in _HOMES, for editors and type checkers
    from longsight.attention.observer import Observer
    from longsight.generation.decode import Sampling, decode
    from longsight.generation.patching import patch, patched, unpatch
    from longsight.generation.prefill import Prefilled, prefill, watch
    from longsight.methods import *
    from longsight.models.model import Model, adopt, load

_HOMES = {
    "longsight.attention.observer": ("Observer",),
    "longsight.generation.decode": ("Sampling", "decode"),
    "longsight.generation.patching": ("patch", "patched", "unpatch"),
    "longsight.generation.prefill": ("Prefilled", "prefill", "watch"),
    "longsight.methods": ("METHODS", "Method"),
    "longsight.models.model": ("Model", "adopt", "load"),
}


def __getattr__(name: str) -> Any:
    if name == "__all__":
        known = {name for names in _HOMES.values() for name in names}
        return sorted(known | _method_classes().keys() | {"LongSightError", "Progress"})
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(module), name)
    if not name.startswith("_") and (found := _method_classes().get(name)):
        return found
    raise AttributeError(f"module 'longsight' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__getattr__("__all__")})


def _method_classes() -> dict[str, Any]:
    return {kind.__name__: kind for kind in import_module("longsight.methods").METHODS.values()}
