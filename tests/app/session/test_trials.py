"""A trial of a grid, opened: done again and shown, or one sentence on why it cannot be."""

from dataclasses import replace

import pytest

from analysis.evaluation.tasks.texts import PAPER
from app.session import grid_runs, passkey_grids, running, trials
from app.session.device_sharing import line_of
from app.session.passkey_grids import GridSettings
from app.session.shown_grid import ShownGrid
from longsight.errors import LongSightError
from longsight.methods import METHODS


@pytest.fixture
def request_made(model, session):
    """What the controls would ask for; nothing of it is done yet, and it stands before the visitor."""
    methods = [model.method(key, 400) for key in METHODS if key in ("vanilla", "window")]
    made = passkey_grids.make_request(session, model, methods, GridSettings("240,400", "0,100", 1, PAPER, 3))
    session.grid = ShownGrid(made.grid)
    return made


def test_a_trial_is_done_again_and_shown(session, request_made):
    list(grid_runs.run_steps(session, request_made))
    *_, last = trials.open_steps(session, "tiny", "1:1:0:0")
    assert "is not visible under this method" in last.told
    assert str(session.grid.grid.expected[1, 0, 0]) in last.told
    assert "0.7)" in last.prompt
    assert last.figure.data[0].type == "heatmap"
    said = last.figure.layout.title.text.split("'")[1]
    assert f"an answer without digits, &#x27;{said}&#x27;," in last.about  # the tiny model's answer has none
    assert "In the grid it had answered" not in last.told
    said = session.grid.grid.said.copy().astype(object)
    said[1, 1, 0, 0] = "<b>else</b>"
    session.grid = ShownGrid(replace(session.grid.grid, said=said.astype(str)))
    *_, last = trials.open_steps(session, "tiny", "1:1:0:0")
    assert "In the grid it had answered: <q>&lt;b&gt;else&lt;/b&gt;</q>" in last.told


def test_a_trial_can_be_stopped(model, session, request_made):
    steps = trials.open_steps(session, "tiny", "0:0:0:0")
    next(steps)
    running.stop(session)
    assert "stopped, memory freed" in list(steps)[-1].status
    assert not line_of(model.device).busy


@pytest.mark.parametrize(
    "cell", ["", "0:0:0", "9:0:0:0", "0:0:0:1", "a:0:0:0", "-1:0:0:0", "0:0:0:0:0", "9999:0:0:0", None]
)
def test_a_cell_that_is_none_gets_one_sentence(session, request_made, cell):
    with pytest.raises(LongSightError, match="A trial is named by|in this grid"):
        next(trials.open_steps(session, "tiny", cell))


def test_a_model_that_is_not_offered_is_named(session, request_made):
    session.grid = ShownGrid(replace(request_made.grid, model="unknown"))
    with pytest.raises(LongSightError, match="No model called 'unknown'"):
        list(trials.open_steps(session, "tiny", "0:0:0:0"))
