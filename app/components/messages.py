"""Gradio's answers reach the page, whenever it asks; why that needs a script is said there."""

from importlib.resources import files

SCRIPT = (files(__package__) / "messages.js").read_text(encoding="utf-8")
