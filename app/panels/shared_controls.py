"""What every panel of the page is given: the controls that are shared by all of them."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.panels.context import ContextPanel
from app.panels.method_controls import MethodControls


@dataclass(frozen=True)
class SharedControls:
    """The model, the visitor's `Session`, the methods with their parameters, and the document.

    `speed` changes when a model has been measured on this machine: whoever says how long something takes listens to it.
    """

    model: gr.Dropdown
    session: gr.State
    methods: MethodControls
    context: ContextPanel
    speed: gr.Textbox

    @property
    def inputs(self) -> list[Any]:
        """What every callback that computes needs besides the controls of its own panel."""
        return [self.model, self.session, self.methods.draft]
