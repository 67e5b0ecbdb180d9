"""What every panel of the page is given: the parts that are shared by all of them."""

from dataclasses import dataclass

import gradio as gr

from app.panels.context import ContextPanel
from app.panels.method_controls import MethodControls


@dataclass(frozen=True)
class Shell:
    """The model, the visitor's `Visit`, the methods with their parameters, and the document.

    `speed` changes when a model has been measured on this machine: whoever says how long something takes listens to it.
    """

    model: gr.Dropdown
    session: gr.State
    methods: MethodControls
    context: ContextPanel
    speed: gr.Textbox
