"""The distance maps that were read out of the authors' published code by running it, against the law and the fast path.

Every map of `distance_maps.json` is in exactly one of three tables: `MAPS` (compared whole, or at named positions),
`REFUSED` (parameters that we do not accept), `OTHER_RULES` (rules that no method of the project follows).
"""

import pytest
import torch

from longsight.attention.kept_layer import KeptLayer
from longsight.errors import LongSightError
from longsight.methods import METHODS
from tests.longsight.methods.maps import HEARD, agrees, heard, last, law, read_maps, whole

PUBLISHED = read_maps("distance_maps.json")

LM_INFINITE = METHODS["lm-infinite"](window=4, starting=2)
SELF_EXTEND = METHODS["self-extend"](group=2, window=4)
STREAMING = METHODS["streaming-llm"](sinks=2, recent=3)
INFLLM_LM_INFINITE = METHODS["lm-infinite"](
    window=4, starting=2, ceiling=3
)  # that repository puts the ceiling at L - 1
REROPE = METHODS["rerope"](window=4)
LEAKY = METHODS["leaky-rerope"](window=4, slope=2)
DUAL_CHUNK = METHODS["dual-chunk"](chunk=4, length=7)  # the published code clamps at its chunk_size = 6 = length - 1


EVICTED = (0, 1, 4, 5, 6, 7)
"""What is left of 8 tokens with two sinks and a window of four."""

MAPS = {
    "lmi.py LM-Infinite (lambda+ceiling) prefill N=14 L=4 g=2": (LM_INFINITE, whole(14)),
    "lmi.py Lambda-only (limit None)": (METHODS["lambda"](window=4, starting=2), whole(14)),
    "lmi.py window-only (g=0)": (METHODS["window"](window=4), whole(14)),
    "lmi.py ceiling-only (use_lambda False), causal mask added": (METHODS["ceiling"](ceiling=4), whole(14)),
    "lmi.py decode (single_query) with K=14": (LM_INFINITE, last(14)),
    "lmi.py single_query K<g+L overlap: K=5, L=4,g=2 ; and K=3": (LM_INFINITE, last(3) + last(4) + last(5) + last(6)),
    "lmi.py prefill Q == L exactly, and Q==L+1": (LM_INFINITE, whole(4) + whole(5)),
    "lmi.py top-k: k=2, insert at 2, layer>=from; last row only": (
        METHODS["lm-infinite"](window=4, starting=2, top_k=2, insert_at=2),
        last(14) + whole(14),  # once with the two fetched keys 7 and 8, once as in the layers that fetch nothing
    ),
    "lmi_old.py chunk2 cached dups 0 (cols: 2 sinks,4 cached local,8 new)": (
        LM_INFINITE,
        [(range(8, 16), (*EVICTED, *range(8, 16)))],
    ),
    "lmi_old.py decode after eviction single_query dups 0": (LM_INFINITE, [(range(8, 9), (*EVICTED, 8))]),
    "se.py Llama.py prefill N=14 G=2 W=4": (SELF_EXTEND, whole(14)),
    "se.py Llama.py decode N=14 G=2 W=4": (SELF_EXTEND, last(14)),
    "se.py Llama_4_40.py prefill N=14 G=2 W=4": (SELF_EXTEND, whole(14)),
    "se.py Llama_4_40.py decode N=14 G=2 W=4": (SELF_EXTEND, last(14)),
    "others.py ReRoPE w=4 prefill": (REROPE, whole(12)),
    "others.py ReRoPE decode": (REROPE, last(12)),
    "others.py Leaky ReRoPE w=4 k=2 prefill": (LEAKY, whole(12)),
    "others.py Leaky decode": (LEAKY, last(12)),
    "others.py StreamingLLM token-by-token start=2 recent=3: row = eff distance to each ORIGINAL token": (
        STREAMING,
        whole(12),
    ),
    "others.py DCA code: chunk_size=6 local_window=2 -> chunk_len=4": (DUAL_CHUNK, whole(16)),
    "others.py decode": (DUAL_CHUNK, last(16)),
}
"""name -> (our method, the blocks of rows of the map: queries and keys by position)."""

SPLIT = {
    "inf.py InfLLM repo infinite_lm n_local=4 n_init=2, prefill 12: local part then init part": [
        (INFLLM_LM_INFINITE, range(12), range(12)),
    ],
    "inf.py InfLLM repo stream_llm n_local=4 n_init=2, prefill 12: local part then init part": [
        (STREAMING, range(12), range(12)),
    ],
    "inf.py decode after 12 (+3)": [
        (INFLLM_LM_INFINITE, range(14, 15), (0, 1, 10, 11, 12, 13, 14)),
        (STREAMING, range(14, 15), (0, 1, 10, 11, 12, 13, 14)),
    ],
}
"""Maps of the InfLLM repository: for each method a part over recent keys, then a part over the two initial ones."""

REFUSED = {
    "se.py Llama.py prefill N=14 G=3 W=4 (G does not divide W)": {"group": 3, "window": 4},
    "se.py Llama.py decode N=14 G=3 W=4": {"group": 3, "window": 4},
    "se.py Llama_4_40.py prefill N=14 G=3 W=4 (G does not divide W)": {"group": 3, "window": 4},
    "se.py Llama_4_40.py decode N=14 G=3 W=4": {"group": 3, "window": 4},
}
"""The two published files disagree with each other here, so SelfExtend refuses these parameters."""

