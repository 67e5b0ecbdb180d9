"""Pass key grids: filled trial by trial, gone on with, saved and read again; and their figures."""

import csv
import io
import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from analysis.evaluation.grid_figure import grid_figure, limit_place
from analysis.evaluation.passkey_grid import TrialGrid, fill_steps, make_case, new_grid
from analysis.evaluation.tasks.passkey import Passkey
from analysis.export.files import from_json, to_csv, to_json
from longsight.errors import LongSightError
from longsight.methods import METHODS
from longsight.progress import finish

OWN = "A word about nothing at all. " * 400


@pytest.fixture(scope="module", autouse=True)
def _short_answers():
    """An untrained model goes on to the last token that an answer may take: here, the sixth."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Passkey, "room", 6)
        yield


@pytest.fixture(scope="module")
def methods():
    return [METHODS["truncation"](length=300), METHODS["self-extend"](group=4, window=16)]


@pytest.fixture(scope="module")
def empty(model, methods):
    return new_grid(model, Passkey(), methods, [240, 400], [0, 0.5, 1], trials=2, seed=7)


@pytest.fixture(scope="module")
def full(model, empty):
    return finish(fill_steps(model, empty))


def test_a_grid_fills_in_length_by_length_and_says_which_trial_was_done(model, empty):
    places = []
    for step in fill_steps(model, empty):
        if step.result is not None:
            places.append(step.result)
            assert step.record().done == len(places)
            assert np.isfinite(step.record().found[step.result])
    assert len(set(places)) == empty.found.size == 24
    assert [length for _, length, _, _ in places] == sorted(length for _, length, _, _ in places)


def test_a_stopped_grid_goes_on_with_what_is_missing_and_ends_the_same(model, empty, full):
    steps = fill_steps(model, empty)
    half = next(step for step in steps if step.result is not None and step.record().done == 9).record()
    steps.close()
    missing = np.isnan(half.found)
    done = [step.result for step in fill_steps(model, half) if step.result is not None]
    assert sorted(done) == sorted(map(tuple, np.argwhere(missing).tolist()))
    again = finish(fill_steps(model, half))
    assert again == full
    assert again.finished
    assert half.asks_like(full)
    assert not half.asks_like(replace(full, seed=8))


def test_what_is_scored_is_what_was_said(full, model):
    for place in np.ndindex(full.found.shape):
        case = make_case(model, full, place[1:], None)
        assert full.expected[place[1:]] == case.answers[0]
        assert full.found[place] == Passkey().score(case, str(full.said[place]))["found"]


def test_a_method_that_cannot_go_on_says_so_and_the_others_do(model, empty, monkeypatch):
    def failing(self, model, method, cases, chunk):
        if method.key == "truncation":
            raise LongSightError("Too big.")
        yield from steps(self, model, method, cases, chunk)

    steps = Passkey.steps
    monkeypatch.setattr(Passkey, "steps", failing)
    problems = [step for step in fill_steps(model, empty) if step.problem]
    assert [(step.method, step.problem) for step in problems] == [(0, "Too big.")]
    assert finish(fill_steps(model, empty, skip=(0,))).done == 12


def test_own_text_is_asked_for_again_and_a_short_one_is_refused(model, methods):
    grid = new_grid(model, Passkey(), methods, [240], [0.5], 1, 0, OWN, "my.txt")
    assert finish(fill_steps(model, grid, OWN)).finished
    with pytest.raises(LongSightError, match=r"hides its keys in 'my.txt'; choose that text again"):
        next(fill_steps(model, grid, OWN + "!"))
    short = new_grid(model, Passkey(), methods, [240, 100_000], [0.5], 1, 0, OWN, "my.txt")
    with pytest.raises(LongSightError, match="give a longer one"):
        finish(fill_steps(model, short, OWN))


@pytest.mark.parametrize("name", ["full", "empty"])
def test_json_is_read_back(name, request):
    grid = request.getfixturevalue(name)
    again = from_json(TrialGrid, to_json(grid))
    assert again == grid
    assert again.methods() == grid.methods()
    assert again.passkey() == Passkey(prompt="chat")
    rows = [row for row in csv.reader(io.StringIO(to_csv(grid), newline="")) if not row[0].startswith("#")]
    assert len(rows) == 25
    assert [row[-2] for row in rows[1:]] == ["" if name == "empty" else "0"] * 24


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda told: told.update(record="Other"), "A TrialGrid was asked for, but the file holds a Other"),
        (lambda told: told.pop("seed"), "no TrialGrid in JSON: it has no 'seed'"),
        (lambda told: told.update(seed="7"), "seed of a grid must hold other kinds"),
        (lambda told: told["arrays"]["found"].update(values=[[1, "a"]]), "mixture of int, str"),
        (lambda told: told["arrays"]["found"].update(values=[[[[2.5]]]]), "has 1 along 'method', but method has 2"),
        (lambda told: told["arrays"]["depth"].update(values=[0, 0.5, 1.5]), "Depths lie between 0 and 1"),
        (lambda told: told["arrays"]["length"].update(values=[400, 240]), "must rise"),
        (lambda told: told["arrays"]["method"].update(values=["magic", "window"]), "There is no method 'magic'"),
        (lambda told: told["arrays"]["parameters"].update(values=["{}", "{}"]), "has no parameters '{}'"),
        (lambda told: told.update(task={"magic": 1}), "has no options"),
        (lambda told: told.update(seed=-1), "has a seed from 0 on"),
        (lambda told: told.update(train_length=0), "trained on 1 token or more"),
        (lambda told: told.update(train_length=-5), "trained on 1 token or more"),
        (lambda told: told["arrays"]["depth"].update(values=[0, 0.5, 10**400]), "no TrialGrid in JSON: "),
        (lambda told: told["arrays"]["length"].update(values=[240, 10**30]), "no TrialGrid in JSON: "),
        (lambda told: told["arrays"]["parameters"].update(values=["[" * 100_000, "{}"]), "has no parameters"),
        (
            lambda told: told["arrays"]["caption"].update(values=["x" * 1_000_000] + ["y"] * 1000),
            "texts would take 4,004,000,000 bytes; up to 100,000,000 are read",
        ),
    ],
)
def test_a_file_that_is_none_of_ours_gets_one_sentence(full, change, sentence):
    told = json.loads(to_json(full))
    change(told)
    with pytest.raises(LongSightError, match=sentence):
        from_json(TrialGrid, json.dumps(told))


@pytest.mark.parametrize("text", ["", "[]", "3", "{", "\x00", '{"record": "TrialGrid"}', "[" * 100_000])
def test_noise_is_no_grid(text):
    with pytest.raises(LongSightError, match="no TrialGrid in JSON"):
        from_json(TrialGrid, text)


def test_the_limits_are_the_reach_and_where_truncation_cuts():
    """A model trained on 512 tokens: (L - W) * G + W, and L."""
    trained = replace_trained(512)
    methods = [METHODS["self-extend"](group=4, window=128), METHODS["truncation"](length=512), METHODS["vanilla"]()]
    methods.append(METHODS["lm-infinite"].for_model(512, 4096))
    grid = new_grid(trained, Passkey(), methods, [256, 4096], [0.5], 1, 0)
    assert np.array_equal(grid.reach, [(512 - 128) * 4 + 128, np.nan, 512, np.nan], equal_nan=True)
    assert np.array_equal(grid.sight, [np.nan, 512, np.nan, 522], equal_nan=True)


def replace_trained(length):
    return SimpleNamespace(name="trained", train_length=length, completes=False)


def test_figures_count_cells_and_draw_lines_between_columns(full):
    limited = replace(full, reach=np.array([300.0, np.nan]), sight=np.array([np.nan, 240.0]))
    hits = full.found[0].sum(-1).T
    for number, kind in ((0, "solid"), (1, "dot")):
        figure = grid_figure([limited.of_method(number)])
        [heatmap] = figure.data
        assert [list(row) for row in heatmap.text] == [[f"{int(k)}/2" for k in row] for row in hits]
        assert np.array_equal(heatmap.z, hits / 2)
        [line] = figure.layout.shapes
        assert line.line.dash == kind
        assert 0.5 <= line.x0 < 1.5
    lengths = np.array([256, 512, 1024])
    assert limit_place(lengths, np.full(3, 512.0)) == 1.5
    assert limit_place(lengths, np.full(3, 100.0)) == -0.5
    assert limit_place(lengths, np.full(3, 1024.0)) is None


def test_a_cell_that_was_not_done_is_blank(empty):
    [heatmap] = grid_figure([empty.of_method(1)]).data
    assert np.isnan(heatmap.z).all()
    assert set(np.ravel(heatmap.text)) == {""}


def test_one_method_with_other_parameters_is_another_run_and_says_so_in_the_files(model):
    twice = [METHODS["self-extend"](group=group, window=16) for group in (4, 16)]
    grid = new_grid(model, Passkey(), twice, [240], [0.5], trials=1, seed=7)
    assert [run.id for run in grid.runs()] == ["self-extend", "self-extend-2"]
    assert [run.label for run in grid.runs()] == ["SelfExtend G=4", "SelfExtend G=16"]
    rows = list(csv.DictReader(line for line in to_csv(grid).splitlines() if not line.startswith("#")))
    assert [(row["run"], row["caption"]) for row in rows] == [
        ("self-extend", "SelfExtend (group=4, window=16)"),
        ("self-extend-2", "SelfExtend (group=16, window=16)"),
    ]
    assert not grid.asks_like(new_grid(model, Passkey(), twice[::-1], [240], [0.5], trials=1, seed=7))
    told = json.loads(to_json(grid))
    del told["arrays"]["run"]  # as grids were saved before runs had names
    assert from_json(TrialGrid, json.dumps(told)).runs() == grid.runs()
