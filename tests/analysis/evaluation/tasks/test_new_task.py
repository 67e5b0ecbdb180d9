"""A task is a class and a line in TASKS: with that it is run, saved, reported and shown on the page."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import gradio as gr
import numpy as np
import pytest

from analysis import evaluate, report
from analysis.evaluation.results import FILE, read_results, read_rows
from analysis.evaluation.score_table import label_of
from analysis.evaluation.tasks import TASKS, Case, Outcome, Steps, Task
from analysis.evaluation.tasks.base import option
from app.panels.evaluate import build_panel
from app.session import uploads
from app.session.opened_results import open_results
from app.session.sessions import Session
from longsight.methods import Method
from longsight.models.model import Model
from longsight.progress import Progress

METHOD_TEXTS = ("vanilla", "self-extend:group=2,window=16", "self-extend:group=4,window=16")


@dataclass(frozen=True)
class Noise(Task):
    """How surprised a model is by random tokens."""

    largest: int = option(50, "The largest token id that is drawn.", low=1)

    key: ClassVar[str] = "noise"
    title: ClassVar[str] = "Random tokens"
    paper: ClassVar[str] = "none"
    look: ClassVar[str] = "Nothing can be expected of random tokens."
    scores: ClassVar[dict[str, str]] = {"nll": "mean NLL [nats]", "worst": "largest NLL [nats]"}

    def cases(self, model: Model, length: int, trials: int, seed: int) -> list[Case]:
        rng = np.random.default_rng([seed, length])
        return [Case(tuple(rng.integers(self.largest, size=length).tolist())) for _ in range(trials)]

    def steps(self, model: Model, method: Method, cases: Sequence[Case], chunk: int = 2048) -> Steps:
        for number, case in enumerate(cases):
            yield Progress(
                number + 1, len(cases), result=Outcome(number, self.score(case, model.nll(case.ids, method)))
            )

    def score(self, case: Case, answer: np.ndarray) -> dict[str, float | None]:
        return {"nll": float(answer.mean()), "worst": float(answer.max())}


@pytest.fixture(autouse=True)
def _added(monkeypatch):
    monkeypatch.setitem(TASKS, Noise.key, Noise)


@pytest.fixture
def done(folder, tmp_path):
    where = ["--model", str(folder), "--methods", ";".join(METHOD_TEXTS), "--lengths", "20,60", "--trials", "2"]
    assert evaluate.main([*where, "--task", "noise:largest=9", "--out", str(tmp_path / "out")]) == 0
    return tmp_path / "out"


def test_it_is_run_and_saved(done):
    rows = read_results(done)
    assert len(rows) == 3 * 2
    assert all(row.task.options == {"largest": 9} and len(row.cases) == 2 for row in rows)
    assert read_rows((done / FILE).read_bytes(), FILE) == rows


def test_it_is_reported_by_its_scores(done, tmp_path):
    page, text = tmp_path / "r.html", tmp_path / "r.md"
    assert report.main([str(done), "--html", str(page), "--markdown", str(text)]) == 0
    assert "<h2>Random tokens (largest=9): tiny</h2>" in page.read_text(encoding="utf-8")
    tables = text.read_text(encoding="utf-8").split("\n**")[1:]
    captions = ["nll: mean NLL [nats]; 2 cases", "worst: largest NLL [nats]; 2 cases"]
    assert [table.partition("**")[0] for table in tables] == captions
    rows = {(row.method.text, row.length): row for row in read_results(done)}
    for table, score in zip(tables, Noise.scores, strict=True):
        for method in METHOD_TEXTS:
            short, long = (f"{rows[method, length].scores[score]:.3g}" for length in (20, 60))
            assert f"| {label_of(method)} | {short} | {long} |" in table


def test_it_is_shown_on_the_page(done):
    (part,) = open_results("mine", read_results(done)).parts
    assert list(part.figures) == ["noise-nll-tiny", "noise-worst-tiny"]
    assert all(len(figure.data) == 3 for figure in part.figures.values())
    with gr.Blocks():
        panel = build_panel("rope-small")
    session, arrived = Session(), uploads.folder().path / FILE
    shutil.copy(done / FILE, arrived)
    assert panel.load_results(str(arrived), "rope-small", session)[panel.part].choices == [(part.title, 0)]
    assert "Nothing can be expected" in panel.show(0, session)[panel.lead]
