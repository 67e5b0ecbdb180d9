"""What this page is, in a minute."""

import html
from importlib.resources import files

import gradio as gr

from analysis.drawing import palette
from app.components.permalink import LinkedControl
from longsight.methods import METHODS

TEXT = (files(__package__) / "about.md").read_text(encoding="utf-8")


def build_about() -> list[LinkedControl]:
    gr.Markdown(TEXT, elem_classes="about")
    gr.HTML(methods_table())
    return []


def methods_table() -> str:
    """All methods, from their own descriptions."""
    rows = "".join(
        f'<tr><td><i class="dot" style="--method:{palette.colour(key)}"></i>{html.escape(method.title)}</td>'
        f"<td>{html.escape(method.summary)}</td><td>{html.escape(method.paper)}</td></tr>"
        for key, method in METHODS.items()
    )
    head = "<thead><tr><th>Method</th><th>What it does</th><th>Source</th></tr></thead>"
    return f'<table class="methods">{head}{rows}</table>'
