"""Files that are made when a visitor asks for them: a row of buttons, one for each format."""

import html
import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.processing_utils import save_bytes_to_cache
from gradio.utils import get_upload_folder

from analysis.export.files import FORMATS
from app.components.errors import for_visitor

SAVE = """(file) => {
  if (!file) return;
  const link = document.createElement('a');
  link.href = file.url;
  link.download = file.orig_name ?? '';
  link.click();
}"""
"""Run in the browser once the file is there."""


@dataclass(frozen=True)
class Downloads:
    """The row, its buttons by format, and the unseen one that carries the file to the browser."""

    row: gr.Row
    buttons: Mapping[str, gr.Button]
    carrier: gr.DownloadButton


def build_downloads(name: str, sentence: str, formats: Sequence[str] = tuple(FORMATS)) -> Downloads:
    """The buttons, by default those of records; their ids are NAME-FORMAT. `sentence` says what the files will hold."""
    with gr.Row(elem_classes="downloads", elem_id=f"{name}-downloads") as row:
        gr.HTML(f"<span>{html.escape(sentence)}</span>")
        buttons = {kind: gr.Button(kind.upper(), size="sm", scale=0, elem_id=f"{name}-{kind}") for kind in formats}
        carrier = gr.DownloadButton(visible="hidden", elem_id=f"{name}-file")
    return Downloads(row, buttons, carrier)


def wire_downloads(
    downloads: Downloads, make: Callable[..., tuple[str, Mapping[str, bytes]]], inputs: Sequence[Any]
) -> None:
    """Let each button save what `make(format, *values of inputs)` returns: a name for all, and files by name."""
    for kind, button in downloads.buttons.items():
        made = button.click(
            for_visitor(_maker(make, kind)), inputs, downloads.carrier, show_progress="minimal",
            show_progress_on=button, api_visibility="private",
        )  # fmt: skip
        made.success(None, downloads.carrier, None, js=SAVE, api_visibility="private")


def _maker(make: Callable[..., tuple[str, Mapping[str, bytes]]], kind: str) -> Callable[..., str]:
    return lambda *values: write(*make(kind, *values))


def write(name: str, files: Mapping[str, bytes]) -> str:
    """The path of one file as it is, or of several as NAME.zip, where Gradio serves it from and clears it up."""
    [(file, content)] = files.items() if len(files) == 1 else {f"{name}.zip": _zipped(files)}.items()
    return save_bytes_to_cache(content, file, get_upload_folder())


def _zipped(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()
