"""Diagnostics: what is measured while a model reads a text, and the figures drawn of it."""
