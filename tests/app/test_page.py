"""The page as a whole: it builds, opens as its address says, and translates errors in one place."""

import os
import re
import runpy
import subprocess
import sys

import gradio as gr
import pytest
import torch

from analysis.evaluation.tasks.texts import PAPER
from app import page, serving
from app.components import errors, theme
from app.panels import about, maps
from app.session import model_catalogue, side_by_side
from app.session.samples import sample
from app.session.sessions import Session
from longsight.errors import LongSightError
from longsight.models.model import adopt
from tests.app.conftest import save_model
from tests.conftest import ROOT
from tests.longsight.matrix import variants


@pytest.fixture
def warned(monkeypatch):
    texts = []
    monkeypatch.setattr(gr, "Warning", lambda text, title: texts.append(text))
    return texts


def _named(updates):
    return {component.elem_id or type(component).__name__: update for component, update in updates.items()}


def callback(demo, name):
    """The callback of the page that has this qualified name."""
    return next(fn.fn for fn in demo.fns.values() if fn.fn and fn.fn.__qualname__ == name)


@pytest.fixture
def opened(model):
    """Opens the page with a query and returns what every component is told, by its elem_id, and the session."""
    demo = page.build_page()
    serving.watch_sessions(demo)
    opening, filling = callback(demo, "Page.open"), callback(demo, "Page.fill")

    def open_with(query, visit=""):
        request = gr.Request(session_hash="s1")
        request.query_params = query
        told = _named(opening(visit, request))
        for updates in filling(told["model"], told["State"], request):
            told |= _named(updates)
        return told

    return open_with


def test_the_script_gives_a_demo_from_any_folder_without_starting_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = runpy.run_path(str(ROOT / "app.py"), run_name="space_app")
    assert isinstance(found["demo"], gr.Blocks)


