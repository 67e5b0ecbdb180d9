"""The diagnostics without a browser: requests checked, runs step by step, what was measured before, files."""

import json

import gradio as gr
import pytest

from analysis.diagnostics.logits import LogitRecord
from analysis.diagnostics.panels import PANELS
from analysis.export.files import FORMATS, from_npz
from app.components.permalink import restored
from app.panels import diagnostics
from app.panels.option_controls import KINDS, build_options, read_options, views
from app.session import document_loading, estimate, measurements, running, samples
from app.session.device_sharing import line_of
from app.session.documents import at_once
from app.session.sessions import Session
from longsight.errors import LongSightError
from longsight.methods import METHODS
from tests.app.conftest import others_at
from tests.app.panels.test_method_controls import values_of

DEFAULTS = {"smoothing": 64, "projection": "pca", "axes": 2, "starting": 10}
LENGTH = 90


@pytest.fixture(autouse=True)
def fresh():
    measurements.result_cache.clear()


@pytest.fixture
def reader(session, model, document):
    list(document_loading.take_steps(session, model, at_once(lambda: document)))
    return session


@pytest.fixture(scope="module")
def panel(shared):
    return diagnostics.build_panel(shared)


def options(**values):
    return {name: {**DEFAULTS, **values}.get(name, "") for name in KINDS}


@pytest.fixture
def asked(model, reader):
    """The values of all controls, as the page sends them."""

    def values(panel="logits", length=LENGTH, others=(), methods=None, session=reader, **chosen):
        methods = methods or [METHODS["vanilla"](), METHODS["window"](window=16)]
        whole = document_loading.target_length(session, model)
        shared = ["tiny", session, *values_of(model, methods, whole)]
        return [panel, length, list(others), *options(**chosen).values(), *shared]

    return values


def last(steps):
    *_, end = steps
    return end


@pytest.mark.parametrize("key", PANELS)
def test_every_panel_runs_to_its_end_and_is_there_at_once_the_next_time(model, reader, panel, asked, key):
    values = asked(key)
    boards = [updates[panel.board] for updates in panel.measure(*values) if panel.board in updates]
    assert boards
    assert boards[-1]["columns"] == 2
    drawn = [figure["name"] for figure in boards[-1]["figures"]]
    assert drawn
    assert all(json.loads(figure["json"])["data"] for figure in boards[-1]["figures"])
    same = panel.show(*values)
    assert "measured" in same[panel.run.status]
    assert panel.board not in same  # it stands there already
    reader.measurement = None  # as on another page with the same text
    updates = panel.show(*values)
    assert set(updates) == set(panel.shown)
    assert "measured" in updates[panel.run.status]
    assert updates[panel.sides].count('data-state="done"') == 2
    assert [figure["name"] for figure in updates[panel.board]["figures"]] == drawn
    assert not line_of(model.device).busy


@pytest.mark.parametrize("key", PANELS)
def test_one_method_stands_beside_itself_with_other_parameters(reader, panel, asked, key):
    methods = [METHODS["self-extend"](group=group, window=16) for group in (2, 8)]
    end = last(panel.measure(*asked(key, methods=methods, layers="1", heads="0")))
    assert all(f"<b>SelfExtend G={group} (group={group}, window=16)</b>" in end[panel.sides] for group in (2, 8))
    board = end[panel.board]
    names = [figure["name"] for figure in board["figures"]]
    assert len(set(names)) == len(names)
    single = [figure["name"] for figure in board["figures"] if not figure["wide"]]
    if key in names:  # both in one figure
        [figure] = board["figures"]
        entries = [trace for trace in json.loads(figure["json"])["data"] if trace.get("showlegend") is not False]
        colours = {trace["name"]: trace["line"]["color"] for trace in entries}
        assert colours["SelfExtend G=2"] != colours["SelfExtend G=8"]
    else:
        assert {f"{name}-2" for name in single if name.endswith("self-extend")} <= set(single) != set()
    files = list(measurements.files("json", reader)[1])
    firsts = [name for name in files if "self-extend." in name]
    assert {*firsts, *(name.replace(".json", "-2.json") for name in firsts)} == set(files)


def test_the_text_is_coloured_for_each_method_and_the_marked_token_is_named(panel, asked):
    last(panel.measure(*asked("nll")))
    shown = panel.show(*asked("nll", mark="7"))[panel.board]
    assert [text["title"] for text in shown["texts"]] == ["Vanilla", "Window (window=16)"]
    assert 'data-position="7"' in shown["texts"][0]["html"]
    assert shown["note"].startswith("Marked: position 7, '")


def test_a_panel_shows_the_controls_that_it_reads(panel, asked):
    for key, opened in PANELS.items():
        updates = panel.show(*asked(key))
        visible = {name for name, control in panel.options.items() if updates[control]["visible"]}
        assert visible == set(opened.reads) & set(KINDS)
        assert opened.look.split(".")[0].replace("'", "&#x27;") in updates[panel.lead]
        assert "90 tokens with 2 methods" in updates[panel.run.status]


