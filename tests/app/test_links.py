"""Whatever an address says, each control then holds what its panel takes, and its address says the same again."""

import gradio as gr
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis.diagnostics.options import OPTIONS, PanelOptions
from analysis.diagnostics.panels import PANELS
from analysis.evaluation.tasks import TASKS
from app import page
from app.components import permalink
from app.panels.diagnostics import MOST_BESIDE
from app.panels.evaluate import opened
from app.panels.option_controls import KINDS
from app.session import distance_maps, evaluations, long_readings, measurements, passkey_grids, questions
from app.session.distance_maps import LENGTH, MOST_TOKENS, SMALL, SMALL_TRAINED
from app.session.passkey_grids import FILLERS, PROMPTS
from app.session.samples import sample, samples
from app.session.sessions import Session


def options(name):
    return lambda value: PanelOptions(**{name: KINDS[name].read(OPTIONS[name], value)})


def beside(keys):
    assert [sample(key).key for key in keys] == keys
    assert len(keys) <= MOST_BESIDE


def asked_of(name):
    """What the panel does with the value of a control when it is asked for anything."""
    checks = {
        "longest": questions.check_longest, "temperature": questions.check_temperature, "seed": questions.check_seed,
        "lengths": passkey_grids.read_lengths, "depths": passkey_grids.read_depths,
        "trials": passkey_grids.read_trials, "passkey-seed": passkey_grids.read_seed,
        "filler": passkey_grids.read_filler,
        "asked": passkey_grids.read_prompt, "panel": PANELS.__getitem__, "length": measurements.check_length,
        "beside": beside, "small": lambda value: distance_maps.check(LENGTH, value, SMALL),
        "trained": lambda value: distance_maps.check(LENGTH, value, SMALL_TRAINED),
        "tokens": lambda value: distance_maps.check(LENGTH, value, (0, MOST_TOKENS)),
        "group": distance_maps.check_group, "part": opened(Session()).known,
        "far": long_readings.check_tokens, "tasks": evaluations.read_tasks,
        "evaluate-lengths": passkey_grids.read_lengths, "evaluate-trials": passkey_grids.read_trials,
        "evaluate-seed": passkey_grids.read_seed,
    }  # fmt: skip
    return checks.get(name) or options(name)


def written(value):
    """What the browser writes: `String(value)`, and nothing for nothing."""
    text = ",".join(value) if isinstance(value, list) else str(value)
    return text.removesuffix(".0") if isinstance(value, float) else text


def joined(parts):
    return "".join(map(str, parts))


numbers = st.integers(-(2**70), 2**70) | st.integers(-5, 300) | st.floats() | st.sampled_from(["1e400", "٣", "1_0"])
lists = st.lists(st.integers(-2, 70_000), max_size=5).map(lambda found: ",".join(map(str, found)))
ranges = st.tuples(st.integers(-9, 999), st.sampled_from("-:, "), st.integers(-9, 999)).map(joined)
several = [",".join(samples()), "hound,grass,hound", ",".join(TASKS)]
words = st.sampled_from(["2", "3", *PANELS, *FILLERS, *PROMPTS, *samples(), *TASKS, *several, "pca", "umap"])
values = numbers.map(str) | lists | ranges | words | st.text(max_size=9) | st.text("0123456789,-: ", max_size=300)


@pytest.fixture
def views(model):
    demo = page.build_page()
    opening = next(fn.fn for fn in demo.fns.values() if getattr(fn.fn, "__qualname__", "") == "Page.open")
    return opening.__self__.views


def test_every_control_has_a_name_of_its_own(views):
    names = [view.name for view in views]
    assert len({*names, "tab", "model", "methods", "text"}) == len(names) + 4


def test_every_value_that_an_address_sets_is_one_that_its_panel_takes(views, monkeypatch):
    monkeypatch.setattr(gr, "Warning", lambda text, title: None)
    set_by_any = set()

    @settings(max_examples=400, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(values)
    def holds(text):
        for view in views:
            found = permalink.restored([view], {view.name: text})
            if view.control in found:
                set_by_any.add(view.name)
                value = found[view.control]
                asked_of(view.name)(view.control.preprocess(value))
                if written(value):
                    assert permalink.restored([view], {view.name: written(value)}) == found, (view.name, text)

    holds()
    assert set_by_any == {view.name for view in views}


def test_values_that_panels_refuse_are_left_out(views, monkeypatch):
    said = []
    monkeypatch.setattr(gr, "Warning", lambda text, title: said.append(text))
    refused = {
        "passkey-seed": str(2**40),
        "trials": "51",
        "beside": ",".join([*samples()][:4]),
        "length": "7",
        "tokens": "-1",
    }
    assert permalink.restored(views, refused) == {}
    assert len(said) == len(refused)
