"""The passkey panel without a browser: what is asked is checked, runs are resumed, files are read."""

import json
from dataclasses import replace

import gradio as gr
import numpy as np
import pytest

from analysis.evaluation.passkey_grid import TrialGrid
from analysis.evaluation.tasks.passkey import CHAT, COMPLETION
from analysis.evaluation.tasks.texts import PAPER
from analysis.export.files import from_json, to_json
from app.panels import passkey, passkey_trial
from app.session import (
    document_loading,
    finished_examples,
    grid_runs,
    model_catalogue,
    passkey_grids,
    running,
    side_by_side,
    trials,
)
from app.session.device_sharing import line_of
from app.session.passkey_grids import OWN, OWN_PROMPT
from app.session.side_by_side import MOST_METHODS
from longsight.errors import LongSightError
from tests.app.conftest import others_at

NO_METHODS = ";"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(grid_runs, "PAUSE", 0.0)


@pytest.fixture(scope="module")
def panel(shared):
    return passkey.build_panel(shared)


@pytest.fixture
def request_of(panel):
    """The request that the values of all controls stand for."""
    return lambda values: panel.request(panel.read(*values))


@pytest.fixture
def filled(session, request_of):
    """Runs what is asked for to its end; the views of it."""
    return lambda values: list(grid_runs.run_steps(session, request_of(values)))


@pytest.fixture
def asked(model, session):
    """The values of all controls, as the page sends them."""

    def values(
        lengths="240,400", depths="0,100", trials=1, filler=PAPER, seed=3, prompt=OWN_PROMPT, keys=("vanilla", "window")
    ):
        return [lengths, depths, trials, filler, seed, prompt, "tiny", session, ";".join(keys) or NO_METHODS]

    return values


def test_the_example_is_a_finished_grid_of_an_offered_model():
    grid = finished_examples.grid("rope-small")
    assert grid.finished
    assert grid.model in model_catalogue.names()
    assert 1 < len(grid.method) <= MOST_METHODS
    assert 0 < grid.found.mean() < 1
    assert from_json(TrialGrid, to_json(grid)) == grid


def test_a_run_fills_the_visitors_grid_and_says_what_was_answered(filled, session, asked):
    seen = filled(asked())
    assert session.grid.grid.finished
    assert seen[-1].grid is session.grid
    assert "all 8 trials are done" in seen[-1].status
    assert any("of 8 trials" in view.status and "<progress" in view.status for view in seen)
    assert "it said" in passkey_grids.side_view(session.grid, 0)
    assert not line_of(model_catalogue.model("tiny").device).busy


def test_stop_keeps_what_is_done_and_the_next_run_goes_on(panel, request_of, filled, session, asked):
    steps = grid_runs.run_steps(session, request_of(asked()))
    while not any(view.grid and view.grid.grid.done for view in [next(steps)]):
        pass
    running.stop(session)
    last = list(steps)[-1]
    done = session.grid.grid.done
    assert 0 < done < 8
    assert f"{8 - done:,} of 8 trials are left" in last.status
    kept = session.grid.grid
    planned = panel.plan(*asked())
    assert (planned[panel.run.run].value, "are left" in planned[panel.run.status]) == ("Resume", True)
    assert panel.plan(*asked(seed=4))[panel.run.run].value == "Run"
    filled(asked())
    assert session.grid.grid.finished
    known = np.isfinite(kept.found)
    assert np.array_equal(session.grid.grid.found[known], kept.found[known])
    assert np.array_equal(session.grid.grid.said[known], kept.said[known])


def test_stop_while_waiting_for_others_leaves_everything_as_it_was(request_of, session, asked):
    with others_at(model_catalogue.model("tiny").device):
        steps = grid_runs.run_steps(session, request_of(asked()))
        assert "sharing the device with another visitor" in next(steps).status
        running.stop(session)
        assert [view.grid for view in steps] == [None]
        assert session.grid is None


def test_leaving_the_page_ends_the_run_and_frees_the_device(request_of, session, asked):
    steps = grid_runs.run_steps(session, request_of(asked()))
    next(steps)
    steps.close()
    assert not line_of(model_catalogue.model("tiny").device).busy
    assert not session.busy.locked()


def test_a_method_that_does_not_fit_marks_its_own_place(filled, session, asked, monkeypatch):
    def check(model, method, tokens):
        if method.key == "vanilla":
            raise LongSightError("Too much memory.")

    monkeypatch.setattr(grid_runs.estimate, "check_memory", check)
    filled(asked())
    assert session.grid.problems == {"vanilla": "Too much memory."}
    assert np.isnan(session.grid.grid.found[0]).all()
    assert np.isfinite(session.grid.grid.found[1]).all()
    assert "Too much memory." in passkey_grids.side_view(session.grid, 0)


