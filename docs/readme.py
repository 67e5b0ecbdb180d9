"""The parts of README.md that follow from the code: `python -m docs.readme` writes them, a test compares them.

The methods table comes from METHODS, the supported models from FAMILIES, the file tree from the first line of every
module's docstring. The front matter is app.space's business.
"""

import ast
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

from engine.errors import LongSightError
from engine.families import FAMILIES
from engine.methods import METHODS, Method

ROOT = Path(__file__).resolve().parent.parent

FOLDED = ("assets", "docs", "tests", "engine/methods", "training/recipes")
"""Folders whose files are not listed one by one."""

ABOUT = {
    ".ci/": "what runs on every change",
    ".gitattributes": "",
    ".gitignore": "",
    "CHANGELOG.md": "what changed, for users",
    "LICENSE": "Apache 2.0",
    "Makefile": "run, test, check, readme",
    "README.md": "this page",
    "Spacefile": "the one declaration of the Hugging Face Space",
    "app/about.md": "the text of the about panel",
    "assets/": "embedded models, samples, style, screenshots",
    "benchmarks/": "speed and memory, beside what one would use instead",
    "docs/": "how to use it in your own code, findings, and what keeps this page true",
    "engine/methods/": "METHODS, the only list; one method per file",
    "pre-requirements.txt": "what a Space installs first",
    "pyproject.toml": "settings of ruff, mypy and pytest",
    "requirements-dev.txt": "what tests and checks need",
    "requirements.txt": "what running needs",
    "tests/": "mirrors the packages; besides them architecture, docs, browser",
    "training/LOG.md": "what was tried, measured, and what did not work",
    "training/README.md": "one command per model, and what it costs",
    "training/recipes/": "one file per embedded model",
}
"""What is said of the things that have no docstring; an empty text leaves a thing out."""


def methods_table() -> str:
    """METHODS as a Markdown table."""
    rows = ["| method | key | a query sees | the model is told | parameters |", "|---|---|---|---|---|"]
    rows += [_methods_row(method) for method in METHODS.values()]
    shared = [f"Every method also takes `{spec.name}`. {spec.metadata['help']}" for spec in fields(Method)]
    return "\n".join([*rows, "", *shared])


def _methods_row(method: type[Method]) -> str:
    own = [spec.name for spec in fields(method) if spec not in fields(Method)]
    parameters = ", ".join(f"`{name}`" for name in own) or "none"
    sees, tells = (text.replace("|", "\\|") for text in (method.sees, method.tells))
    return f"| **{method.title}**, {method.paper} | `{method.key}` | {sees} | {tells} | {parameters} |"


def families() -> str:
    """The model types that the engine understands, as a list in one line."""
    return ", ".join(f"`{name}`" for name in sorted(FAMILIES))


def file_tree(root: Path = ROOT) -> str:
    """Every file and package of the project with one line about it. Raises `LongSightError` on one without."""
    lines = [(path, about(root, path)) for path in sorted(set(listed(root)), key=_folders_last)]
    shown = [(f"{'  ' * path.rstrip('/').count('/')}{_name(path)}", text) for path, text in lines if text]
    width = max(len(name) for name, _ in shown) + 2
    return "\n".join(["```", *(f"{name:{width}}{text}" for name, text in shown), "```"])


def listed(root: Path) -> Iterator[str]:
    """Paths that the tree shows; folders end in a slash."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    found = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.splitlines()
    for path in (Path(line) for line in found if (root / line).exists()):
        parents = [parent.as_posix() for parent in path.parents][-2::-1]  # outermost first, without the root itself
        folded = next((p for p in parents if p in FOLDED or p.startswith(".")), None)
        yield from (f"{parent}/" for parent in parents if not (folded and parent.startswith(f"{folded}/")))
        if folded is None and path.name != "__init__.py":
            yield path.as_posix()


def about(root: Path, path: str) -> str:
    """The one line about a path: of ABOUT, or the first sentence that a module says of itself."""
    if path in ABOUT:
        return ABOUT[path]
    said = _says(root / path / "__init__.py" if path.endswith("/") else root / path)
    if not said:
        raise LongSightError(
            f"Nothing is said about {path}; give it a docstring, or a line in ABOUT of docs/readme.py."
        )
    return re.split(r"(?<! al)\. ", said)[0].rstrip(".")


def _says(module: Path) -> str:
    """The first line of a Python docstring or of a comment at the head of a script; empty when there is none."""
    text = module.read_text(encoding="utf-8") if module.suffix in {".py", ".js"} and module.exists() else ""
    if module.suffix == ".py":
        return (ast.get_docstring(ast.parse(text)) or "").split("\n")[0]
    comment = text.split("\n")[0].strip()
    return comment.strip("/* ") if comment.startswith("/") else ""


def _folders_last(path: str) -> tuple[tuple[bool, str], ...]:
    """Sorts files before folders at every level."""
    parts = path.rstrip("/").split("/")
    folders = [True] * (len(parts) - 1) + [path.endswith("/")]
    return tuple(zip(folders, parts, strict=True))


def _name(path: str) -> str:
    return path.rstrip("/").split("/")[-1] + ("/" if path.endswith("/") else "")


GENERATED: dict[str, Callable[[], str]] = {
    "methods": methods_table,
    "families": families,
    "files": file_tree,
}


def parts(text: str, name: str) -> tuple[str, str, str]:
    """A page's text up to and with `<!-- name -->`, what stands there, and the text from `<!-- end of name -->` on."""
    before, opening, rest = text.partition(f"<!-- {name} -->")
    inside, closing, after = rest.partition(f"<!-- end of {name} -->")
    if not opening or not closing:
        raise LongSightError(f"README.md has no part between <!-- {name} --> and <!-- end of {name} -->.")
    return before + opening, inside.strip("\n"), closing + after


def write(path: Path = ROOT / "README.md") -> None:
    """Write the generated parts into the page and leave the rest of it alone."""
    text = path.read_text(encoding="utf-8")
    for name, make in GENERATED.items():
        before, _, after = parts(text, name)
        text = f"{before}\n{make()}\n{after}"
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
