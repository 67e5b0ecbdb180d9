"""Which module imports which, read from the source: also imports inside functions, and those for type checkers only."""

import ast
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("longsight", "analysis", "app", "training", "benchmarks")
UNKNOWN = {
    "app.components": ("app.session", "app.panels", "longsight.methods", "longsight.models", "analysis.runs"),
    "app.session": ("app.components", "app.panels"),
}
"""What the modules of a room of the page must not import: it lies beside or above."""


def name_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.fixture(scope="module")
def trees():
    """Module -> its source as a tree, and whether it is a package."""
    paths = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    return {name_of(path): (ast.parse(path.read_text("utf-8")), path.name == "__init__.py") for path in paths}


def imports(module, tree, is_package, known):
    """The modules of ours that a module imports; `from x import y` means x.y where that is one."""
    here = module.split(".") if is_package else module.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            above = here[: len(here) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                yield from [name for name in (f"{base}.{alias.name}", base) if name in known][:1]


@pytest.fixture(scope="module")
def graph(trees):
    return {module: set(imports(module, *tree, trees)) - {module} for module, tree in trees.items()}


def test_the_imports_are_found(graph):
    assert "longsight.errors" in graph["longsight.progress"] | graph["longsight.methods.base"]
    assert "analysis.export.records" in graph["analysis.export.files"]  # a relative import
    assert "app.session.running" in graph["app.panels.passkey"]  # from a package
    assert len(graph) > 100


def test_no_modules_import_each_other_in_a_circle(graph):
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' <- '.join(error.args[1])}")


@pytest.mark.parametrize("room", UNKNOWN)
def test_no_room_of_the_page_knows_one_beside_or_above_it(graph, room):
    above = {
        module: sorted(name for name in known if name.startswith(UNKNOWN[room]))
        for module, known in graph.items()
        if module.startswith(room)
    }
    assert len(above) > 3
    assert {module: names for module, names in above.items() if names} == {}


def test_no_class_name_stands_for_two_things(trees):
    names = Counter(
        node.name for tree, _ in trees.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)
    )
    assert names["Session"] == 1
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_no_file_name_stands_for_two_things_within_a_package(package):
    names = Counter(path.name for path in (ROOT / package).rglob("*.py") if path.name not in ("__init__.py", "base.py"))
    assert [name for name, count in names.items() if count > 1] == []


def test_what_one_module_hands_another_is_a_record_not_a_dict_of_anything(trees):
    """Of functions that others call, in all rooms below the panels. Callbacks of the page map components to updates."""
    handed = [
        f"{module}.{node.name}"
        for module, (tree, _) in trees.items()
        if module.startswith(("longsight.", "analysis.", "app.session.", "app.components."))
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and node.returns is not None
        if "dict[str, Any]" in ast.unparse(node.returns)
    ]
    assert handed == []
