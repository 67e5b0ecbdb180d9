"""The diagnostics without a browser: requests checked, looks in pictures, what was measured before, files."""

import json
import zipfile
from pathlib import Path

import gradio as gr
import pytest

from analysis.diagnostics.logits import LogitRecord
from analysis.diagnostics.panels import PANELS
from analysis.export.files import FORMATS, from_npz
from app.components import downloads
from app.components.permalink import restored
from app.panels import diagnostics
from app.panels.choice_controls import KINDS, build_choices, read_choice, views
from app.panels.diagnostics import SHOWN, run_look, show
from app.session import devices, document_loading, estimate, measurements, running, samples
from longsight.errors import LongSightError
from longsight.methods import METHODS
from tests.app.test_method_controls import values_of

DEFAULTS = {"smoothing": 64, "projection": "pca", "axes": 2, "starting": 10}
LENGTH = 90


@pytest.fixture(autouse=True)
def fresh():
    measurements.result_cache.clear()


@pytest.fixture
def reader(session, model, document):
    list(document_loading.take_steps(session, model, document))
    return session


def choices(**values):
    return [{**DEFAULTS, **values}.get(name, "") for name in KINDS]


def asked(model, session, panel="logits", length=LENGTH, others=(), methods=None, **chosen):
    """What the page sends."""
    methods = methods or [METHODS["vanilla"](), METHODS["window"](window=16)]
    whole = document_loading.target_length(session, model)
    return [panel, length, list(others), *choices(**chosen), "tiny", session, *values_of(model, methods, whole)]


def last(pictures):
    *_, end = pictures
    return end


@pytest.mark.parametrize("panel", PANELS)
def test_every_panel_runs_to_its_end_and_is_there_at_once_the_next_time(model, reader, panel):
    values = asked(model, reader, panel)
    boards = [update[2] for update in run_look(*values) if "figures" in update[2]]
    assert boards
    assert boards[-1]["columns"] == 2
    drawn = [figure["name"] for figure in boards[-1]["figures"]]
    assert drawn
    assert all(json.loads(figure["json"])["data"] for figure in boards[-1]["figures"])
    same = show(*values)
    assert "measured" in same[-3]
    assert "figures" not in same[-1]  # it stands there already
    reader.look = None  # as on another page with the same text
    updates = show(*values)
    assert len(updates) == SHOWN
    assert "measured" in updates[-3]
    assert updates[-2].count('data-state="done"') == 2
    assert [figure["name"] for figure in updates[-1]["figures"]] == drawn
    assert not devices.turnstile(model.device).busy


def test_the_text_is_coloured_for_each_method_and_the_marked_token_is_named(model, reader):
    last(run_look(*asked(model, reader, "nll")))
    shown = show(*asked(model, reader, "nll", mark="7"))[-1]
    assert [text["title"] for text in shown["texts"]] == ["Vanilla", "Window (window=16)"]
    assert 'data-position="7"' in shown["texts"][0]["html"]
    assert shown["note"].startswith("Marked: position 7, '")


def test_a_panel_shows_the_controls_that_it_reads(model, reader):
    for key, panel in PANELS.items():
        head = show(*asked(model, reader, key))
        visible = dict(zip(KINDS, (update["visible"] for update in head[2 : 2 + len(KINDS)]), strict=True))
        assert {name for name, is_visible in visible.items() if is_visible} == set(panel.reads) & set(KINDS)
        assert panel.look.split(".")[0].replace("'", "&#x27;") in head[0]
        assert "90 tokens with 2 methods" in head[-3]


def test_several_texts_are_shown_where_the_panel_can(model, reader):
    other = next(iter(samples.samples()))
    values = asked(model, reader, "clusters", others=[other])
    *_, board = [update[2] for update in run_look(*values) if "figures" in update[2]]
    names = {trace.get("name") for trace in json.loads(board["figures"][0]["json"])["data"]}
    assert {"grass.txt, first tokens", "The papers' pass key te…, others"} <= names
    assert "2 texts of up to 90 tokens" in measurements.plan(diagnostics.read_request(*diagnostics._split(values)))


def test_stop_marks_the_methods_and_keeps_nothing(model, reader, monkeypatch):
    monkeypatch.setattr(measurements, "PAUSE", 0)
    steps = run_look(*asked(model, reader, length=400))
    first = next(steps)
    assert 'data-state="working"' in first[1]
    running.stop(reader)
    end = last(steps)
    assert end[1].count('data-state="stopped"') == 2
    assert measurements.result_cache.nbytes == 0
    assert not devices.turnstile(model.device).busy
    assert not reader.busy.locked()


def test_stop_while_waiting_for_another_visitor_ends_the_waiting(model, reader, monkeypatch):
    monkeypatch.setattr(devices, "POLL", 0.001)
    door = devices.turnstile(model.device)
    with pytest.raises(StopIteration) as entered:
        next(door.enter(lambda: False))
    steps = run_look(*asked(model, reader))
    assert "waiting for another visitor" in next(steps)[0]
    running.stop(reader)
    assert last(steps)[1].count("stopped before it began") == 2
    door.leave(entered.value.value)
    assert not reader.busy.locked()


def test_opening_another_panel_ends_the_run(model, reader):
    steps = run_look(*asked(model, reader, length=400))
    next(steps)
    show(*asked(model, reader, "nll"))
    assert all(update == [gr.skip()] * 3 for update in steps)
    assert not devices.turnstile(model.device).busy


