"""Listening to controls of the page: called once whenever one of them has changed, whoever else listens to it."""

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from app.components.errors import as_notice

NOTED = "(...values) => JSON.stringify(values)"
NOTED_WHERE_OPEN = (
    "(...values) => document.getElementById({tab!r})?.checkVisibility()"
    " ? JSON.stringify([longsight.openings, ...values]) : undefined"
)
NOTED_AS_IT_OPENS = "(...values) => JSON.stringify([longsight.openings += 1, ...values])"


def when_changed(
    events: Sequence[Any],
    callback: Callable[..., Any],
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    tab: gr.Tab | None = None,
) -> Any:
    """Let any of `events` call `callback` with `inputs`, and again with the newest ones if they change meanwhile.

    Returns what follows it. Each listener has a hidden note of its own, and listens to that alone. Were several of them
    to listen to one event, Gradio would do them one after the other, and as soon as one was missed all of them again:
    two that miss each other go on calling themselves without end.

    What stands in a `tab` is called when that is opened, and from then on only while it is. The browser decides that at
    the moment of the change: told to the server, it would be told late, and what changes meanwhile would be nobody's.
    """
    note = gr.Textbox(visible="hidden", label="what was noted")
    changing = [event.__self__ for event in events]  # a text may get another length and leave every input as it was
    seen = [part for part in [*changing, *inputs] if not isinstance(part, gr.State)]  # a state stays on the server
    noted = NOTED if tab is None else NOTED_WHERE_OPEN.format(tab=tab.elem_id)
    gr.on(list(events), None, seen, note, js=noted, api_visibility="private")
    if tab is not None:
        tab.select(None, seen, note, js=NOTED_AS_IT_OPENS, api_visibility="private")
    return note.change(
        as_notice(callback), list(inputs), list(outputs), trigger_mode="always_last", show_progress="hidden",
        api_visibility="private",
    )  # fmt: skip
