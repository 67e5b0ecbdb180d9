"""Dual Chunk Attention as the paper's section 3 writes it: three rows of query positions and one of key positions."""

import pytest
import torch

from longsight.errors import LongSightError
from longsight.methods import METHODS

CASES = [(6, 8, 40), (4, 8, 33), (8, 8, 40), (1, 4, 12), (5, 6, 31)]
"""(chunk s, trained length c, tokens)"""


def matrix(s, c, n):
    """The paper's matrix M (n, n): P_q minus P_k, by which chunk the key lies in relative to the query's."""
    keys = [j % s for j in range(n)]
    intra = [i % s for i in range(n)]
    local = c - s  # how many positions of the next chunk are still distinct
    successive = [[*range(s, s + local), *[c - 1] * (s - local)][: max(s, 1)][i % s] for i in range(n)]
    inter = [c - 1] * n
    m = torch.zeros(n, n, dtype=torch.int64)
    for i in range(n):
        for j in range(i + 1):
            queries = {0: intra, 1: successive}.get(i // s - j // s, inter)
            m[i, j] = queries[i] - keys[j]
    return m


def distances(s, c, n):
    """What the method tells (n, n), 0 for keys to come."""
    i, j = torch.arange(n)[:, None], torch.arange(n)[None]
    return METHODS["dual-chunk"](chunk=s, length=c).distance(i, j).expand(n, n).tril()


@pytest.mark.parametrize(("s", "c", "n"), CASES)
def test_distances_are_the_matrix_of_the_paper(s, c, n):
    assert torch.equal(distances(s, c, n), matrix(s, c, n))


@pytest.mark.parametrize(("s", "c", "n"), CASES)
def test_no_distance_is_foreign_and_neighbours_keep_theirs_across_a_border(s, c, n):
    """What successive-chunk attention is for: up to c - s tokens back, the chunk before is as near as it is."""
    found, true = distances(s, c, n), (torch.arange(n)[:, None] - torch.arange(n)[None]).clamp(min=0)
    assert 0 <= int(found.min()) <= int(found.max()) <= c - 1
    near = true <= min(c - s, s)
    assert torch.equal(found[near], true[near])


def test_everything_is_seen():
    i, j = torch.arange(30)[:, None], torch.arange(30)[None]
    assert torch.equal(METHODS["dual-chunk"](chunk=4, length=8).visible(i, j), j <= i)


def test_a_chunk_beyond_the_trained_length_is_refused():
    with pytest.raises(LongSightError, match="chunk = 9 is larger than the trained length = 8; choose at most 8"):
        METHODS["dual-chunk"](chunk=9, length=8)


def test_the_paper_recommends_three_quarters_of_the_trained_length():
    method = METHODS["dual-chunk"].for_model(4096, 100_000)
    assert (method.chunk, method.length) == (3072, 4096)
    assert method.reach(4096) is None


def test_a_local_window_of_the_whole_chunk_is_refused():
    with pytest.raises(LongSightError, match="local = 4 leaves nothing of chunk = 4; choose at most 3"):
        METHODS["dual-chunk"](chunk=4, length=8, local=4)


def test_as_coded_neighbours_keep_their_distance_up_to_the_local_window_and_none_passes_the_chunk():
    i, j = torch.arange(60)[:, None], torch.arange(60)[None]
    found = METHODS["dual-chunk"](chunk=12, length=16, local=3).distance(i, j).expand(60, 60).tril()
    near = (j <= i) & (i - j <= 3)
    assert torch.equal(found[near], (i - j)[near])
    assert int(found.max()) == 12