def test_parameters_follow_the_length_that_is_looked_at_unless_they_were_set(model, reader):
    whole = document_loading.target_length(reader, model)
    fitted, own = model.method("self-extend", whole), METHODS["window"](window=7)
    values = asked(model, reader, methods=[fitted, own])
    request = diagnostics.read_request(*diagnostics._split(values))
    assert tuple(run.method for run in request.runs) == (model.method("self-extend", LENGTH), own)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"panel": "magic"}, "There is no panel 'magic'; there are logits, entropy"),
        ({"length": 3}, "The length must have 8 to 131,072 tokens, but 3 was given."),
        ({"length": 10**9}, "but 1000000000 was given"),
        ({"length": None}, "but None was given"),
        ({"length": float("nan")}, "but nan was given"),
        ({"length": "9"}, "but '9' was given"),
        ({"layers": "x"}, "layers must give a whole number, but 'x'"),
        ({"layers": 7}, "layers must be a text of at most 200 characters"),
        ({"layers": "1," * 200}, "layers must be a text of at most 200 characters"),
        ({"panel": "nll", "smoothing": 0}, r"Smoothing \[tokens\]: 0 was asked for"),
        ({"panel": "nll", "smoothing": None}, "smoothing must be a whole number, but None"),
        ({"panel": "nll", "smoothing": float("inf")}, "smoothing must be a whole number, but inf"),
        ({"panel": "nll", "smoothing": 1.5}, "smoothing must be a whole number, but 1.5"),
        ({"panel": "clusters", "axes": 9}, "axes must be 2 or 3, but '9'"),
        ({"panel": "clusters", "projection": "tsne"}, "projection must be pca or umap, but 'tsne'"),
        ({"panel": "clusters", "others": ["../x"]}, "There is no example document '../x'"),
        ({"panel": "attention", "queries": "5"}, "queries must give a range such as 100:200, but '5'"),
    ],
)
def test_values_of_a_raw_call_are_checked_and_nothing_is_held(model, reader, changed, said):
    with pytest.raises(LongSightError, match=said):
        list(run_look(*asked(model, reader, **changed)))
    assert not reader.busy.locked()


def test_without_a_document_there_is_one_sentence(model, session):
    values = asked(model, session)
    assert "There is no text yet" in show(*values)[-3]
    with pytest.raises(LongSightError, match="There is no text yet"):
        list(run_look(*values))


def test_a_text_that_does_not_fit_fails_before_it_is_read(model, reader, monkeypatch):
    monkeypatch.setattr(estimate, "SHARE", 0)
    end = last(run_look(*asked(model, reader)))
    assert end[1].count('data-state="failed"') == 2
    assert "need a cache of" in end[1]


def test_what_was_never_measured_shows_how_to_begin(model, reader):
    first = show(*asked(model, reader, "entropy"))
    assert "Press Run" in first[-1]["note"]
    again = show(*asked(model, reader, "entropy"))
    assert "figures" not in again[-1]  # what stands on the board stays
    assert diagnostics.unmeasured(PANELS[diagnostics.FIRST])["figures"]


def test_records_are_saved_in_every_format(model, reader):
    with pytest.raises(LongSightError, match="Nothing has been measured yet; press Run first"):
        measurements.files("npz", reader)
    last(run_look(*asked(model, reader)))
    for kind in FORMATS:
        name, files = measurements.files(kind, reader)
        assert name == "longsight-logits"
        assert list(files) == [f"logits-vanilla.{kind}", f"logits-window.{kind}"]
    assert from_npz(LogitRecord, measurements.files("npz", reader)[1]["logits-window.npz"]).n == LENGTH
    with pytest.raises(LongSightError, match="There is no format 'xls'"):
        measurements.files("xls", reader)
    reader.leave()
    assert reader.look is None


def test_one_file_is_saved_as_it_is_and_several_as_one(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    assert Path(downloads.write("all", {"a.csv": b"1"})).read_bytes() == b"1"
    with zipfile.ZipFile(downloads.write("all", {"a.csv": b"1", "b.csv": b"2"})) as archive:
        assert archive.read("b.csv") == b"2"


def test_a_click_marks_a_position_or_picks_a_head_and_a_frame_asks_for_its_tokens():
    def event(**told):
        return gr.EventData(target=None, _data=told)

    mark, *rest = diagnostics.pick(4, event(position=12.0, layer=None, head=None))
    assert mark == "12"
    assert all(isinstance(update, dict) for update in rest)  # skipped
    assert diagnostics.pick(4, event(position=None, layer=1, head=3))[1:] == ["1", "3", 5]
    assert diagnostics.zoom("", "", 0, event(queries=[5, 9], keys=[1, 7])) == ["5:9", "1:7", 1]
    assert diagnostics.zoom("5:9", "1:7", 1, event(queries=None, keys=None)) == ["", "", 2]
    assert all(isinstance(update, dict) for update in diagnostics.zoom("", "", 0, event(queries=None, keys=None)))


def test_choices_in_an_address_are_read_or_refused(monkeypatch):
    warned = []
    monkeypatch.setattr(gr, "Warning", lambda text, title: warned.append(text))
    controls = build_choices(PANELS["logits"])
    good = {"layers": "0-2", "mark": "9", "axes": "3", "projection": "umap", "smoothing": "5", "queries": "1:9"}
    found = restored(views(controls), good)
    assert {name: found[controls[name]] for name in good} == {**good, "axes": 3, "smoothing": 5}
    bad = {"layers": "x", "axes": "7", "projection": "<b>", "smoothing": "0", "queries": "9", "mark": "-1"}
    assert restored(views(controls), bad) == {}
    assert len(warned) == len(bad)
    assert not any("<b>" in text for text in warned)
    assert controls["layers"].visible
    assert not controls["axes"].visible


def test_fields_of_other_panels_do_not_matter():
    values = choices(layers="nonsense", mark="3")
    assert read_choice(PANELS["nll"], values).mark == 3
    with pytest.raises(LongSightError, match="2 choices were given"):
        read_choice(PANELS["nll"], [1, 2])
