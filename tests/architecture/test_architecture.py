"""The arrows between the packages, and the sizes of files, as they are promised."""

import ast
import pkgutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("longsight", "analysis", "app")
"""Each may know those before it."""
ROOMS = ("methods", "attention", "models", "generation")
"""The rooms of the library. Each may know those before it, and the errors and progress that stand beside them."""
FORBIDDEN = {
    "longsight": {"analysis", "app", "gradio", "plotly", "sklearn", "umap", "pandas"},
    "analysis": {"app", "gradio", "sklearn", "umap"},
    "app.session": {"gradio", "sklearn", "umap"},
    "app": {"sklearn", "umap"},
}
"""What a package must not have brought in when all of its modules, and those of the packages before it, are there."""
LARGEST_FILE = 10_000_000
LONGEST_MODULE = 300


def modules(package):
    found = pkgutil.walk_packages([str(ROOT / package.replace(".", "/"))], prefix=f"{package}.")
    return [package, *(module.name for module in found)]


def tracked():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [Path(path) for path in listed.split("\0") if path and (ROOT / path).exists()]


IMPORT_ALL = """
import sys
for names in {packages!r}:
    for name in names: __import__(name)
    print(*{{name.split('.')[0] for name in sys.modules}})
"""


@pytest.fixture(scope="module")
def present():
    """Package -> the top-level packages in one fresh process when it and those below it have been imported whole."""
    packages = [modules(package) for package in FORBIDDEN]
    assert min(map(len, packages)) > 3
    code = IMPORT_ALL.format(packages=packages)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = [set(line.split()) for line in done.stdout.splitlines()[-len(packages) :]]
    return dict(zip(FORBIDDEN, found, strict=True))


@pytest.mark.parametrize("package", FORBIDDEN)
def test_importing_a_package_brings_in_nothing_it_must_not_know(package, present):
    assert package.split(".")[0] in present[package]
    assert present[package] & FORBIDDEN[package] == set()


@pytest.mark.parametrize("package", PACKAGES)
def test_no_import_statement_points_against_the_arrows(package):
    """Imports inside functions too, which a fresh process would not meet."""
    above = {"longsight": {"analysis", "app"}, "analysis": {"app"}, "app": set()}[package] | {
        "training",
        "tests",
        "benchmarks",
    }
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module]
            elif isinstance(node, ast.ImportFrom):  # so that `analysis` can be `longsight.analysis` in the wheel
                assert package == "analysis", f"{path.relative_to(ROOT)} imports relatively"
                assert node.level <= len(path.relative_to(ROOT).parent.parts), f"{path.relative_to(ROOT)} leaves it"
            assert {name.split(".")[0] for name in names} & above == set(), f"{path.relative_to(ROOT)}: {names}"


def known_rooms(path):
    """The rooms (or modules beside them, "" for the front door) that a file of the library imports anywhere."""
    return {(name + ".").split(".")[1] for name in _known_modules(path)}


def _known_modules(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "longsight")
        elif isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "longsight":
            yield node.module


@pytest.mark.parametrize("room", ROOMS)
def test_no_room_of_the_library_knows_one_above_it(room):
    allowed = {"errors", "progress", *ROOMS[: ROOMS.index(room) + 1]}
    for path in (ROOT / "longsight" / room).glob("*.py"):
        known = known_rooms(path)
        assert known <= allowed, f"{path.relative_to(ROOT)} knows {sorted(known - allowed)}"


def test_the_rooms_of_the_library_are_those_of_the_arrows_and_each_uses_the_one_below():
    assert {path.parent.name for path in (ROOT / "longsight").glob("*/__init__.py")} == set(ROOMS)
    for below, room in pairwise(ROOMS):
        assert any(below in known_rooms(path) for path in (ROOT / "longsight" / room).glob("*.py"))


def test_the_arrow_test_can_fail(present):
    assert {"analysis", "plotly"} <= present["analysis"] - present["longsight"]
    assert {"app", "gradio"} <= present["app"] - present["analysis"]


def test_no_file_is_too_large_for_a_plain_push():
    sizes = {path: (ROOT / path).stat().st_size for path in tracked()}
    assert sizes
    assert {str(path): size for path, size in sizes.items() if size > LARGEST_FILE} == {}


def test_modules_stay_readable():
    lengths = {
        str(path): len((ROOT / path).read_text(encoding="utf-8").splitlines())
        for path in tracked()
        if path.suffix == ".py" and path.parts[0] in (*PACKAGES, "training", "benchmarks")
    }
    assert lengths
    assert {path: length for path, length in lengths.items() if length > LONGEST_MODULE} == {}


def test_no_module_is_a_drawer_for_anything():
    assert [str(path) for path in tracked() if path.name in {"utils.py", "common.py", "helpers.py", "misc.py"}] == []


def test_the_analysis_has_few_doors():
    assert 5 < len({path.parts[1] for path in tracked() if path.parts[0] == "analysis"} - {"__init__.py"}) <= 10


def test_the_script_that_starts_the_page_stays_a_few_lines():
    assert len((ROOT / "app.py").read_text(encoding="utf-8").splitlines()) <= 15


def test_methods_are_listed_once():
    """Whoever writes four keys of METHODS in one module keeps a second list, which will go stale."""
    keys = {"lm-infinite", "self-extend", "streaming-llm", "truncation", "lambda", "ceiling", "window", "vanilla"}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            strings = {
                node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
            }
            if path.parent.name != "methods":
                assert len(strings & keys) < 4, f"{path.relative_to(ROOT)} names {sorted(strings & keys)}"


@pytest.mark.parametrize(
    ("word", "place"),
    [
        ("monkey patch", "longsight/generation/patching.py"),
        ("monkey patch", "longsight/models/module_patching.py"),
        ("KV cache", "longsight/attention/kv_cache.py"),
        ("receptive field", "longsight/attention/kept_keys.py"),
        ("attention sinks", "longsight/methods/streaming_llm.py"),
        ("NoPE", "longsight/models/encodings.py"),
    ],
)
def test_who_looks_for_a_word_of_the_field_finds_the_place(word, place):
    assert word in (ROOT / place).read_text(encoding="utf-8")
