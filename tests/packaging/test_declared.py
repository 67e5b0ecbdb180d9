"""What the library imports is what pyproject.toml declares, and what is pinned for the page lies inside its ranges."""

import ast
import gc
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
    gc.collect()  # finalizers of what earlier tests left must not run inside of ast.parse: Python 3.11 loses count then
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


def pinned(file="requirements.txt"):
    lines = [line.split("#")[0].strip() for line in (ROOT / file).read_text("utf-8").splitlines()]
    return {canonical(needed.name): needed for needed in map(Requirement, filter(None, lines))}


def test_every_release_of_the_environment_is_named_and_one_that_the_requirements_admit():
    named, asked = pinned("constraints.txt"), pinned()
    assert all(str(pin.specifier).startswith("==") for pin in named.values())
    assert set(asked) - set(named) == {"torch"}, "run `make constraints`"
    for name, pin in named.items():
        version = str(pin.specifier).removeprefix("==")
        assert name not in asked or asked[name].specifier.contains(version), f"{pin}, but {asked[name]} is asked for"


def test_a_space_installs_the_same_releases():
    named, first = pinned("constraints.txt"), pinned("pre-requirements.txt")
    torch = first.pop("torch")
    assert {name: str(pin) for name, pin in first.items()}.items() <= {n: str(pin) for n, pin in named.items()}.items()
    assert pinned()["torch"].specifier.contains(str(torch.specifier).removeprefix("=="))
    assert set(pinned()) <= {*first, "torch"}


@pytest.mark.parametrize("requirement", CORE + EXTRAS, ids=str)
def test_the_page_pins_every_package_of_the_library_inside_its_range(requirement):
    pin = pinned()[canonical(requirement.name)]
    installed = metadata.version(requirement.name)
    assert pin.specifier.contains(installed), f"{installed} is installed, {pin} is pinned"
    assert requirement.specifier.contains(installed), f"{installed} is installed, {requirement} is the library's range"
