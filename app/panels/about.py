"""What this page is, in a minute."""

import html
from importlib.resources import files

import gradio as gr

from analysis.drawing import palette
from app.components.glossary import explained, glossary_list
from app.components.permalink import LinkedControl
from app.panels.method_head import source
from longsight.methods import METHODS

TEXT = (files(__package__) / "about.md").read_text(encoding="utf-8")


def build_about() -> list[LinkedControl]:
    gr.Markdown(TEXT, elem_classes="about")
    gr.HTML(methods_table())
    gr.HTML(f"<h2>Words</h2>{glossary_list()}", elem_classes="about")
    return []


def methods_table() -> str:
    """All methods, from their own descriptions, with links to papers and to their authors' code."""
    rows = "".join(
        f'<tr><td><i class="dot" style="--method:{palette.colour(key)}"></i>{html.escape(method.title)}</td>'
        f"<td>{explained(method.summary)}<small>{source(method)}</small></td></tr>"
        for key, method in METHODS.items()
    )
    head = "<thead><tr><th>Method</th><th>What it does, and where it is from</th></tr></thead>"
    return f'<table class="methods">{head}{rows}</table>'
