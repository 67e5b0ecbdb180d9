"""Figures: a record in, a plotly figure out. Pure: no files, no globals, no page."""
