"""Models: which families are understood, how their attention is replaced, and how they are loaded."""
