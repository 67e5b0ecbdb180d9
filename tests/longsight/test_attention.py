"""The fast path against the plain definition, on random queries and keys: every method, encoding and kind of piece."""

from dataclasses import replace
from functools import partial
from itertools import accumulate

import pytest
import torch

import longsight.attention.fast as attention
from longsight.attention import edges, retrieval
from longsight.attention.alibi import Alibi, slopes
from longsight.attention.block_memory import Hearing
from longsight.attention.encoding import Encoding
from longsight.attention.fast import attend, attend_one, make_glance, make_plan
from longsight.attention.kept_keys import kept
from longsight.attention.kept_layer import KeptLayer
from longsight.attention.kernels import kernel, merge, merge_outputs, unfused, windowed_kernel
from longsight.attention.plain import plain
from longsight.attention.retrieval import FetchingQueries, FetchingRow, fetch
from longsight.attention.rope import Rotary
from longsight.methods import METHODS
from longsight.methods.fetching import LAST
from tests.longsight.tiny import TRAINED, defaults, lying, spread

HEADS, CHANNELS, SCALING = 4, 8, 0.5
FREQUENCIES = 1 / 10_000 ** (torch.arange(0, CHANNELS, 2, dtype=torch.float64) / CHANNELS)

ENCODINGS = {
    "rope": Rotary(FREQUENCIES),
    "interleaved": Rotary(FREQUENCIES, interleaved=True),
    "partial": Rotary(FREQUENCIES[:2]),
    "alibi": Alibi(slopes(HEADS)),
    "none": Encoding(),
}
FITTING = [
    (key, name) for key in METHODS for name in ENCODINGS if METHODS[key].needs in (None, ENCODINGS[name].kind)
]  # methods that change frequencies need some


def random_heads(n, key_heads, batch=1, seed=0):
    """Unrotated q (batch, head, n, channel) and k, v (batch, key_head, n, channel)."""
    make = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(batch, heads, n, CHANNELS, generator=make) for heads in (HEADS, key_heads, key_heads))


def together(method):
    """Whether queries fetch together in the first layer, which is the one tried here."""
    return method.retrieval is not None and method.retrieval.queries != LAST and method.retrieval.from_layer == 0


def banded(q, k, v, i, j, method, encoding, masks=False):
    """What queries at `i` see by the fast path, with `masks` also where none is needed: output and log-sum-exp."""
    make, attend_run = partial(make_plan, unmasked=encoding.kind != "alibi" and not masks), attend
    if len(i) == 1:
        make, attend_run = partial(make_glance, slices=lying(j)), attend_one
    parts = []
    for run in method.runs(i):
        here = encoding.under(method, method.length_at(i[run.start]))
        parts.append(attend_run(q[:, :, run], k, v, make(i[run], j, method=method, encoding=here, like=q), SCALING))
    return tuple(torch.cat([part[n] for part in parts], dim=2) for n in (0, 1))


def fast(q, k, v, i, j, method, encoding, retrieves=False, memories=None, masks=False):
    """The fast path for queries at `i`, as the model's first layer runs it."""
    out, lse = banded(q, k, v, i, j, method, encoding, masks)
    rule, scale = method.retrieval, method.logit_scale(i)
    if rule is not None and (retrieves or together(method)):
        asking, hearing = q if scale is None else q * scale.float()[:, None], Hearing(encoding, SCALING, None)
        for b in range(len(q)):
            row = FetchingRow(rule, hearing, None, {} if memories is None else memories, (0, b))
            row.read(asking[b], k[b], v[b], i, out[b], lse[b])
    return out


def through_cache(q, k, v, method, encoding, pieces):
    """All queries, so many at a time, over the keys that the method's cache still holds."""
    layer, parts, start = KeptLayer(*kept(method, 0)), [], 0
    for size in pieces:
        rows = slice(start, start := start + size)
        keys, values = layer.update(k[:, :, rows], v[:, :, rows])
        i = torch.arange(rows.start, rows.stop)
        parts.append(fast(q[:, :, rows], keys, values, i, layer.positions, method, encoding, memories=layer.memories))
    return torch.cat(parts, dim=2)


