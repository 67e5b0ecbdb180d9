"""The conversation on the page: a question, and under it one answer per method, side by side.

The texts reach the page as data and become text nodes there: nothing that a visitor or a model writes is ever markup.
"""

from pathlib import Path
from typing import Any

import gradio as gr

DRAW = (Path(__file__).parent / "conversation.js").read_text(encoding="utf-8")
TEMPLATE = '<div class="conversation" role="log" aria-live="polite" tabindex="0"></div>'


def conversation(value: dict[str, Any], **options: Any) -> gr.HTML:
    """Shows what `app.cells.conversation` returns; while an answer streams in, only what has changed is touched.

    Triggers `accept` when another question has been accepted.
    """
    return gr.HTML(value, html_template=TEMPLATE, js_on_load=DRAW, **options)
