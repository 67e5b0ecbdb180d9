"""What the library imports is what pyproject.toml declares, and what is pinned for the page lies inside its ranges."""

import ast
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from longsight.models.gguf_files import NEEDED

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CORE = [Requirement(line) for line in PROJECT["dependencies"]]
EXTRAS = [Requirement(line) for lines in PROJECT["optional-dependencies"].values() for line in lines]
OWN_SENTENCE = {"datasets", "ray"}
"""Rarely needed; who asks for them is told so by the module that imports them."""


def imported(package):
    """The distributions that the modules of a package import, inside functions too."""
    found = set()
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                found.add(node.module.split(".")[0])
    names = metadata.packages_distributions()
    return {canonical(names[name][0]) for name in found - sys.stdlib_module_names - {"longsight"}} - OWN_SENTENCE


def canonical(name):
    return name.lower().replace("_", "-")


def declared(requirements):
    return {canonical(requirement.name) for requirement in requirements}


def test_the_library_imports_only_what_is_installed_with_it():
    assert imported("longsight") <= declared(CORE)


def test_the_analysis_imports_only_what_is_installed_with_the_extras():
    found = imported("analysis")
    assert found <= declared(CORE) | declared(EXTRAS)
    unused = declared(EXTRAS) - found - set(NEEDED)  # those are imported by transformers' reader of GGUF files
    assert unused == set(), "an extra brings what nobody imports"


def pinned():
    lines = [line.split("#")[0].strip() for line in (ROOT / "requirements.txt").read_text("utf-8").splitlines()]
    return {canonical(needed.name): needed for needed in map(Requirement, filter(None, lines))}


@pytest.mark.parametrize("requirement", CORE + EXTRAS, ids=str)
def test_the_page_pins_every_package_of_the_library_inside_its_range(requirement):
    pin = pinned()[canonical(requirement.name)]
    installed = metadata.version(requirement.name)
    assert pin.specifier.contains(installed), f"{installed} is installed, {pin} is pinned"
    assert requirement.specifier.contains(installed), f"{installed} is installed, {requirement} is the library's range"