def test_several_texts_are_shown_where_the_panel_can(panel, asked):
    other = next(iter(samples.samples()))
    values = asked("clusters", others=[other])
    *_, board = [updates[panel.board] for updates in panel.measure(*values) if panel.board in updates]
    names = {trace.get("name") for trace in json.loads(board["figures"][0]["json"])["data"]}
    assert {"grass.txt, first tokens", "The papers' pass key te…, others"} <= names
    assert "2 texts of up to 90 tokens" in measurements.plan(panel.request(panel.read(*values)))


def test_stop_marks_the_methods_and_keeps_nothing(model, reader, monkeypatch, panel, asked):
    monkeypatch.setattr(measurements, "PAUSE", 0)
    steps = panel.measure(*asked(length=400))
    first = next(steps)
    assert 'data-state="working"' in first[panel.sides]
    running.stop(reader)
    end = last(steps)
    assert end[panel.sides].count('data-state="stopped"') == 2
    assert measurements.result_cache.nbytes == 0
    assert not line_of(model.device).busy
    assert not reader.busy.locked()


def test_stop_while_waiting_for_another_visitor_ends_the_waiting(model, reader, monkeypatch, panel, asked):
    with others_at(model.device):
        steps = panel.measure(*asked())
        assert "sharing the device with another visitor" in next(steps)[panel.run.status]
        running.stop(reader)
        assert last(steps)[panel.sides].count("stopped before it began") == 2
    assert not reader.busy.locked()


def test_opening_another_panel_ends_the_run(model, panel, asked):
    steps = panel.measure(*asked(length=400))
    next(steps)
    panel.show(*asked("nll"))
    assert all(updates == {} for updates in steps)
    assert not line_of(model.device).busy


def test_parameters_follow_the_length_that_is_looked_at_unless_they_were_set(model, reader, panel, asked):
    values = [*asked()[:-1], "self-extend;window:window=7"]
    request = panel.request(panel.read(*values))
    fitted = model.method("self-extend", LENGTH)
    assert fitted != model.method("self-extend", document_loading.target_length(reader, model))
    assert tuple(run.method for run in request.runs) == (fitted, METHODS["window"](window=7))
    said = f"fitted to {LENGTH} tokens: SelfExtend group {fitted.group}, window {fitted.window}"
    assert said in panel.show(*values)[panel.run.status]
    assert said in last(panel.measure(*values))[panel.run.status]
    assert said in panel.show(*values)[panel.run.status]
    assert "fitted" not in panel.show(*asked())[panel.run.status]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"panel": "magic"}, "There is no panel 'magic'; there are logits, entropy"),
        ({"length": 3}, "The length must be a whole number of tokens from 8 to 131,072, but 3 was given."),
        ({"length": 10**9}, "but 1,000,000,000 was given"),
        ({"length": 8.5}, "but 8.5 was given"),
        ({"length": None}, "but nothing was given"),
        ({"length": float("nan")}, "but nan was given"),
        ({"length": "9"}, "but '9' was given"),
        ({"layers": "x"}, "Layers must give a whole number, but 'x'"),
        ({"layers": 7}, "Layers must be a text of at most 200 characters"),
        ({"layers": "1," * 200}, "Layers must be a text of at most 200 characters"),
        ({"panel": "nll", "smoothing": 0}, r"Smoothing \[tokens\] must be a whole number from 1 to 65,536, but 0"),
        ({"panel": "nll", "smoothing": None}, "must be a whole number from 1 to 65,536, but nothing"),
        ({"panel": "nll", "smoothing": float("inf")}, "but inf was given"),
        ({"panel": "nll", "smoothing": 1.5}, "but 1.5 was given"),
        ({"panel": "clusters", "axes": 9}, "Dimensions must be 2 or 3, but '9'"),
        ({"panel": "clusters", "projection": "tsne"}, "Projection must be pca or umap, but 'tsne'"),
        ({"panel": "clusters", "others": ["../x"]}, "There is no example document '../x'"),
        ({"panel": "attention", "queries": "5"}, "Queries must give a range such as 100:200, but '5'"),
        (
            {"panel": "attention", "queries": "5:9", "keys": "1:7"},
            "Queries and Keys: of one head's map; choose one",
        ),
        (
            {"panel": "attention", "keys": "1:7", "layers": "0", "heads": "0-1"},
            "Keys: of one head's map; choose one",
        ),
    ],
)
def test_values_of_a_raw_call_are_checked_and_nothing_is_held(reader, changed, said, panel, asked):
    with pytest.raises(LongSightError, match=said):
        list(panel.measure(*asked(**changed)))
    assert not reader.busy.locked()


def test_without_a_document_there_is_one_sentence(panel, asked):
    values = asked(session=Session())
    assert "There is no text yet" in panel.show(*values)[panel.run.status]
    with pytest.raises(LongSightError, match="There is no text yet"):
        list(panel.measure(*values))