def test_the_reload_command_finds_the_script_and_not_the_package(tmp_path):
    code = (
        f"import os, runpy; runpy.run_path({str(ROOT / 'app.py')!r}, run_name='x'); "
        "print(os.environ['GRADIO_WATCH_MODULE_NAME'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True,
        env={**os.environ, "GRADIO_WATCH_MODULE_NAME": "app", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stdout.split()[-1] == "__main__"


def test_the_page_opens_with_the_first_example_and_the_first_methods(opened, model):
    told = opened({})
    assert told["example"] == "grass"
    assert side_by_side.keys(told["method-line"]) == list(page.FIRST_METHODS)
    assert "trained length <b>32</b>" in told["status"]
    assert "float32" not in told["status"]
    assert isinstance(told["State"], Session)


def test_a_short_number_format_is_named():
    model = adopt(variants.build("llama").to(torch.bfloat16))
    assert "</b> in bfloat16<" in page.status_line(model)


def test_layers_that_a_method_leaves_alone_are_named():
    model = variants.adopted("olmo3")
    said = "1 of 2 layers sees everything; 1 keeps its window of 7."
    assert said in page.status_line(model)
    assert said in maps.acting(model)
    assert maps.acting(variants.adopted("llama")) == ""


def test_the_page_opens_as_its_address_says(opened, warned):
    told = opened({"tab": "maps", "text": "none", "methods": "window:window=9;vanilla", "small": "12", "longest": "8"})
    assert told["tabs"].constructor_args["selected"] == "maps"
    assert told["method-line"] == told["method-draft"] == "window:window=9;vanilla"
    assert [told[f"method-{place}-picker"].value for place in (0, 1)] == ["window", "vanilla"]
    assert [told[f"method-{place}"].constructor_args["visible"] for place in range(3)] == [True, True, False]
    assert told["small"] == 12
    assert told["longest"] == 8
    assert told["example"] == "none"
    assert warned == []


def test_a_visit_goes_on_with_its_text_unless_the_address_asks_for_another(model, warned, document):
    demo = page.build_page()
    serving.watch_sessions(demo)

    def texts_after(before, query):
        """The texts of a visit with the text `before`: what it has after that address, and what its page shows."""
        session, request = Session(), gr.Request(session_hash="s1")
        session.take(before)
        request.query_params = query
        told = {}
        for updates in callback(demo, "Page.fill")("tiny", session, request):
            told |= _named(updates)
        return session.document, told["example"]

    grass, hound = sample("grass").document(), sample("hound").document()
    for query in ({}, {"text": "none"}):  # the address of a text of one's own, when it is loaded again
        assert texts_after(document, query) == (document, "none")
        assert texts_after(grass, query) == (grass, "grass")
    assert texts_after(grass, {"text": "grass"}) == (grass, "grass")
    assert texts_after(grass, {"text": "hound"}) == (hound, "hound")
    assert warned == []  # an example is still in the list
    assert texts_after(document, {"text": "hound"}) == (hound, "hound")
    assert texts_after(document, {"text": "cat"}) == (document, "none")
    assert warned == [
        f"The address asks for {hound.name}: it took the place of grass.txt; give that again to go on with it.",
        "The address asks for &#x27;cat&#x27;, which is not here; grass.txt is shown.",
    ]


@pytest.mark.parametrize(
    "query",
    [
        {"model": "<script>alert(1)</script>"},
        {"text": "../../../etc/passwd"},
        {"methods": "<img src=x>;vanilla"},
        {"methods": "self-extend:group=3,window=4"},
        {"small": "many"},
        {"tab": "<b>"},
        {"lengths": "64," * 1000},
    ],
)
def test_what_does_not_fit_in_an_address_is_left_out_and_said_so_as_text(opened, warned, query):
    told = opened(query)
    assert side_by_side.keys(told["method-line"]) == list(page.FIRST_METHODS)
    assert len(warned) == 1
    assert "<" not in warned[0]


def test_no_event_has_two_listeners_of_which_one_asks_again(model):
    """Gradio would ask all of them again, and two that miss each other go on without end."""
    listeners = {}
    for fn in page.build_page().fns.values():
        for target in fn.targets if fn.fn and fn.trigger_after is None else ():
            listeners.setdefault(target, []).append(fn.trigger_mode)
    assert [target for target, modes in listeners.items() if len(modes) > 1 and "always_last" in modes] == []


def test_plans_say_again_how_long_they_take_once_the_machine_is_measured(model, session):
    """Whoever forecasts may be asked before the machine has been measured, for all listen side by side."""
    demo = page.build_page()
    speed = next(block._id for block in demo.blocks.values() if block.elem_id == "speed")
    notes = {fn.outputs[0]._id for fn in demo.fns.values() if (speed, "change") in fn.targets}
    listening = [fn.fn for fn in demo.fns.values() if any((note, "change") in fn.targets for note in notes)]
    plan = listening[0]
    assert [fn.__qualname__ for fn in listening] == [
        "PasskeyPanel.plan", "DiagnosticsPanel.show", "OdometerPanel.plan", "EvaluateRun.plan"
    ]  # fmt: skip

    request = ["240", "0,100", 1, PAPER, 3, "own", "tiny", session, "vanilla"]
    assert _named(plan(*request))["passkey-status"] == "<span>2 trials</span>"
    costs = callback(demo, "ChatPanel.show_costs")
    assert _named(list(costs("tiny", session, "vanilla"))[-1])["speed"] == "tiny"
    assert "2 trials: " in _named(plan(*request))["passkey-status"]


def test_the_address_is_told_of_a_tab_before_anyone_who_asks_the_server(model):
    """Gradio does one listener after the other, and waits for the answer to each."""
    demo = page.build_page()
    tabs = {block._id for block in demo.blocks.values() if (block.elem_id or "").startswith("tab-")}
    first = {}
    for fn in demo.fns.values():
        for target in fn.targets:
            first.setdefault(target, fn)
    assert len(tabs) == len(page.TABS)
    assert all("longsight.set('tab'" in first[tab, "select"].js for tab in tabs)


def test_another_model_says_that_it_is_being_loaded_and_reads_the_same_document(
    model, monkeypatch, tmp_path, session, document
):
    save_model(tmp_path / "other", seed=2)
    monkeypatch.setenv(model_catalogue.NAMED, str(tmp_path / "other"))
    session.take(document)
    change_model = callback(page.build_page(), "Page.change_model")
    first, *_, last = map(_named, change_model("other", session))
    assert first == {"status": "<span>loading <b>other</b> …</span>"}
    assert "trained length" in last["status"]
    assert "grass.txt" in last["document"]
    assert len(session.tokens["other"]) > 0
    first, *_ = map(_named, change_model("other", session))
    assert "loading" not in first["status"]


def test_closing_the_page_ends_its_visit_and_no_other():
    with gr.Blocks() as demo:
        kept = gr.State(Session())
    serving.watch_sessions(demo)
    one, two = (demo.state_holder[name][kept._id] for name in ("s1", "s2"))
    page.close_page(demo, gr.Request(session_hash="s1"))
    assert (one.stop.is_set(), one.left) == (True, True)
    assert (two.stop.is_set(), two.left) == (False, False)


def test_a_listener_that_is_asked_again_says_what_is_wrong_and_does_not_fail(monkeypatch):
    noticed = []
    monkeypatch.setattr(gr, "Warning", lambda text, duration, title: noticed.append(text))

    @errors.for_visitor
    def refuses():
        raise LongSightError("2 > 1.")

    @errors.for_visitor
    def refuses_later():
        yield 1
        raise LongSightError("2 > 1.")

    assert errors.as_notice(refuses)() == gr.skip()
    assert list(errors.as_notice(refuses_later)()) == [1, gr.skip()]
    assert noticed == ["2 &gt; 1."] * 2


def test_nothing_the_page_loads_comes_from_elsewhere():
    options = serving.launch_options()
    looks = options["head"] + "".join(path.read_text(encoding="utf-8") for path in options["css_paths"])
    looks += str(options["theme"]._stylesheets)
    assert "http" not in looks.replace("http://www.w3.org", "")
    assert theme.PLOTLY_JS.exists()
    assert all((theme.STYLES / name).exists() for name in theme.FONT_RANGES)


def test_no_rule_of_the_style_sheet_is_taken_apart():
    """Gradio cuts selectors at every comma."""
    sheet = (theme.STYLES / "longsight.css").read_text(encoding="utf-8")
    selectors = re.findall(r"([^{}]+)\{", re.sub(r"(?s)/\*.*?\*/", "", sheet))
    assert [selector for selector in selectors if re.search(r"\([^()]*,", selector) and "@" not in selector] == []


def test_nothing_is_kept_in_the_visitors_browser_and_little_on_the_server():
    options = serving.launch_options()
    assert options["run_history"] is False
    assert options["ssr_mode"] is False
    assert options["state_session_capacity"] <= 500
    assert options["max_file_size"] == 20_000_000


def test_a_listener_notes_what_it_listens_to_also_where_it_is_no_input(model):
    """The text may get another length and leave the methods, which are all that the costs are told of, as they were."""
    fns = page.build_page().fns.values()
    noting = [fn for fn in fns if fn.fn is None and "JSON.stringify" in (fn.js or "")]
    assert noting
    for fn in noting:
        assert {target for target, event in fn.targets if event != "select"} <= {part._id for part in fn.inputs}


def test_every_callback_that_may_refuse_tells_the_visitor_so():
    """Those that are not `for_visitor` look nothing up."""
    bare = {fn.fn.__name__ for fn in page.build_page().fns.values() if fn.fn is not None and not marked(fn.fn)}
    assert bare <= {"<lambda>", "stop", "other_trial", "unload"}


def marked(callback):
    return hasattr(callback, "__wrapped__")


def test_boxes_hand_on_whatever_they_hold_so_that_what_cannot_be_gets_a_sentence_of_its_own(model):
    demo = page.build_page()
    numbers = [part for part in demo.blocks.values() if isinstance(part, gr.Number)]
    assert len(numbers) > 20
    for box in numbers:
        assert [box.preprocess(typed) for typed in (1.5, -(10**9), 10**9, None)] == [1.5, -(10**9), 10**9, None]
    listened = [target for fn in demo.fns.values() for target in fn.targets]
    lists = [part for part in demo.blocks.values() if isinstance(part, gr.Dropdown) and part.multiselect]
    assert {part.elem_id for part in lists} == {"evaluate-tasks", "diagnostics-others"}
    for part in lists:  # whoever empties a list at once, or by the keyboard, is no input to Gradio
        assert [event for block, event in listened if block == part._id and event != "change"] == []


def test_about_names_the_documents_of_the_project_and_each_is_there():
    named = re.findall(r"`([\w/-]+\.md)`", about.TEXT)
    assert len(named) > 5
    assert [name for name in named if not (ROOT / name).is_file()] == []
