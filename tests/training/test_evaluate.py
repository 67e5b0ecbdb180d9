"""The command: parameters chosen, cells measured and gone on with, and the card written from them."""

from __future__ import annotations

import shutil

import pytest

from analysis import evaluate as runner
from analysis import runs
from analysis.evaluation.results import read_results
from analysis.evaluation.tasks.passkey import Passkey
from longsight.methods import METHODS
from longsight.models.model import load
from training import card, choose
from training.card_cells import CHOOSING_SEED
from training.evaluate import _methods, main
from training.questions import Questions
from training.samples import Samples


@pytest.fixture(autouse=True)
def _curt(monkeypatch):
    """An untrained model goes on to the last token that an answer may take: here, the second."""
    for task in (Passkey, Questions, Samples):
        monkeypatch.setattr(task, "room", 2)


@pytest.fixture
def model(trained, tmp_path):
    return shutil.copytree(trained / "whole", tmp_path / "whole")


@pytest.fixture
def command(model, folder, tmp_path):
    """Runs the command with further options; its exit status."""
    where = [str(model), "--corpus", str(folder), "--out", str(tmp_path / "out"), "--threads", "1", "--passages", "1"]
    return lambda *more: main([*where, "--cases", "5", "--lengths", "300", *more])


@pytest.fixture
def _little_choice(monkeypatch):
    for name, tried in (
        ("PARTS", (1 / 2,)),
        ("TOP_K", (5, 1)),
        ("WINDOWS", (1 / 4,)),
        ("GROUPS", (8,)),
        ("FETCHING_WINDOWS", (1 / 2,)),
        ("FETCHED", (1 / 8,)),
        ("HEADS", (1 / 8,)),
        ("USES", (1 / 4,)),
        ("FULL_HEADS", (1 / 2,)),
    ):
        monkeypatch.setattr(choose, name, tried)


@pytest.mark.usefixtures("_little_choice")
def test_the_card_is_written_and_nothing_is_measured_twice(command, model, tmp_path, monkeypatch, capsys):
    (model / card.LIMITS).write_text("It only babbles.")
    options = ("--methods", "vanilla;lm-infinite", "--card")
    assert command(*options) == 0
    text, rows = (model / "README.md").read_text(encoding="utf-8"), read_results(tmp_path / "out")
    printed = capsys.readouterr().out.strip()
    assert printed in text
    for title in ("Passkeys: ", "Questions: ", "Bits per byte: ", "Perplexity at ", "Samples", "Parameters"):
        assert f"### {title}" in printed
    assert "0.1 million tokens, 200 steps" in text
    assert "sequences of 128 tokens" in text.replace("\n", " ")
    assert "| 64 | 0.0 M | 50% to 0% | 25% to 50% |" in text
    assert "It only babbles." in text
    assert "Reported: " not in text
    assert "(filler=held-out, passages=8)" in text
    assert str(tmp_path) not in text
    assert load(model).recommended == choose.read(model).recommended
    chosen = [row for row in rows if row.seed == CHOOSING_SEED]
    assert {row.length for row in chosen} == {128, 256}
    assert f"of {sum(len(row.cases) for row in chosen[:1])} at 256 tokens" in printed
    again, steps = [], runner.cell_steps
    monkeypatch.setattr(runner, "cell_steps", lambda cell, *more: again.append(cell.key) or steps(cell, *more))
    assert command(*options) == 0
    assert (model / "README.md").read_text(encoding="utf-8") == text
    assert set(again) == {row.cell for row in rows if row.refused}, "what was refused is tried again"
    assert all("the question alone takes" in row.refused for row in rows if row.refused), "few tokens are too few"


def test_a_run_that_is_stopped_keeps_its_cells_and_goes_on(command, tmp_path, monkeypatch):
    measured, steps = [], runner.cell_steps

    def stops(cell, *more):
        if len(measured) == 3:
            raise KeyboardInterrupt
        measured.append((cell.task.key, cell.method))
        return steps(cell, *more)

    monkeypatch.setattr(runner, "cell_steps", stops)
    options = ("--only", "past", "--methods", "window,vanilla")
    with pytest.raises(KeyboardInterrupt):
        command(*options)
    assert len(read_results(tmp_path / "out")) == 3
    measured.clear()
    assert command(*options) == 0
    assert measured == [("perplexity", "vanilla")]
    measured.clear()
    assert command("--only", "past", "--methods", "window;self-extend:group=2,window=16") == 0
    assert measured == [("passkey", "self-extend:group=2,window=16"), ("perplexity", "self-extend:group=2,window=16")]


@pytest.mark.parametrize(("options", "said"), [
    (("--only", "prose"), "--only knows choose, inside, past, samples, found prose"),
    (("--methods", "magic"), "There is no method 'magic'; there are vanilla"),
])  # fmt: skip
def test_options_that_make_no_sense_are_refused(command, capsys, options, said):
    with pytest.raises(SystemExit):
        command(*options)
    assert said in capsys.readouterr().err


def test_texts_too_short_are_said_to_be(command, tmp_path, capsys):
    assert command("--only", "past", "--methods", "vanilla", "--lengths", "50000") == 0
    rows, said = read_results(tmp_path / "out"), capsys.readouterr().err
    assert len(rows) == 2
    assert all("give a longer" in row.refused and row.refused in said for row in rows)


def test_parameters_cannot_be_chosen_inside_the_trained_length(command, capsys):
    assert command("--only", "choose", "--lengths", "200") == 1
    assert "--lengths must go to 256 tokens at least" in capsys.readouterr().err


def test_each_method_that_is_measured_unasked_suits_the_model(model):
    loaded = load(str(model))
    found = [runs.read_one(loaded, text, 600) for text in _methods(loaded, 600)]
    assert {method.key for method in found} == set(METHODS)
    assert [method.retrieval for method in found if method.key == "lm-infinite"].count(None) == 1
