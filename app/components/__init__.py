"""Pieces of the page in gradio and JavaScript that know nothing of methods."""
