"""The parts of README.md that follow from the code: `python -m docs.readme` writes them, a test compares them.

The methods table comes from METHODS, the supported models from FAMILIES, the tree from the first line of every
package's docstring. The front matter is app.space's business.
"""

import ast
import re
import subprocess
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

from longsight.errors import LongSightError
from longsight.methods import METHODS, Method
from longsight.models.families import FAMILIES
from longsight.models.text_inside import HOLDS_TEXT

ROOT = Path(__file__).resolve().parent.parent

SHOWN = ("longsight", "analysis", "app")
"""Folders whose own folders are shown as well."""

ABOUT = {
    "assets/": "embedded models, samples, results, style, screenshots",
    "tests/": "mirrors the packages; besides them architecture, docs, browser",
}
"""What is said of folders that have no docstring."""


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
    """The model types that the library understands, and those that it takes the text model out of: a line each."""
    known, holding = (", ".join(f"`{name}`" for name in sorted(names)) for names in (FAMILIES, HOLDS_TEXT))
    return f"{known}\n\nOf models that read images too, the text model inside: {holding}"


def file_tree(root: Path = ROOT) -> str:
    """The project's folders with one line about each. Raises `LongSightError` on one without."""
    lines = [(f"{'  ' * folder.count('/')}{folder.split('/')[-1]}/", about(root, folder)) for folder in folders(root)]
    width = max(len(name) for name, _ in lines) + 2
    return "\n".join(["```", *(f"{name:{width}}{text}" for name, text in lines), "```"])


def folders(root: Path) -> list[str]:
    """The folders that git knows, at the top and in the packages of `SHOWN`, in order."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    found = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.splitlines()
    paths = [Path(line) for line in found if (root / line).exists() and not line.startswith(".")]
    tops = {path.parts[0] for path in paths if len(path.parts) > 1}
    rooms = {"/".join(path.parts[:2]) for path in paths if len(path.parts) > 2 and path.parts[0] in SHOWN}
    return sorted(tops | rooms)


def about(root: Path, folder: str) -> str:
    """The one line about a folder: of ABOUT, or the first sentence that its package says of itself."""
    if f"{folder}/" in ABOUT:
        return ABOUT[f"{folder}/"]
    module = root / folder / "__init__.py"
    said = (ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or "") if module.exists() else ""
    if not said:
        raise LongSightError(
            f"Nothing is said about {folder}/; give it a docstring, or a line in ABOUT of docs/readme.py."
        )
    return re.split(r"(?<! al)\. ", said.split("\n")[0])[0].rstrip(".")


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
