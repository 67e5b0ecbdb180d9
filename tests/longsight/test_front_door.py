"""`import longsight`: every name that one needs, at no cost before it is asked for."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import longsight
from longsight.generation import patching
from longsight.methods import METHODS
from tests.longsight.toy import BlindSpot

PROMISED = {
    *("patch", "unpatch", "patched", "load", "adopt", "METHODS", "Method", "prefill", "decode", "watch"),
    *("Sampling", "Progress", "LongSightError"),
}
HEAVY = {"torch", "transformers", "numpy"}
FOREIGN = {"gradio", "plotly", "sklearn"}


def present(code):
    """The top-level packages that a fresh process has imported after `code`."""
    code += "\nimport sys\nprint(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_it_brings_in_neither_torch_nor_anything_to_draw_with():
    assert present("import longsight") & (HEAVY | FOREIGN) == set()


def test_all_of_its_names_bring_in_torch_and_still_nothing_to_draw_with():
    found = present("from longsight import *\nSelfExtend(group=8, window=128), patched, load, prefill")
    assert found & (HEAVY | FOREIGN) == HEAVY


def test_every_name_is_there_and_so_is_every_method():
    assert {kind.__name__ for kind in METHODS.values()} | PROMISED <= set(longsight.__all__)
    assert len(longsight.__all__) == len(set(longsight.__all__))
    for name in longsight.__all__:
        assert getattr(longsight, name).__module__.startswith("longsight") if name != "METHODS" else True
    assert set(longsight.__all__) <= set(dir(longsight))
    assert all(getattr(longsight, kind.__name__) is kind for kind in METHODS.values())
    assert longsight.METHODS is METHODS
    assert longsight.patch is patching.patch


def test_a_method_that_was_registered_is_found_by_its_name(monkeypatch):
    monkeypatch.setitem(METHODS, BlindSpot.key, BlindSpot)
    assert longsight.BlindSpot is BlindSpot
    assert "BlindSpot" in longsight.__all__


@pytest.mark.parametrize("name", ["SelfExtended", "train", "_method"])
def test_a_name_that_is_not_there_is_an_attribute_error_as_everywhere(name):
    with pytest.raises(AttributeError, match=f"module 'longsight' has no attribute '{name}'"):
        getattr(longsight, name)


def test_type_checkers_are_told_of_the_same_names():
    tree = ast.parse(Path(longsight.__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    told = {node.module: tuple(alias.name for alias in node.names) for node in block.body}
    assert told.pop("longsight.methods") == ("*",)
    assert told == {module: names for module, names in longsight._HOMES.items() if module != "longsight.methods"}
