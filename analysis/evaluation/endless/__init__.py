"""A text without end, read by methods whose cache does not grow: perplexity, speed and memory at every position."""
