"""The longest text that a method sees whole."""

import pytest

from analysis.evaluation.limits import sight
from longsight.methods import METHODS
from tests.longsight import tiny


@pytest.mark.parametrize("key", METHODS)
def test_sight_is_the_longest_text_seen_whole(key):
    for method in tiny.spread(key, 12):
        expected = None
        for n in range(1, 150):
            visible = method.visible(*(tiny.torch.tensor(x) for x in (n - 1, list(range(n)))))
            if method.retrieval is not None:
                visible |= method.retrieval.fetchable(tiny.torch.tensor(n - 1), tiny.torch.arange(n))
            if method.keeps(n) < n or not visible.all():
                break
            expected = n
        assert sight(method, 149) == (None if expected == 149 else expected)
