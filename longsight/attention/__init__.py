"""Exact banded attention: kernels, position encodings, the KV cache, and what is observed of it."""
