"""Prefill, decode, prompts, prefixes read once, and the patch for `generate`."""