def close(fast, law, method, allowed=1e-5):
    torch.testing.assert_close(fast, law, atol=allowed, rtol=1e-5, msg=lambda text: f"{method.describe()}: {text}")


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks so small that a short text has inner pieces, edges, and many blocks."""
    monkeypatch.setattr(attention, "BLOCK", 16)
    monkeypatch.setattr(attention, "WHOLE", 24)
    monkeypatch.setattr(edges, "NARROW", 0)


PIECES = [1] * 5 + [7] * 5 + [64] + [1] * 20 + [6]
"""How 130 tokens are read over a cache: one by one and in chunks, before it lets go of tokens and after."""


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("key", METHODS)
def test_the_fast_path_whole_and_over_what_the_cache_keeps_is_the_plain_definition(key):
    i, rope = torch.arange(sum(PIECES)), ENCODINGS["rope"]
    for key_heads, methods in ((2, spread(key, 9)), (4, spread(key, 10)[9:]), (1, spread(key, 11)[10:])):
        q, k, v = random_heads(len(i), key_heads)
        for method in methods:
            law = plain(q, k, v, i, i, method, rope, scaling=SCALING)
            close(fast(q, k, v, i, i, method, rope), law, method)
            close(fast(q, k, v, i, i, method, rope, masks=True), law, method)
            if together(method):
                ends = tuple(accumulate(PIECES))
                law = plain(q, k, v, i, i, method, rope, scaling=SCALING, ends=ends)
            close(through_cache(q, k, v, method, rope, PIECES), law, method)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(("key", "name"), [pair for pair in FITTING if pair[1] != "rope"])
def test_every_other_position_encoding_is_served_alike(key, name):
    n, encoding = 100, ENCODINGS[name]
    q, k, v = random_heads(n, 2)
    i = torch.arange(n)
    for method in spread(key, 5)[2:]:
        law = plain(q, k, v, i, i, method, encoding, scaling=SCALING)
        close(fast(q, k, v, i, i, method, encoding), law, method)
        if together(method):
            law = plain(q, k, v, i, i, method, encoding, scaling=SCALING, ends=(33, 66, 99))
        close(through_cache(q, k, v, method, encoding, [33, 33, 33, 1]), law, method)


@pytest.mark.parametrize("key", METHODS)
def test_blocks_of_the_shipped_size_are_the_plain_definition(key):
    """Past three blocks of 512, so that bands have an inner piece and both edges without any patching."""
    n = 3 * attention.BLOCK + 100
    q, k, v = (x[:, :1] for x in random_heads(n, 1))
    i = torch.arange(n)
    method = METHODS[key].for_model(640, 4 * 640)
    encoding = Rotary(FREQUENCIES)
    rows = torch.tensor([0, 1, 511, 512, 600, 640, 641, 1024, 1500, n - 1])
    if together(method):
        law = plain(q, k, v, i, i, method, encoding, scaling=SCALING)[:, :, rows]
    else:
        law = torch.cat([
            plain(q[:, :, row : row + 1], k, v, i[row : row + 1], i, method, encoding, scaling=SCALING) for row in rows
        ], dim=2)  # fmt: skip
    close(fast(q, k, v, i, i, method, encoding)[:, :, rows], law, method)


@pytest.mark.usefixtures("small_blocks")
def test_a_text_of_one_hundred_tokens_has_every_kind_of_piece():
    """Otherwise the tests above would prove less than they say."""
    i = torch.arange(100)
    q = torch.zeros(1, 1, 100, CHANNELS)
    plan = make_plan(i, i, METHODS["lm-infinite"](window=40, starting=4), ENCODINGS["rope"], q)
    assert len(plan.blocks) == 7
    pieces = [piece for block in plan.blocks for piece in block]
    assert {piece.band for piece in pieces} == {0, 1}
    window = [piece for piece in plan.blocks[-2] if piece.band == 0]
    assert [piece.mask is None for piece in window] == [False, True, False], "edge, inner, edge"


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(("name", "key_heads"), [("rope", 4), ("interleaved", 2), ("alibi", 2)])
@pytest.mark.parametrize("top_k", [1, 5, 500])
def test_retrieval_is_the_plain_definition_in_a_pass_and_in_a_decode_step(top_k, name, key_heads):
    encoding, i = ENCODINGS[name], torch.arange(120)
    q, k, v = random_heads(120, key_heads)
    for method in (
        METHODS["lm-infinite"](window=TRAINED, starting=4, top_k=top_k, from_layer=0),
        METHODS["lm-infinite"](window=8, starting=0, ceiling=20, insert_at=20, top_k=top_k, from_layer=0),
        METHODS["lm-infinite"](window=8, starting=0, ceiling=20, insert_at=0, top_k=top_k, from_layer=0),
        METHODS["lm-infinite"](window=8, starting=4, top_k=top_k, from_layer=0, log_n=16),
    ):
        law = plain(q, k, v, i, i, method, encoding, scaling=SCALING, retrieves=True)
        close(fast(q, k, v, i, i, method, encoding, retrieves=True), law, method)
        close(fast(q[:, :, -1:], k, v, i[-1:], i, method, encoding, retrieves=True), law[:, :, -1:], method)
        without = plain(q, k, v, i, i, method, encoding, scaling=SCALING)
        assert torch.equal(law[:, :, :-1], without[:, :, :-1])
        assert not torch.allclose(law[:, :, -1], without[:, :, -1], atol=1e-3)


@pytest.mark.parametrize("scores", [1, 2000, 10**6])
def test_blocks_whose_scores_are_made_together_fetch_what_the_definition_says(monkeypatch, scores):
    """One block's at a time, several blocks' at a time, and all at once."""
    monkeypatch.setattr(retrieval, "BUDGET", scores)
    i, encoding = torch.arange(130), ENCODINGS["rope"]
    method = METHODS["lm-infinite"](window=20, starting=2, top_k=3, from_layer=0, insert_at=5, queries=8)
    q, k, v = random_heads(len(i), 2)
    law = plain(q, k, v, i, i, method, encoding, scaling=SCALING)
    close(fast(q, k, v, i, i, method, encoding), law, method)
    monkeypatch.setattr(retrieval, "key_scores", lambda blocks, k: [k.new_zeros(len(q[0]), k.shape[1])] * len(blocks))
    assert not torch.allclose(fast(q, k, v, i, i, method, encoding), law, atol=1e-3), "these scores are what counts"


@pytest.mark.parametrize("name", ["rope", "alibi"])
def test_log_n_scales_what_is_fetched_like_what_is_seen(name):
    """Otherwise the fetched keys would count the less, the longer the text."""
    n, i = 120, torch.arange(120)
    method = METHODS["lm-infinite"](window=20, starting=2, top_k=5, from_layer=0)
    q, k, v = random_heads(n, 2)
    sharper = q * torch.log(torch.tensor(120.0)) / torch.log(torch.tensor(16.0))
    law = plain(sharper, k, v, i, i, method, ENCODINGS[name], scaling=SCALING, retrieves=True)[:, :, -1]
    scaled = plain(q, k, v, i, i, replace(method, log_n=16), ENCODINGS[name], scaling=SCALING, retrieves=True)[:, :, -1]
    close(scaled, law, method)


def test_retrieval_fetches_the_planted_key_in_the_one_head_that_asks_for_it():
    q, k, v = (0.1 * x for x in random_heads(100, HEADS))
    method = METHODS["lm-infinite"](window=20, starting=2, top_k=1, from_layer=0, insert_at=0)
    k[0, 2, 37] = 20 * q[0, 2, -1] / q[0, 2, -1].norm()
    q[0, 2, -1] *= 50
    asking = FetchingQueries.of(
        q[0, :, -1:], torch.tensor([99]), method.retrieval, Hearing(ENCODINGS["rope"], SCALING, None)
    )
    fetched = fetch(asking, k[0])
    assert fetched.j[2].tolist() == [37]
    assert fetched.j[0].tolist() != [37]
    torch.testing.assert_close(fetched.attend(k[0], v[0])[0][2, 0], v[0, 2, 37])
    torch.testing.assert_close(fetched.logits(k[0])[2, 0, 0], SCALING * (q[0, 2, -1] @ k[0, 2, 37]))


def test_nothing_is_fetched_while_no_key_is_in_the_middle():
    q, k, _ = random_heads(22, 2)
    method = METHODS["lm-infinite"](window=20, starting=2, top_k=3, from_layer=0)
    i, hearing = torch.arange(22), Hearing(ENCODINGS["rope"], SCALING, None)
    assert fetch(FetchingQueries.of(q[0, :, -1:], i[-1:], method.retrieval, hearing), k[0]) is None


FAR = 200_000_000


@pytest.mark.parametrize(("key", "name"), [pair for pair in FITTING if pair[1] in ("rope", "alibi")])
def test_angles_are_exact_two_hundred_million_tokens_in(key, name):
    """Starting tokens at 0 to 11 and recent ones near 2e8, where float32 counts in steps of 16."""
    i = torch.arange(FAR, FAR + 40)
    j = torch.cat((torch.arange(12), torch.arange(FAR - 60, FAR + 40)))
    q, k, v = random_heads(112, 2)
    q = q[:, :, -40:]
    for method in spread(key, 6)[2:]:
        if name == "alibi" and int(method.distance(i[-1], j[0]).max()) > 1e6:
            continue  # one head's bias of -1e7 swallows the logit in float32, in the definition too
        law = plain(q, k, v, i, j, method, ENCODINGS[name], scaling=SCALING, layer=-1)  # before any that fetches
        close(banded(q, k, v, i, j, method, ENCODINGS[name])[0], law, method, 1e-4)
        close(banded(q[:, :, -1:], k, v, i[-1:], j, method, ENCODINGS[name])[0], law[:, :, -1:], method, 1e-4)


@pytest.mark.parametrize(
    "key",
    [key for key in METHODS
     if defaults(key).lengths(torch.arange(3)) is None and not defaults(key).log_n and defaults(key).longest is None],
)  # fmt: skip
def test_attention_far_out_equals_attention_at_the_beginning(key):
    """For a law that is the same everywhere but at the starting tokens, over keys that are none."""
    n, period = 80, 6720  # a multiple of every default group, chunk and block of queries
    q, k, v = random_heads(n, 2)
    near, far = (torch.arange(start, start + n) for start in (period, FAR - FAR % period))
    method = METHODS[key].for_model(64, 256)
    a = banded(q, k, v, near, near, method, ENCODINGS["rope"])[0]
    b = banded(q, k, v, far, far, method, ENCODINGS["rope"])[0]
    close(b, a, method)


@pytest.mark.parametrize("key_heads", [4, 2, 1])
@pytest.mark.parametrize("masked", ["nothing", "some pairs", "some pairs per head"])
def test_the_unfused_kernel_is_the_fused_one(key_heads, masked):
    q, k, v = random_heads(50, key_heads, batch=2)
    shape = {"nothing": None, "some pairs": (50, 50), "some pairs per head": (HEADS, 50, 50)}[masked]
    mask = None if shape is None else torch.randn(shape).masked_fill(torch.rand(shape) < 0.3, -1e30)
    out, lse = kernel(q, k, v, mask, SCALING)
    k, v = (x.repeat_interleave(HEADS // key_heads, dim=1) for x in (k, v))
    expected, expected_lse = unfused(q, k, v, mask, SCALING)
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(lse, expected_lse, atol=1e-5, rtol=1e-5)


def test_merging_attention_over_two_halves_is_attention_over_the_whole():
    q, k, v = random_heads(30, HEADS)
    whole, lse = unfused(q, k, v, None, SCALING)
    halves = [unfused(q, k[:, :, part], v[:, :, part], None, SCALING) for part in (slice(0, 11), slice(11, None))]
    merged, merged_lse = merge(halves)
    torch.testing.assert_close(merged, whole, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(merged_lse, lse, atol=1e-6, rtol=1e-5)
    assert torch.equal(merge_outputs(halves), merged)
    assert merge_outputs(halves[:1]) is halves[0][0]


def test_a_part_in_which_a_query_sees_nothing_has_no_weight():
    q, k, v = random_heads(10, HEADS)
    seen = unfused(q, k, v, None, SCALING)
    hidden = kernel(q, k, v, attention._hidden(torch.ones(10, 10, dtype=torch.bool), q), SCALING)
    torch.testing.assert_close(merge([seen, hidden])[0], seen[0], atol=0, rtol=0)


@pytest.mark.parametrize("key", METHODS)
def test_half_precision_follows_the_definition_as_closely_as_it_can(key):
    """As bfloat16 does in the matrix of devices."""
    n, dtype = 100, torch.float16
    q, k, v = random_heads(n, 2)
    i, method = torch.arange(n), defaults(key)
    law = plain(q, k, v, i, i, method, ENCODINGS["rope"], scaling=SCALING)
    out = fast(*(x.to(dtype) for x in (q, k, v)), i, i, method, ENCODINGS["rope"])
    assert out.dtype == dtype
    assert bool(out.isfinite().all())
    torch.testing.assert_close(out.float(), law, atol=0.06, rtol=0.05)


@pytest.mark.parametrize("window", [(-1, -1), (-1, 0), (3, -1), (29, -1), (0, 0), (3, 0), (29, 0), (60, 0)])
@pytest.mark.parametrize("queries", [2, 30])
def test_a_window_made_of_triangles_is_the_mask(window, queries):
    left, right = window
    count = queries + left if left >= 0 else queries + 7
    q, k, v = (torch.randn(2, heads, n, CHANNELS) for heads, n in ((4, queries), (2, count), (2, count)))
    ahead = torch.arange(count) - torch.arange(count - queries, count)[:, None]
    hidden = (ahead > 0) & (right == 0) | (ahead < -left) & (left >= 0)
    expected = kernel(q, k, v, torch.zeros(queries, count).masked_fill(hidden, -torch.inf), SCALING)
    for found, wanted in zip(windowed_kernel(q, k, v, window, SCALING), expected, strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("read", [0, 30], ids=["from the beginning", "gone on with"])
def test_where_keys_come_and_go_one_by_one_nothing_is_masked(read):
    i, j, q = torch.arange(read, 100), torch.arange(100), torch.zeros(1, 1, 100 - read, CHANNELS)
    make = partial(make_plan, i, j, encoding=ENCODINGS["rope"], like=q, unmasked=True)
    assert [[piece.window for piece in block] for block in make(METHODS["vanilla"]()).blocks] == [[(-1, 0)]]
    pieces = [piece for block in make(METHODS["self-extend"](group=2, window=10)).blocks for piece in block]
    assert {piece.band for piece in pieces} == {0, 1}
    assert all(piece.mask is None for piece in pieces)


def test_a_narrow_window_is_masked_on_a_cpu():
    i, q = torch.arange(300), torch.zeros(1, 1, 300, CHANNELS)
    for window, masked in ((edges.NARROW - 1, True), (edges.NARROW, False)):
        plan = make_plan(i, i, METHODS["lm-infinite"](window=window, starting=4), ENCODINGS["rope"], q, unmasked=True)
        pieces = [piece for block in plan.blocks for piece in block]
        assert any(piece.mask is not None for piece in pieces) == masked
        assert all(piece.mask is None for piece in pieces if piece.band == 1), "starting tokens stay"
