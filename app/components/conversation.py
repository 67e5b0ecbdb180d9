"""The conversation on the page: a question, and under it one answer per method, side by side.

The texts reach the page as data and become text nodes there: nothing that a visitor or a model writes is ever markup.
"""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import gradio as gr

DRAW = (files(__package__) / "conversation.js").read_text(encoding="utf-8")
TEMPLATE = '<div class="conversation" role="log" aria-live="polite" tabindex="0"></div>'


def conversation(value: Mapping[str, Any], **options: Any) -> gr.HTML:
    """Shows what `answer_view.conversation` returns; while an answer streams in, only what has changed is touched.

    Triggers `accept` when another question has been accepted.
    """
    return gr.HTML(value, html_template=TEMPLATE, js_on_load=DRAW, **options)