def test_a_text_that_does_not_fit_fails_before_it_is_read(monkeypatch, panel, asked):
    monkeypatch.setattr(estimate, "SHARE", 0)
    end = last(panel.measure(*asked()))
    assert end[panel.sides].count('data-state="failed"') == 2
    assert "need a cache of" in end[panel.sides]


def test_what_was_never_measured_shows_how_to_begin(panel, asked):
    first = panel.show(*asked("entropy"))
    assert "Press Run" in first[panel.board]["note"]
    again = panel.show(*asked("entropy"))
    assert panel.board not in again  # what stands on the board stays


def test_another_model_brings_its_own_example_or_none_and_leaves_what_was_measured(panel, asked, reader):
    first = panel.change_model(diagnostics.FIRST, "rope-small", reader)[panel.board]
    assert first["figures"]
    assert "recorded with rope-small" in first["note"]
    for key, name in ((diagnostics.FIRST, "tiny"), ("entropy", "rope-small")):
        assert panel.change_model(key, name, reader)[panel.board]["figures"] == []
    last(panel.measure(*asked()))
    assert panel.change_model(diagnostics.FIRST, "rope-small", reader) == gr.skip()


def test_records_are_saved_in_every_format(reader, panel, asked):
    with pytest.raises(LongSightError, match="Nothing has been measured yet; press Run first"):
        measurements.files("npz", reader)
    last(panel.measure(*asked()))
    for kind in FORMATS:
        name, files = measurements.files(kind, reader)
        assert name == "longsight-logits"
        assert list(files) == [f"logits-vanilla.{kind}", f"logits-window.{kind}"]
    assert from_npz(LogitRecord, measurements.files("npz", reader)[1]["logits-window.npz"]).n == LENGTH
    with pytest.raises(LongSightError, match="There is no format 'xls'"):
        measurements.files("xls", reader)
    reader.let_go("It had to go.")
    assert reader.measurement is None


def test_a_page_that_is_loaded_again_shows_what_was_measured(reader, panel, asked):
    last(panel.measure(*asked()))
    assert panel.board not in panel.show(*asked())  # it is there
    measurements.result_cache.clear()
    again = Session()
    again.take_over(reader)
    told = panel.show(*asked(session=again))
    assert told[panel.run.status] == diagnostics.MEASURED
    assert [figure["name"] for figure in told[panel.board]["figures"]] == ["logits"]
    assert told[panel.sides].count('data-state="done"') == 2


def test_a_click_marks_a_position_or_enlarges_a_map_and_a_frame_asks_for_its_tokens(panel):
    def event(**told):
        return gr.EventData(target=None, _data=told)

    of, again = panel.options, panel.again
    assert panel.pick("", event(position=12.0, layer=None, head=None)) == {of["mark"]: "12"}
    assert panel.pick("", event(position=None, layer=None, head=None)) == gr.skip()
    assert panel.pick("", event(position=None, layer=1, head=3)) == {of["enlarged"]: "1.3"}
    assert panel.pick("1.3", event(position=None, layer=1, head=3)) == {of["enlarged"]: ""}, "and back"
    framed = {of["queries"]: "5:9", of["keys"]: "1:7", again: 1}
    assert panel.zoom("", "", "", 0, event(queries=[5, 9], keys=[1, 7])) == framed
    of_one = {of["layers"]: "1", of["heads"]: "3", of["enlarged"]: ""}
    assert panel.zoom("", "", "1.3", 0, event(queries=[5, 9], keys=[1, 7])) == framed | of_one
    whole = {of["queries"]: "", of["keys"]: "", again: 2}
    assert panel.zoom("5:9", "1:7", "", 1, event(queries=None, keys=None)) == whole
    assert panel.zoom("", "", "", 0, event(queries=None, keys=None)) == gr.skip()


def test_a_map_is_enlarged_without_reading_again(reader, panel, asked, monkeypatch):
    last(panel.measure(*asked("attention")))
    monkeypatch.setattr(measurements.comparing, "compare_steps", lambda *given: pytest.fail("read again"))
    measurements.result_cache.clear()
    told = panel.show(*asked("attention", enlarged="1.0"))
    names = [figure["name"] for figure in told[panel.board]["figures"]]
    assert [name for name in names if name.startswith("enlarged")] == ["enlarged-vanilla", "enlarged-window"]
    assert "overview-vanilla" in names, "what was there stays"
    assert told[panel.run.status].startswith(diagnostics.MEASURED)


def test_options_in_an_address_are_read_or_refused(monkeypatch):
    warned = []
    monkeypatch.setattr(gr, "Warning", lambda text, title: warned.append(text))
    controls = build_options(PANELS["logits"])
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
    assert read_options(PANELS["nll"], options(layers="nonsense", mark="3")).mark == 3