def test_one_method_stands_beside_itself_with_other_parameters(panel, session, asked, upload_folder, monkeypatch):
    """Each has its own place, colour, answer and problem; and the grid's file brings both back."""

    def check(model, method, tokens):
        if method.group == 8:
            raise LongSightError("Too much memory.")

    monkeypatch.setattr(grid_runs.estimate, "check_memory", check)
    monkeypatch.setattr(grid_runs, "PAUSE", 60)  # only the end is drawn
    line = "self-extend:group=2,window=16;self-extend:group=8,window=16"
    *_, updates = panel.fill(*asked(lengths="240", keys=[line]))
    assert session.grid.problems == {"self-extend-2": "Too much memory."}
    assert list(session.grid.latest) == ["self-extend"]
    one, two, hidden = panel.columns
    assert "SelfExtend G=2 (group=2, window=16)" in updates[one.side]
    assert "SelfExtend G=8 (group=8, window=16)" in updates[two.side]
    assert ['data-state="done"' in updates[one.side], 'data-state="failed"' in updates[two.side]] == [True, True]
    assert updates[one.side].partition("--method:")[2][:7] != updates[two.side].partition("--method:")[2][:7]
    assert not updates[hidden.column].constructor_args["visible"]
    path = upload_folder / "saved.json"
    path.write_bytes(passkey_grids.files("json", session, "tiny")[1]["longsight-passkey.json"])
    assert panel.load_grid(str(path), "tiny", session)[panel.shared.methods.draft] == line


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"lengths": ""}, "1 to 16 lengths can be shown, but none were given"),
        ({"lengths": "240,,300"}, "Lengths must give numbers with one comma between them, but '240,,300' was given"),
        ({"lengths": "240, x"}, "Lengths must give a whole number, but 'x' was given"),
        ({"lengths": "10"}, "from 64 to 131,072, but 10 was given"),
        ({"lengths": "999999999"}, "from 64 to 131,072, but 999,999,999 was given"),
        ({"lengths": 240}, "must be a text"),
        ({"depths": "-5"}, "Depths must"),
        ({"depths": "0-100"}, "1 to 21 depths can be shown, but 101 were given"),
        ({"trials": 0}, "Trials must be a whole number from 1 to 50, but 0 was given"),
        ({"trials": 1.5}, "but 1.5 was given"),
        ({"trials": float("nan")}, "but nan was given"),
        ({"trials": None}, "Trials must be a whole number from 1 to 50, but nothing was given"),
        ({"seed": -1}, "Seed must be a whole number from 0"),
        ({"filler": "/etc/passwd"}, "There is no filler '/etc/passwd'; there are paper, prose, own"),
        ({"filler": OWN}, "There is no document to hide keys in"),
        ({"prompt": "please"}, "There is no prompt 'please'; there are own, completion, chat"),
        ({"lengths": "100-115", "depths": "0-20", "trials": 50}, "16,800 trials; up to 5,000|33,600 trials; up to"),
        ({"keys": ()}, "0 methods were chosen"),
    ],
)
def test_what_cannot_be_asked_gets_one_sentence(panel, request_of, asked, change, sentence):
    with pytest.raises(LongSightError, match=sentence):
        request_of(asked(**change))
    assert "problem" in panel.plan(*asked(**change))[panel.run.status]


def test_the_visitors_document_loses_the_example_key_and_must_be_long_enough(
    request_of, filled, session, asked, document
):
    key = "The pass key is 12345. Remember it. 12345 is the pass key. "
    session.take(replace(document, text=document.text[:200] + key + document.text[200:]))
    assert key not in passkey_grids.own_text(session)
    for _ in document_loading.tokens_steps(session, model_catalogue.model("tiny")):
        pass
    filled(asked(filler=OWN, lengths="240", keys=("vanilla",)))
    assert session.grid.grid.text == "grass.txt"
    assert session.grid.grid.finished
    with pytest.raises(LongSightError, match="too few for a prompt of 100,000"):
        request_of(asked(filler=OWN, lengths="100000"))
    session.take(replace(document, text=document.text.upper()))
    with pytest.raises(LongSightError, match="choose that document again to open a trial"):
        list(trials.open_steps(session, "tiny", "0:0:0:0"))


def test_parameters_by_rule_of_thumb_are_fitted_to_the_longest_prompt(panel, request_of, asked):
    request = request_of(asked(lengths="64,250", keys=("self-extend",)))
    [run] = request.runs
    assert run.method == request.model.method("self-extend", 250)
    assert request.grid.reach.tolist() == [run.method.reach(32)]
    told = panel.plan(*asked(lengths="64,250", keys=("self-extend",)))
    assert f"; fitted to 250 tokens: SelfExtend group {run.method.group}, window " in told[panel.run.status]


