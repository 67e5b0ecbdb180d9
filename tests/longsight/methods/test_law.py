"""Every method on an exhaustive small grid: its bands state its law, and its law is that of the papers."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from longsight.methods import METHODS
from longsight.methods.bands import cache_footprint
from tests.longsight.methods.python_law import python_law
from tests.longsight.tiny import spread

N = 45
QUERY, KEY = torch.arange(N)[:, None], torch.arange(N)[None, :]


def first_or_recent(window, starting, i, j):
    return i - j < window or j < starting


def dual_chunk(m, i, j):
    size, farthest = (m.chunk - m.local, m.chunk) if m.local else (m.chunk, m.length - 1)
    ago = i // size - j // size
    if ago == 0:
        return i % size - j % size
    if ago == 1:
        return min(i % size + size, farthest) - j % size
    return (min(2 * size - 1, m.chunk) if m.local else m.length - 1) - j % size


def lampe(m, i, j):
    def mapped(x):
        return x * m.use // (m.length - 1)

    near = m.head - mapped(m.head) - 1
    farthest = max((x for x in range(m.tail, 3 * m.length) if mapped(x) == mapped(m.tail)), default=0)
    if i - j < m.head:
        return i - j
    if m.tail and i - j >= m.length - farthest:
        last = m.length - 1 - farthest
        return i - j - (last - mapped(last) - near)
    return mapped(i) - mapped(j) + near


def out_of_blocks(m, i, j):
    """InfLLM: key j is a starting token, or in no block that was whole when the queries around i began."""
    began, end = i - i % m.queries, m.starting
    while end + m.block + m.window <= began and end <= j:
        end += m.block
    return j < m.starting or j >= end


def window_begins(m, i):
    """ReAttention: the first recent key, l before the end of the block of queries."""
    n = i - i % m.queries + m.queries
    if n <= m.starting + m.local:
        return 0
    return n - (m.local - (m.align - (n - m.starting - m.local) % m.align))


def dpe(m, i, j):
    """One for each group of frequencies."""
    return [
        i - j if i - j < m.window else i // g - j // g + m.window - m.window // g for g in map(int, m.groups.split())
    ]


LAWS = {
    "vanilla": lambda m, i, j: i - j,
    "truncation": lambda m, i, j: i - j,
    "window": lambda m, i, j: i - j if i - j < m.window else None,
    "lambda": lambda m, i, j: i - j if first_or_recent(m.window, m.starting, i, j) else None,
    "ceiling": lambda m, i, j: min(i - j, m.ceiling),
    "lm-infinite": lambda m, i, j: min(i - j, m.ceiling) if first_or_recent(m.window, m.starting, i, j) else None,
    "self-extend": lambda m, i, j: (
        i - j if i - j < m.window else i // m.group - j // m.group + m.window - m.window // m.group
    ),
    "streaming-llm": lambda m, i, j: (
        i - j if i - j <= m.recent else min(i, m.sinks + m.recent) - j if j < m.sinks else None
    ),
    "rerope": lambda m, i, j: min(i - j, m.window),
    "leaky-rerope": lambda m, i, j: i - j if i - j < m.window else m.window + (i - j - m.window) / m.slope,
    "position-interpolation": lambda m, i, j: (i - j) / m.scale,
    "ntk": lambda m, i, j: i - j,
    "dynamic-ntk": lambda m, i, j: i - j,
    "yarn": lambda m, i, j: i - j,
    "dual-chunk": dual_chunk,
    "dpe": dpe,
    "duo": lambda m, i, j: i - j if set(m.heads) != {"0"} or i - j < m.window or j < m.starting else None,
    "lampe": lampe,
    "string": lambda m, i, j: i - j if i - j < m.shift else i - j - m.shift + m.local,
    "infllm": lambda m, i, j: min(i - j, m.window - 1) if i - j < m.window or out_of_blocks(m, i, j) else None,
    "composed": lambda m, i, j: python_law(m.rule, m.length, m.trained, i, j),
    "reattention": lambda m, i, j: i - j if j >= window_begins(m, i) else None,
}
"""(method, i, j) -> effective distance for i >= j, None where hidden, a list where groups of frequencies differ: the
table of the papers, in plain numbers."""

EXACT = 1e-6
"""Allowed difference of distances that are fractions [tokens]."""


def test_the_law_of_every_method_is_written_down_here():
    assert set(METHODS) <= set(LAWS), "state the law of a new method in LAWS, in plain numbers"


def distances(method):
    """The law on the grid (group, query, key); NaN where hidden."""
    visible = method.visible(QUERY, KEY).expand(N, N)
    told = method.distance(QUERY, KEY).expand(method.frequency_groups, N, N).double()
    return told.masked_fill(~visible, torch.nan)


def each_group(told):
    """A list, with what each group of frequencies is told; an empty one where the pair is hidden."""
    return told if isinstance(told, list) else [] if told is None else [told]


def same(a, b):
    return a.shape == b.shape and bool(((a - b).abs() < EXACT).logical_or(a.isnan() & b.isnan()).all())


@pytest.mark.parametrize("key", METHODS)
def test_visible_and_distance_are_those_of_the_paper_pair_by_pair(key):
    law = LAWS[key]
    for method in spread(key):
        hidden = [torch.nan] * method.frequency_groups
        cells = [[each_group(law(method, i, j)) if j <= i else hidden for j in range(N)] for i in range(N)]
        expected = torch.tensor([[told or hidden for told in row] for row in cells], dtype=torch.float64)
        assert same(distances(method), expected.movedim(-1, 0)), method.describe()


@pytest.mark.parametrize("key", METHODS)
def test_bands_are_disjoint_and_cover_exactly_what_is_visible(key):
    for method in spread(key):
        shown_by = sum(band.visible(QUERY, KEY).expand(N, N).long() for band in method.bands)
        assert torch.equal(shown_by, method.visible(QUERY, KEY).expand(N, N).long()), method.describe()


@pytest.mark.parametrize("key", METHODS)
def test_bands_give_the_distance_of_every_visible_pair(key):
    for method in spread(key):
        law = distances(method)
        for band in method.bands:
            shown = band.visible(QUERY, KEY).expand(N, N)
            told = band.distance(QUERY, KEY).expand_as(law).double()
            assert same(told[:, shown], law[:, shown]), f"{method.describe()}: {band.name}"


@pytest.mark.parametrize("key", METHODS)
def test_the_ends_of_every_band_only_move_forward(key):
    i = torch.arange(N)
    for method in spread(key):
        for band in method.bands:
            for end in (band.span.first(i), band.span.last(i)):
                assert bool((end.diff() >= 0).all()), f"{method.describe()}: {band.name}"


@pytest.mark.parametrize("key", METHODS)
def test_no_query_sees_the_future_and_each_sees_itself_at_distance_zero(key):
    for method in spread(key):
        assert not bool((method.visible(QUERY, KEY) & (KEY > QUERY)).any()), method.describe()
        assert bool((distances(method).diagonal(dim1=1, dim2=2) == 0).all()), method.describe()


@pytest.mark.parametrize("key", METHODS)
def test_a_distance_is_never_negative_and_never_beyond_the_true_one(key):
    for method in spread(key):
        if key == "dual-chunk" and method.length > 2 * method.chunk + 1:
            continue  # its older chunks stand at length - 1, wherever they are
        law = distances(method).nan_to_num(0)
        assert bool(((law >= 0) & (law <= (QUERY - KEY).clamp(min=0))).all()), method.describe()


@pytest.mark.parametrize("key", METHODS)
def test_one_pair_alone_is_answered_as_on_the_grid(key):
    for method in spread(key, 20):
        grid = method.visible(QUERY, KEY).expand(N, N)
        for i, j in [(0, 0), (20, 3), (20, 20), (44, 0), (3, 20)]:
            pair = torch.tensor(i), torch.tensor(j)
            assert bool(method.visible(*pair)) == bool(grid[i, j]), method.describe()
            if grid[i, j]:
                told = method.distance(*pair).expand(method.frequency_groups).double()
                assert torch.equal(told, distances(method)[:, i, j]), method.describe()


@pytest.mark.parametrize("key", METHODS)
def test_what_lasts_is_exactly_what_some_later_query_still_sees(key):
    """The ring that the cache keeps: everything in it may be seen again, nothing outside it ever is."""
    far = torch.arange(3 * N)
    for method in spread(key):
        starting, window = cache_footprint(method.bands)
        visible = method.visible(far[:, None], far[None, :])
        for length in (1, 10, N):
            later = visible[length - 1 :, :length].any(0)  # by the last query read or any after it
            kept = far[:length] < starting
            kept |= torch.ones_like(kept) if window is None else far[:length] >= length - window
            assert bool((kept | ~later).all()), method.describe()
        tight = method.retrieval is None  # blocks of keys and of queries that fetch together have no one border
        if tight and window is not None and 0 < starting + window < 2 * N:
            most = int(visible.sum(1).max())
            assert most == starting + window, f"{method.describe()} keeps more than any query sees"


@pytest.mark.parametrize("key", METHODS)
def test_the_law_holds_at_the_far_end_of_the_number_line(key):
    """Positions near 2e8: integer positions, so bands and law agree exactly there too."""
    base = 200_000_000
    i = torch.arange(base, base + 20)[:, None]
    j = torch.cat((torch.arange(12), torch.arange(base - 20, base + 20)))[None, :]
    for method in spread(key, 40):
        visible = method.visible(i, j).expand(20, 52)
        told = method.distance(i, j).expand(method.frequency_groups, 20, 52).double()
        for band in method.bands:
            shown = band.visible(i, j).expand(20, 52)
            assert same(band.distance(i, j).expand_as(told).double()[:, shown], told[:, shown]), method.describe()
        assert torch.equal(sum(b.visible(i, j).expand(20, 52).long() for b in method.bands), visible.long())


@pytest.mark.parametrize("key", METHODS)
def test_log_n_changes_no_logit_inside_the_trained_length_and_sharpens_those_after_it(key):
    """By ln(position) / ln(trained length), counted from 1, besides what a method does to logits everywhere."""
    i = torch.arange(500)
    for method in spread(key):
        scale, own = method.logit_scale(i), replace(method, log_n=0).logit_scale(i)
        if own is not None:
            assert bool((own == own[0]).all() & (own > 0).all()), method.describe()
        if method.log_n == 0:
            assert scale is None or torch.equal(scale, own), method.describe()
            continue
        expected = [max(1.0, math.log(n) / math.log(method.log_n)) for n in range(1, 501)]
        grown = torch.tensor(expected, dtype=torch.float64) * (1.0 if own is None else own)
        torch.testing.assert_close(scale, grown, msg=method.describe())
        assert torch.equal(scale[: method.log_n], grown[: method.log_n]), method.describe()


@pytest.mark.parametrize("key", METHODS)
def test_frequencies_stay_positive_and_none_is_raised(key):
    stock = 1 / 10_000 ** (torch.arange(0, 16, 2, dtype=torch.float64) / 16)
    for method in spread(key):
        for i in torch.tensor((0, 31, 32, 33, 5000)):
            length = method.length_at(i)
            changed = method.inv_freq(stock, length)
            assert changed.shape == stock.shape, method.describe()
            assert bool(((changed > 0) & (changed <= stock * (1 + 1e-9))).all()), f"{method.describe()} at {length}"


@pytest.mark.parametrize("key", METHODS)
def test_runs_cut_the_queries_exactly_where_their_frequencies_change(key):
    stock = 1 / 10_000 ** (torch.arange(0, 16, 2, dtype=torch.float64) / 16)
    i = torch.arange(20, 60)
    for method in spread(key, 40):
        runs = method.runs(i)
        assert [run.start for run in runs[1:]] == [run.stop for run in runs[:-1]]
        assert (runs[0].start, runs[-1].stop) == (0, len(i))
        for run in runs:
            lengths = {method.length_at(query) for query in i[run]}
            assert len(lengths) == 1, method.describe()
        rows = [method.inv_freq(stock, method.length_at(i[run.start])) for run in runs]
        assert not any(torch.equal(a, b) for a, b in pairwise(rows)), "two runs could be one"


def test_retrieval_fetches_every_hidden_key_of_the_past_and_no_other():
    fetching = [method for key in METHODS for method in spread(key) if method.retrieval is not None]
    assert fetching
    for method in fetching:
        middle = method.retrieval.fetchable(QUERY, KEY).expand(N, N)
        hidden = ~method.visible(QUERY, KEY).expand(N, N) & (KEY <= QUERY)
        assert torch.equal(middle, hidden), method.describe()
