"""Who chooses how threads wait, and when. Each case is a process of its own, as it is decided once."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from longsight.models import model as models
from longsight.processor import WAITING
from tests.longsight import tiny

ROOT = Path(__file__).parents[2]
SAYS = f"\nimport os; print(os.environ.get('{WAITING}'))"


def said(code, **environment):
    """What the variable is after `code` in a fresh process, whose environment has it only as given."""
    known = {name: value for name, value in os.environ.items() if name != WAITING}
    done = subprocess.run(
        [sys.executable, "-c", code + SAYS], cwd=ROOT, env=known | environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


COMMAND = """
import longsight.cli as cli
cli.COMMANDS = {"nothing": cli.Command("types", "a command that ends at once")}
cli.import_module = lambda name: cli.argparse.Namespace(main=lambda arguments, prog: 0)
cli.main(["nothing"])
"""


@pytest.mark.parametrize(
    ("code", "environment", "expected"),
    [
        ("from longsight.processor import wait_asleep; wait_asleep()", {}, "PASSIVE"),
        ("from longsight.processor import wait_asleep; wait_asleep()", {WAITING: "ACTIVE"}, "ACTIVE"),
        ("import torch; from longsight.processor import wait_asleep; assert not wait_asleep()", {}, "None"),
        ("import longsight; longsight.METHODS", {}, "None"),
        ("import app", {}, "PASSIVE"),
        (COMMAND, {}, "PASSIVE"),
    ],
    ids=["asked", "the user's choice", "torch was first", "the library", "the page", "the command"],
)
def test_threads_sleep_where_the_process_is_our_own_and_nobody_chose_otherwise(code, environment, expected):
    assert said(code, **environment) == expected


ENTRIES = [
    path
    for folder in ("analysis", "benchmarks", "longsight", "training")
    for path in (ROOT / folder).rglob("*.py")
    if 'if __name__ == "__main__":' in path.read_text(encoding="utf-8") and path.name != "__main__.py"
]
WITHOUT_TORCH = {"analysis/report.py", "analysis/diagnostics/umap_process.py", "analysis/documents/reader_process.py"}


def test_every_module_that_can_be_started_chooses_before_its_first_import():
    found = set()
    for path in ENTRIES:
        first = next(node for node in ast.parse(path.read_text(encoding="utf-8")).body[1:] if not _future(node))
        if ast.unparse(first).endswith("wait_asleep()"):
            found.add(path)
    names = {path.relative_to(ROOT).as_posix() for path in ENTRIES}
    assert {path.relative_to(ROOT).as_posix() for path in found} == names - WITHOUT_TORCH
    assert len(found) > 8


def _future(node):
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


@pytest.fixture
def threads(monkeypatch):
    """Set, for the time of a test, to two, which torch is said to come with."""
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr(models, "DEFAULT_THREADS", 2)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("small", "medium", "reads", "writes"), [(10**9, 10**9, 1, 1), (10, 10**9, 2, 1), (10, 10, 2, 2)]
)
def test_a_small_model_runs_on_one_thread_and_a_medium_one_writes_on_one(
    small, medium, reads, writes, threads, monkeypatch
):
    monkeypatch.setattr(models, "SMALL", small)
    monkeypatch.setattr(models, "MEDIUM", medium)
    model, vanilla, seen = tiny.model(), tiny.defaults("vanilla"), []
    model.logits(tiny.ids(5), vanilla)
    assert torch.get_num_threads() == 2, "nobody asked"
    model = model.on_suited_threads()
    for at_once in (5, 1, 5, 1):
        model.logits(tiny.ids(5), vanilla, chunk=at_once)
        seen.append(torch.get_num_threads())
    assert seen == [reads, writes, reads, writes]


def test_a_large_model_reads_on_all_threads_after_a_small_one_read_in_the_same_thread_of_the_page(threads, monkeypatch):
    small = tiny.model().on_suited_threads()
    small.logits(tiny.ids(5), tiny.defaults("vanilla"))
    monkeypatch.setattr(models, "SMALL", 10)
    large = tiny.model().on_suited_threads()
    large.logits(tiny.ids(5), tiny.defaults("vanilla"))
    assert torch.get_num_threads() == 2


def test_what_the_user_has_chosen_stays(threads, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    model = tiny.model()
    assert model.on_suited_threads() is model
