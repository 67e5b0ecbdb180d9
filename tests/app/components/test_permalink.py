"""What an address asks for was typed by anyone: it is read, or left out and said so."""

import gradio as gr
import pytest

from app.components import permalink
from app.components.permalink import LinkedControl


@pytest.fixture
def warned(monkeypatch):
    texts = []
    monkeypatch.setattr(gr, "Warning", lambda text, title: texts.append(text))
    return texts


def test_values_of_an_address_are_read_or_left_out(warned):
    control = gr.Number(precision=0)
    view = LinkedControl("small", control, int)
    assert permalink.restored([view], {"small": "7"}) == {control: 7}
    assert permalink.restored([view], {"other": "7"}) == {}
    assert permalink.restored([view], {"small": "<b>"}) == {}
    assert "&lt;b&gt;" in warned[0]


@pytest.mark.parametrize("text", ["nan", "-inf", "1e400", "-1", "12", "9" * 400])
def test_what_the_control_itself_would_not_hold_is_left_out(text, warned):
    assert permalink.restored([LinkedControl("x", gr.Slider(0, 11, 3), float)], {"x": text}) == {}
    assert permalink.restored([LinkedControl("x", gr.Number(minimum=0, maximum=11), float)], {"x": text}) == {}
    assert len(warned) == 2


def test_what_is_not_among_the_choices_is_left_out(warned):
    view = LinkedControl("x", gr.Dropdown(["a", "b"]), str)
    assert permalink.restored([view], {"x": "a"}) == {view.control: "a"}
    assert permalink.restored([view], {"x": "c"}) == {}
