"""Probes: what is measured while a model reads a text, several at once, in one forward pass."""
