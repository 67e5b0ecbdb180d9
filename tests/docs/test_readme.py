"""README.md says what the code says; its examples and those of the other pages run."""

import io
import re
import subprocess
from contextlib import redirect_stdout
from dataclasses import fields
from pathlib import Path

import pytest

import longsight
from docs import readme
from longsight.errors import LongSightError
from longsight.methods import METHODS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")}
PAGES["README.md"] = PAGE


@pytest.mark.parametrize("name", readme.GENERATED)
def test_generated_parts_are_up_to_date(name):
    _, inside, _ = readme.parts(PAGE, name)
    assert inside == readme.GENERATED[name](), "run `make readme`"


def test_the_table_names_every_method_parameter_and_paper():
    _, table, _ = readme.parts(PAGE, "methods")
    rows = {row.split(" | ")[1].strip("`"): row for row in table.splitlines()[2:] if row.startswith("|")}
    assert list(rows) == list(METHODS)
    for key, method in METHODS.items():
        assert method.title in rows[key]
        assert method.paper in rows[key]
        for spec in fields(method):
            assert (f"`{spec.name}`" in rows[key]) != (f"Every method also takes `{spec.name}`" in table)


def test_the_tree_names_every_folder_of_the_packages_that_git_knows():
    _, tree, _ = readme.parts(PAGE, "files")
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    folders = {path.parts[1] for path in map(Path, tracked) if len(path.parts) > 2 and path.parts[0] in readme.SHOWN}
    assert len(folders) > 8
    assert [folder for folder in folders if f"  {folder}/ " not in tree] == []


def test_a_folder_without_a_docstring_is_refused_by_name(tmp_path):
    (tmp_path / "silent").mkdir()
    (tmp_path / "silent" / "x.py").write_text("x = 1\n")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    with pytest.raises(LongSightError, match=r"Nothing is said about silent/; give it a docstring"):
        readme.file_tree(tmp_path)


def test_a_tree_shows_the_rooms_of_the_packages_and_nothing_below_other_folders(tmp_path):
    (tmp_path / "tests" / "deep").mkdir(parents=True)
    (tmp_path / "app" / "zoo").mkdir(parents=True)
    (tmp_path / "tests" / "deep" / "test_a.py").write_text("")
    (tmp_path / "app" / "__init__.py").write_text('"""Animals (Brehm et al. 1864). And more."""')
    (tmp_path / "app" / "zoo" / "__init__.py").write_text('"""Apes: they climb.\n\nAt length.\n"""')
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    assert [line.split() for line in readme.file_tree(tmp_path).splitlines()[1:-1]] == [
        ["app/", "Animals", "(Brehm", "et", "al.", "1864)"],
        ["zoo/", "Apes:", "they", "climb"],
        ["tests/", *readme.ABOUT["tests/"].split()],
    ]


def test_writing_changes_the_generated_parts_alone(tmp_path):
    page = tmp_path / "README.md"
    marked = [f"<!-- {name} -->\nstale\n<!-- end of {name} -->\n" for name in readme.GENERATED]
    page.write_text("a\n" + "b\n".join(marked) + "c\n")
    readme.write(page)
    text = page.read_text()
    assert "stale" not in text
    assert text.startswith("a\n<!-- methods -->\n| method |")
    assert text.endswith("\n```\n<!-- end of files -->\nc\n")


def test_a_page_without_its_marks_is_refused():
    with pytest.raises(LongSightError, match="no part between <!-- files -->"):
        readme.parts("text", "files")


def test_every_command_of_the_page_exists():
    makefile = (ROOT / "Makefile").read_text()
    for first, second in re.findall(r"^make (\w+)|`make (\w+)", PAGE, re.MULTILINE):
        assert re.search(rf"^{first or second}:", makefile, re.MULTILINE), f"make {first or second}"


@pytest.mark.parametrize("name", PAGES)
def test_every_local_link_and_picture_is_there(name):
    targets = [
        target
        for target in re.findall(r"\]\(([^)#]+)\)", re.sub(r"```.*?```", "", PAGES[name], flags=re.DOTALL))
        if "://" not in target
    ]
    assert targets or name != "README.md"
    assert [target for target in targets if not ((ROOT / name).parent / target).exists()] == []


NEED_A_PAGE = {"docs/api.md"}
"""Examples that ask a page that is running: tests/hostile/test_programs.py runs them."""
EXAMPLES = {
    name: re.findall(r"```python\n(.*?)```", text, re.DOTALL) for name, text in PAGES.items() if name not in NEED_A_PAGE
}


@pytest.mark.parametrize("name", [name for name in EXAMPLES if EXAMPLES[name]])
def test_examples_run_as_they_stand_one_after_the_other(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(longsight, "__path__", [*longsight.__path__, str(ROOT)])  # the analysis is in it when installed
    printed, names = io.StringIO(), {}
    with redirect_stdout(printed):
        for example in EXAMPLES[name]:
            exec(compile(example, name, "exec"), names)
    assert printed.getvalue().strip()


def test_examples_for_ones_own_code_are_five_lines():
    lengths = [len(example.splitlines()) for example in EXAMPLES["docs/use-in-your-code.md"]]
    assert len(lengths) > 5
    assert max(lengths) <= 5
