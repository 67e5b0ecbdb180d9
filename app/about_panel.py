"""What this page is, in a minute."""

import html
from pathlib import Path

import gradio as gr

from analysis.figures import palette
from app.permalink import View
from engine.methods import METHODS

TEXT = (Path(__file__).parent / "about.md").read_text(encoding="utf-8")


def build_about() -> list[View]:
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
