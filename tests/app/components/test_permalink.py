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
    control = object()
    view = LinkedControl("small", control, int)
    assert permalink.restored([view], {"small": "7"}) == {control: 7}
    assert permalink.restored([view], {"other": "7"}) == {}
    assert permalink.restored([view], {"small": "<b>"}) == {}
    assert "&lt;b&gt;" in warned[0]