OTHER_RULES = {
    "llamacpp self-extend n_batch=1 N=14 ga_n=2 ga_w=4": (
        "llama.cpp divides the positions of its cache in place, a window at a time: near tokens get grouped distances "
        "too, and the map is neither SelfExtend's nor any other method's"
    ),
}


def test_every_published_map_is_in_exactly_one_table():
    tables = [*MAPS, *SPLIT, *REFUSED, *OTHER_RULES]
    assert len(tables) == len(set(tables)) == 29
    assert set(tables) == set(PUBLISHED)


def published(name):
    return PUBLISHED[name]


def rows_of(name, blocks):
    """Cut a map into its blocks of queries -> (queries, keys, rows (query, key))."""
    rows, start = published(name), 0
    for queries, keys in blocks:
        part = rows[start : start + len(queries)]
        start += len(queries)
        yield queries, keys, torch.stack(part)
    assert start == len(rows), "every row of the map is compared"


@pytest.mark.parametrize("name", [name for name in MAPS if "top-k" not in name])
def test_law_and_fast_path_give_the_authors_map(name):
    method, blocks = MAPS[name]
    for queries, keys, theirs in rows_of(name, blocks):
        assert agrees(law(method, queries, keys), theirs, 1e-6)
        assert agrees(heard(method, queries, keys), theirs, HEARD)


def test_the_other_spellings_of_a_bare_window_give_the_same_map():
    for method in (METHODS["lambda"](window=4, starting=0), METHODS["lm-infinite"](window=4, starting=0)):
        assert agrees(law(method, range(14), range(14)), torch.stack(published("lmi.py window-only (g=0)")), 1e-6)


def test_two_middle_keys_are_fetched_at_the_authors_distance_and_only_by_the_last_query():
    name = "lmi.py top-k: k=2, insert at 2, layer>=from; last row only"
    method, blocks = MAPS[name]
    (queries, keys, fetching), (_, _, dense) = rows_of(name, blocks)
    assert agrees(law(method, range(14), range(14)), dense, 1e-6)
    unaided = dense[-1:]
    fetched = fetching.isfinite() & unaided.isnan()
    assert agrees(fetching.masked_fill(fetched, torch.nan), unaided, 1e-6)
    assert int(fetched.sum()) == method.retrieval.choice.count
    assert fetching[fetched].tolist() == [method.retrieval.distance] * 2
    i, j = torch.tensor(list(queries))[:, None], torch.tensor(list(keys))[None, :]
    assert bool(method.retrieval.middle(i, j)[fetched].all())


@pytest.mark.parametrize("name", SPLIT)
def test_infllms_own_versions_give_the_same_maps_where_their_caches_are_full(name):
    rows = iter(published(name))
    for method, queries, keys in SPLIT[name]:
        recent = torch.stack([next(rows) for _ in queries])
        initial = torch.stack([next(rows) for _ in queries])
        theirs = torch.full((len(queries), len(keys)), torch.nan, dtype=torch.float64)
        theirs[:, len(keys) - recent.shape[1] :] = recent
        theirs[:, :2] = torch.where(initial.isnan(), theirs[:, :2], initial)
        ours = law(method, queries, keys)
        if method == STREAMING and len(queries) > 1:
            # While the window has only just left the first sink, InfLLM already counts both sinks before it (5); in the
            # original code the sink still stands where it stood (4).
            assert (float(ours[4, 0]), float(theirs[4, 0])) == (4, 5)
            ours[4, 0] = theirs[4, 0]
        assert agrees(ours, theirs, 1e-6)
    assert next(rows, None) is None


@pytest.mark.parametrize("name", REFUSED)
def test_parameters_on_which_the_published_files_disagree_are_refused(name):
    with pytest.raises(LongSightError, match="window = 4 is not a multiple of group = 3; choose window = 3 or 6"):
        METHODS["self-extend"](**REFUSED[name])


def test_the_published_files_do_disagree_there():
    a, b = (
        torch.stack(published(f"se.py {file} prefill N=14 G=3 W=4 (G does not divide W)"))
        for file in ("Llama.py", "Llama_4_40.py")
    )
    assert not agrees(a, b, 1e-6)


@pytest.mark.parametrize("name", OTHER_RULES)
def test_a_map_of_another_rule_is_indeed_no_method_of_ours(name):
    rows = published(name)
    theirs = torch.full((len(rows), len(rows)), torch.nan, dtype=torch.float64)
    for n, row in enumerate(rows):
        theirs[n, : len(row)] = row
    for key in METHODS:
        assert not agrees(law(METHODS[key].for_model(8, 14), range(14), range(14)), theirs, 1e-6)
    assert not agrees(law(SELF_EXTEND, range(14), range(14)), theirs, 1e-6)


def test_our_ring_shows_a_chunk_the_columns_of_the_authors_old_cache():
    layer = KeptLayer(starting=2, window=4)
    for start, stop in ((0, 5), (5, 8), (8, 16)):
        positions = torch.arange(start, stop).float().reshape(1, 1, -1, 1)
        keys, values = layer.update(positions, positions)
    assert layer.positions.tolist() == [*EVICTED, *range(8, 16)]
    assert keys.flatten().tolist() == values.flatten().tolist() == layer.positions.tolist()
