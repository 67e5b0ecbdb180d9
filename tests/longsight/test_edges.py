"""Runs of queries, and the window that each run sees: exactly what the bands say."""

import pytest
import torch

from longsight.attention import edges
from longsight.attention.edges import Edges
from longsight.methods import METHODS
from longsight.methods.bands import Span, causal, recent
from tests.longsight.tiny import spread
from tests.varlen_reference import visible

TEXTS = {
    "from the beginning": (torch.arange(90), torch.arange(90)),
    "gone on with": (torch.arange(61, 90), torch.arange(90)),
    "a single query": (torch.arange(89, 90), torch.arange(90)),
    "after tokens were let go": (torch.arange(70, 101), torch.cat((torch.arange(5), torch.arange(40, 101)))),
}


def told(found, keys):
    """What is seen by the runs, (query, key)."""
    seen = torch.zeros(len(found.first), keys, dtype=torch.bool)
    for start, stop in zip(found.starts, [*found.starts[1:], len(seen)], strict=True):
        if (run := found.seen(slice(start, stop))) is not None:
            columns, window = run
            part = visible(stop - start, columns.stop - columns.start, window == (-1, 0), list(window))
            assert part.any(1).all(), "a query that sees nothing has a log-sum-exp that nothing can be merged with"
            seen[start:stop, columns] = part
    return seen


@pytest.mark.parametrize("key", METHODS)
@pytest.mark.parametrize("text", TEXTS)
def test_runs_see_what_every_band_of_every_method_shows(key, text):
    i, j = TEXTS[text]
    for method in spread(key, 12):
        for band in method.bands:
            found = Edges.of(band.span, i, j)
            assert torch.equal(told(found, len(j)), band.visible(i[:, None], j[None])), (method.describe(), band.name)


def test_a_run_may_be_cut_anywhere():
    """Where another band begins one."""
    i = torch.arange(50, 90)
    found = Edges.of(recent(20), i, torch.arange(90))
    assert found.starts == [0]
    assert found.seen(slice(0, 40)) == (slice(31, 90), (19, 0))
    assert found.seen(slice(7, 19)) == (slice(38, 69), (19, 0))
    assert found.seen(slice(7, 8)) == (slice(38, 58), (-1, -1))


def test_the_runs_of_a_window_are_its_triangle_and_the_rest():
    found = Edges.of(recent(20), *TEXTS["from the beginning"])
    assert found.starts == [0, 20]
    assert [found.seen(slice(0, 20)), found.seen(slice(20, 90))] == [
        (slice(0, 20), (-1, 0)), (slice(1, 90), (19, 0)),
    ]  # fmt: skip


@pytest.mark.parametrize(("step", "masks"), [(1, False), (100, False), (4, True)])
def test_where_ends_jump_too_often_a_mask_is_the_lesser_evil(step, masks):
    i = torch.arange(400)
    found = Edges.of(Span(torch.zeros_like, lambda i: i // step + 1), i, i)
    assert found.need_masks == masks
    assert Edges.of(causal(), i, i).starts == [0]
    assert len(i) > edges.SHORT * 3, "or the rule with long runs would not be told from the one with short runs"
