"""The wheel, built and installed as anyone would, and used from outside the project: it alone is on the path."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pytest

from longsight.cli import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "assets" / "models" / "rope-small"
PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
ABSENT = """
import importlib.util
print([name for name in ("analysis", "app", "assets", "tests") if importlib.util.find_spec(name)])
"""
USED = """
import contextlib, importlib, io, json, pkgutil, runpy, sys, warnings
examples, command, *commands = json.loads(sys.argv[1])
with warnings.catch_warnings():
    warnings.simplefilter("error")
    import longsight
    modules = [module.name for module in pkgutil.walk_packages(longsight.__path__, "longsight.")]
    for name in modules:
        importlib.import_module(name)
    exec(examples)
said = []
for arguments in commands:  # in one process: each of its own would spend its time importing
    sys.argv = ["longsight", *arguments]
    with contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            runpy.run_path(command, run_name="__main__")
        except SystemExit as ended:
            assert not ended.code, ended.code
    said.append(out.getvalue())
print(json.dumps([modules, *said]))
"""
"""Imports everything, and then does what the installed command does, with several arguments one after the other."""


def run(command, **where):
    done = subprocess.run(command, capture_output=True, text=True, **where)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def documented_imports():
    """The lines of the documented examples that import the library."""
    text = (ROOT / "docs" / "use-in-your-code.md").read_text(encoding="utf-8") + (ROOT / "README.md").read_text("utf-8")
    return re.findall(r"^(?:import longsight|from longsight).*$", text, re.MULTILINE)


def tracked():
    """The files of the project that are in use: those that git knows, or would if they were added."""
    listed = run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT)
    return [path for path in listed.split("\0") if path and (ROOT / path).exists()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy of the project, so that building leaves nothing in the project itself."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    for path in tracked():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, source / path)
    run([*PIP, "wheel", "--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", built, source])
    (wheel,) = built.iterdir()
    return wheel


@pytest.fixture(scope="module")
def site(wheel, tmp_path_factory):
    """A folder with nothing but what the wheel installs."""
    folder = tmp_path_factory.mktemp("site")
    run([*PIP, "install", "--no-index", "--no-deps", "--no-compile", "--target", folder, wheel])
    return folder


@pytest.fixture(scope="module")
def elsewhere(site, tmp_path_factory):
    """`elsewhere(*command)`: what a command says in an empty folder, with `site` alone on the path."""
    folder = tmp_path_factory.mktemp("elsewhere")
    environment = {**os.environ, "PYTHONPATH": str(site), "HF_HUB_OFFLINE": "1"}
    return lambda *command: run([*map(str, command)], cwd=folder, env=environment)


@dataclass(frozen=True)
class Said:
    """What came of the modules and of each command, and the folder that was written to."""

    modules: list[str]
    doctor: str
    look: str
    evaluate: str
    report: str
    out: Path


@pytest.fixture(scope="module")
def said(site, elsewhere, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    text = out / "text.html"  # read in a process of its own, which must find what it reads with
    text.write_text("<p>It was a quiet morning in the valley." * 12)
    model = ("--model", str(MODEL))
    commands = [
        ["doctor", str(MODEL)],
        ["look", "entropy", *model, "--methods", "vanilla,window", "--text", str(text), "--out", str(out)],
        ["evaluate", *model, "--methods", "vanilla,lm-infinite", "--task", "passkey:filler=prose,depths=1",
         "--lengths", "256", "--trials", "1", "--out", str(out)],
        ["report", str(out)],
    ]  # fmt: skip
    given = json.dumps(["\n".join(documented_imports()), str(site / "bin" / "longsight"), *commands])
    return Said(*json.loads(elsewhere(sys.executable, "-c", USED, given).splitlines()[-1]), out)


def module_name(path):
    inside = path if path.startswith("longsight/") else f"longsight/{path}"
    return inside.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def test_one_name_is_installed_and_nothing_else_can_be_imported(site, elsewhere):
    assert {path.name.split("-")[0] for path in site.iterdir()} == {"longsight", "bin"}
    assert [path.name for path in (site / "bin").iterdir()] == ["longsight"]
    assert elsewhere(sys.executable, "-c", ABSENT) == "[]\n"


def test_every_module_of_the_library_and_the_analysis_is_there_and_can_be_imported(said):
    assert len(documented_imports()) > 2
    sources = [path for path in tracked() if path.endswith(".py") and path.startswith(("longsight/", "analysis/"))]
    expected = {module_name(path) for path in sources} - {"longsight"}
    assert set(said.modules) - {"longsight.assets"} == expected


def test_of_the_assets_only_what_is_read_at_run_time_is_shipped(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    others = {name for name in names if not name.endswith(".py") and ".dist-info/" not in name}
    assert others == {
        "longsight/py.typed",
        "longsight/analysis/export/linked.js",
        "longsight/assets/samples/dracula.txt",
    }
    assert wheel.stat().st_size < 1_000_000


def test_the_extras_are_those_that_the_commands_name(site):
    (installed,) = metadata.distributions(name="longsight", path=[str(site)])
    assert set(installed.metadata.get_all("Provides-Extra")) == {
        *(e for c in COMMANDS.values() for e in c.extras), "gguf", "documents",
    }  # fmt: skip


def test_the_doctor_sees_a_model(said):
    assert "trained length      512 tokens" in said.doctor


def test_a_diagnostic_becomes_a_page_that_stands_alone(said):
    page = (said.out / "entropy.html").read_text(encoding="utf-8")
    assert (ROOT / "analysis" / "export" / "linked.js").read_text(encoding="utf-8") in page
    assert 'class="plotly-graph-div"' in page
    assert 'src="http' not in page
    assert len(list(said.out.glob("entropy-*.npz"))) == 2


def test_an_evaluation_with_prose_becomes_a_report(said):
    assert said.evaluate.splitlines() == [str(said.out / "results.jsonl")]
    assert said.report == f"{said.out / 'report.html'}\n"
    assert "LM-Infinite" in (said.out / "report.html").read_text(encoding="utf-8")
