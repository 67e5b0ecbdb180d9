"""One class and one registration, and a method is in the library, the maps, the page, the README and the matrix."""

import importlib.util
from pathlib import Path

import gradio as gr
import pytest
import torch

from analysis import runs
from analysis.diagnostics.distance_map import distance_figure, distance_map
from analysis.drawing import palette
from app.panels import method_controls
from app.session import side_by_side
from docs.readme import methods_table
from longsight import doctor
from longsight.generation.decode import Sampling, decode
from longsight.generation.patching import patch
from longsight.generation.prefill import prefill
from longsight.methods import METHODS
from tests.longsight import tiny
from tests.longsight.matrix import cell, variants
from tests.longsight.toy import BlindSpot

TOY = BlindSpot(near=8, far=20)


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    monkeypatch.setitem(METHODS, BlindSpot.key, BlindSpot)


def test_the_engine_runs_it_by_its_key(grouped):
    method = grouped.method("blind-spot", 100)
    assert method == BlindSpot(near=16, far=32)
    text = tiny.ids(70)
    torch.testing.assert_close(grouped.logits(text, method, 9), cell.defined(grouped, text, method), atol=1e-4, rtol=0)
    answer = list(decode(grouped, prefill(grouped, text, method), Sampling(max_new_tokens=5, stop=frozenset())))
    new = patch(tiny.hf(), method).generate(text[None], max_new_tokens=5, do_sample=False, eos_token_id=-1)[0, 70:]
    assert new.tolist() == answer


@pytest.mark.parametrize("name", variants.SEAMS)
def test_the_matrix_machinery_holds_it_to_the_definition(name):
    cell.check(name, TOY)


def test_its_distance_map_shows_the_blind_spot():
    record = distance_map(TOY, 40, 16)
    d = record.distance
    assert (record.visible == ((d >= 0) & ((d < 8) | (d >= 20)))).all()
    assert (record.bands, record.parameters["near"]) == (("near", "far"), 8)
    assert distance_figure(record).data


def test_the_page_offers_it_and_makes_controls_of_its_fields(grouped):
    with gr.Blocks():
        controls = method_controls.build_method_controls()
    assert ("Blind spot", "blind-spot") in controls.slots[0].picker.choices
    updates = controls.show(grouped, side_by_side.pinned(grouped, [TOY], 100), 100).values()
    updates = [update.constructor_args for update in updates if isinstance(update, gr.Number)]
    shown = {u["label"]: (u["value"], u["info"]) for u in updates if u["visible"]}
    assert shown["near [tokens]"] == (8, "How many recent tokens a query sees, itself included.")
    assert shown["far [tokens]"] == (20, "From how many tokens back on it sees again.")
    line = runs.write(grouped, [TOY], 100)
    assert line == "blind-spot:near=8,far=20"
    assert runs.read(grouped, line, 100) == [TOY]


def test_it_has_a_look_of_its_own():
    looks = {(palette.colour(key), palette.dash(key)) for key in METHODS}
    assert len(looks) == len(METHODS)


def test_readme_and_doctor_name_it(grouped):
    assert (
        "| **Blind spot**, nobody, never | `blind-spot` | d < near or d >= far | d | `near`, `far` |" in methods_table()
    )
    assert doctor.method_line(grouped, "blind-spot").split()[:2] == ["Blind", "spot"]


def test_it_meets_the_matrix_without_an_edit():
    """The matrix, imported anew while the registration is all that is new."""
    spec = importlib.util.spec_from_file_location("matrix_anew", Path(cell.__file__).with_name("test_matrix.py"))
    matrix = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(matrix)
    test = matrix.test_every_way_of_reading_is_the_definition
    (cells,) = (mark.args[1] for mark in test.pytestmark)
    assert {name for name, key in cells if key == "blind-spot"} >= set(variants.ATTENTIONS)
    for name in ("gptj", "bloom"):
        test(name, "blind-spot")
