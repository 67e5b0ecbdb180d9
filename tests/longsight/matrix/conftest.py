"""Texts here are short: what a CPU does to many queries and to wide windows is done to whole texts."""

import pytest

from longsight.attention import edges, fast
from tests.longsight.matrix.variants import TEXT


@pytest.fixture(autouse=True)
def _read_by_windows(monkeypatch):
    """Texts in one pass; chunks of them are few queries, so that they are masked."""
    monkeypatch.setattr(fast, "FEW", TEXT // 2)
    monkeypatch.setattr(edges, "NARROW", 0)