@pytest.mark.parametrize("completes", [False, True])
def test_a_model_is_asked_in_its_own_way_unless_another_is_chosen_and_the_page_says_which(
    completes, request_of, asked, monkeypatch
):
    suited = replace(model_catalogue.model("tiny"), completes=completes)
    monkeypatch.setattr(model_catalogue, "model", lambda name: suited)
    words = {CHAT: "asked in its chat", COMPLETION: "a text to complete"}
    for prompt, meant in ((OWN_PROMPT, (CHAT, COMPLETION)[completes]), (CHAT, CHAT), (COMPLETION, COMPLETION)):
        grid = request_of(asked(prompt=prompt)).grid
        assert grid.passkey().prompt == meant
        assert f" · {words[meant]} · " in passkey_grids.about(grid)
        assert f" · 0 of {grid.found.size} trials, " in passkey_grids.about(grid)  # what was run, not what was asked


def test_each_model_has_its_own_example_or_none(panel, session):
    shown = panel.show("rope-small", session)
    assert "recorded with rope-small" in shown[panel.note]
    blank = panel.show("tiny", session)
    assert passkey.EMPTY in blank[panel.note]
    assert not any(blank[place.column].visible for place in panel.columns)


def test_files_hold_the_grid_and_are_read_again(panel, filled, session, asked, upload_folder):
    filled(asked())
    name, files = passkey_grids.files("json", session, "tiny")
    assert name == "passkey"
    path = upload_folder / "saved.json"
    path.write_bytes(files["longsight-passkey.json"])
    before, session.grid = session.grid.grid, None
    updates = panel.load_grid(str(path), "tiny", session)
    assert session.grid.grid == before
    told = {name: updates[control] for name, control in panel.settings.items()}
    assert told == {"lengths": "240, 400", "depths": "0, 100", "trials": 1, "filler": PAPER, "seed": 3, "prompt": CHAT}
    assert side_by_side.keys(updates[panel.shared.methods.draft]) == ["vanilla", "window"]
    assert set(panel.shown) - set(updates) == {panel.columns[2].side, panel.columns[2].grid}
    assert b"trial index" in passkey_grids.files("csv", session, "tiny")[1]["longsight-passkey.csv"]
    with pytest.raises(LongSightError, match="no format 'exe'"):
        passkey_grids.files("exe", session, "tiny")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda told: told["task"].update(filler="/etc/passwd"), "only the fillers of this page"),
        (lambda told: told["arrays"]["length"].update(values=[240, 10**7]), "10,000,000 tokens; up to 131,072"),
        (lambda told: told.update(record="NLLRecord"), "the file holds a NLLRecord"),
    ],
)
def test_a_file_that_asks_for_too_much_is_refused(panel, request_of, session, asked, upload_folder, change, sentence):
    told = json.loads(to_json(request_of(asked()).grid))
    change(told)
    path = upload_folder / "odd.json"
    path.write_text(json.dumps(told))
    with pytest.raises(gr.Error, match=sentence):
        panel.load_grid(str(path), "tiny", session)
    assert session.grid is None


def test_a_click_names_the_trial_and_offers_the_others(panel, filled, session, asked):
    filled(asked(trials=2))
    event = gr.EventData(None, {"x": 1, "y": 0})
    updates = panel.trial.picked(1)(session, "tiny", event)
    cell = updates[panel.trial.cell]
    assert cell == "1:1:0:0"
    assert [value for _, value in updates[panel.trial.trial].choices] == [0, 1]
    assert passkey_trial.other_trial(cell, 1) == "1:1:0:1"
    with pytest.raises(gr.Error):
        panel.trial.picked(1)(session, "tiny", gr.EventData(None, {"x": 99, "y": 0}))


def test_the_list_opens_what_a_click_opens(panel, filled, session, asked):
    filled(asked(trials=2))
    (said, cell), *_ = panel.show("tiny", session)[panel.trial.listed].choices
    assert "tokens · key at" in said
    assert panel.trial.choose(cell, session, "tiny")[panel.trial.cell] == cell == "0:0:0:0"
    assert panel.trial.choose(None, session, "tiny") == gr.skip()
    clicked = panel.trial.picked(1)(session, "tiny", gr.EventData(None, {"x": 0, "y": 0}))
    assert clicked[panel.trial.listed] is None


def test_the_list_follows_the_shape_of_a_grid_and_not_each_trial(panel, session, asked):
    views = list(panel.fill(*asked(trials=2)))
    listed = [view[panel.trial.listed] for view in views if panel.trial.listed in view]
    assert len(views) > 2
    assert len(listed) == 1
