"""What every panel is given, without the rest of the page."""

from types import SimpleNamespace

import gradio as gr
import pytest

from app.panels.method_controls import build_method_controls
from app.panels.shared_controls import SharedControls


@pytest.fixture(scope="module")
def shared():
    with gr.Blocks():  # panels are built inside
        yield SharedControls(
            gr.Dropdown(["tiny"]), gr.State(), build_method_controls(), SimpleNamespace(length=gr.Number()),
            gr.Textbox(),
        )  # fmt: skip
