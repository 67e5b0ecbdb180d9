"""Requests that no page sends: a value that its control cannot hold gets a sentence, and what a client says of a click
is taken for what it is, anything."""

import html
from collections.abc import Mapping
from typing import Any

import gradio as gr
from gradio.blocks import Block, BlockFunction
from gradio.exceptions import ComponentProcessingError, InvalidPathError
from gradio_client.utils import is_file_obj_with_meta, is_http_url_like, traverse

UNHELD = "This request holds a value that no control of the page sends."
LARGEST = 2**53  # up to here the numbers of JavaScript are whole
MOST_SAID = 300  # characters of what Gradio says of a value, which it quotes
ODD = (ComponentProcessingError, InvalidPathError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError)
"""What Gradio raises while it reads the values of a request, if not a sentence of its own."""


class CheckedBlocks(gr.Blocks):
    """`gr.Blocks` whose callers hear of a value that cannot be, where Gradio would log a fault of the server."""

    async def preprocess_data(self, block_fn: BlockFunction, inputs: list[Any], *args: Any, **options: Any) -> Any:
        lists = [block for block, value in zip(block_fn.inputs, inputs, strict=False) if isinstance(value, list)]
        if any(map(_takes_one, lists)):  # how many inputs there are is checked by Gradio
            raise _refused(UNHELD)
        try:
            traverse(inputs, _check_uploaded, is_file_obj_with_meta)
            return await super().preprocess_data(block_fn, inputs, *args, **options)
        except gr.Error as problem:
            raise _refused(str(problem.message)) from problem
        except ODD as problem:
            raise _refused(UNHELD) from problem


def _takes_one(block: Block) -> bool:
    """Whether it is a dropdown with one choice: Gradio hands on any list of its choices, also an empty one."""
    return isinstance(block, gr.Dropdown) and not block.multiselect


def _check_uploaded(file: dict[str, Any]) -> dict[str, Any]:
    """Raise for a file that Gradio would fetch from elsewhere."""
    if is_http_url_like(file["path"]):
        raise _refused("A file is uploaded here, not fetched from an address; upload it first.")
    return file


def _refused(sentence: str) -> gr.Error:
    return gr.Error(html.escape(sentence[:MOST_SAID]), title="Not possible", print_exception=False)


def told(event: gr.EventData) -> Mapping[str, Any]:
    """What a client says of an event, by name; nothing where that is no mapping."""
    return event._data if isinstance(event._data, dict) else {}


def whole(given: Any) -> int | None:
    """A number that a client gave, cut to a whole one; None for everything else."""
    if isinstance(given, bool) or not isinstance(given, int | float) or given != given or abs(given) > LARGEST:
        return None
    return int(given)


def span(given: Any) -> str:
    """A range that a client gave, as `100:200`; empty for everything else."""
    ends = [whole(end) for end in given] if isinstance(given, list) and len(given) == 2 else [None]
    return "" if None in ends else "{}:{}".format(*ends)
