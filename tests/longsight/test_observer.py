"""What an observer is shown is what the model computes: against the methods' law, layer by layer."""

from dataclasses import replace

import pytest
import torch

from longsight.attention.observer import Observer
from longsight.generation.prefill import watch
from longsight.methods import METHODS
from longsight.methods.base import of_group
from tests.longsight import tiny
from tests.longsight.matrix import variants

N = 90  # far beyond the trained length of 32


class Everything(Observer):
    """Keeps all that it is shown."""

    wants_hidden = True

    def __init__(self):
        self.steps, self.states, self.seen = [], [], []

    def attention(self, step):
        self.steps.append(step)

    def hidden(self, start, states):
        self.states.append((start, states))

    def logits(self, start, logits):
        self.seen.append((start, logits))


def watched(model, method, chunk, n=N):
    observer = Everything()
    for _ in watch(model, tiny.ids(n), method, observer, chunk):
        pass
    return observer


def law(step):
    """Every logit (head, query, key) of a step, keys in ascending order: the definition, asked pair by pair."""
    order = step.j.argsort()
    j, k = step.j[order], step.k[:, order].repeat_interleave(len(step.q) // len(step.k), dim=0)
    rows = []
    for place, i in enumerate(step.i):
        encoding = step.encoding.under(step.method, step.method.length_at(i))
        q = step.q[:, place : place + 1].double()
        if (scale := step.method.logit_scale(i[None])) is not None:
            q = q * scale
        distance, hidden = step.method.distance(i[None, None], j[None]), ~step.method.visible(i[None, None], j[None])
        logits = encoding.logits(q[None], k[None].double(), distance, step.scaling)[0]
        logits = logits if step.softcap is None else (logits / step.softcap).tanh() * step.softcap
        rows.append(logits.masked_fill(hidden, -torch.inf))
    return torch.cat(rows, dim=1), j


def spread_out(block, j, bands):
    """A block's logits and distances with one column per key of `j`; NaN distances where nothing was told."""
    logits = torch.full((len(block.logits), len(block.i), len(j)), -torch.inf, dtype=block.logits.dtype)
    distance = torch.full((len(block.i), len(j)), torch.nan)
    for number, band in enumerate(bands):
        columns = block.band == number
        at, part = torch.searchsorted(j, block.j[columns]), block.logits[:, :, columns]
        shown = part[0] > -torch.inf
        assert torch.equal(shown, band.visible(block.i[:, None], block.j[columns]))
        assert bool((logits[0, :, at][shown] == -torch.inf).all()), "a pair is shown twice"
        logits[:, :, at] = torch.where(shown, part, logits[:, :, at])
        distance[:, at] = torch.where(shown, block.distance[:, columns], distance[:, at])
    return logits, distance


def of_group_of_heads(step, block, number):
    """What a block shows of one of the groups of heads of a step, as a block of its own."""
    bands = [len(part.method.bands) for _, part in step.groups]
    heads, before = step.groups[number][0], sum(bands[:number])
    own = (block.band >= before) & (block.band < before + bands[number])
    others = [head for head in range(len(step.q)) if head not in heads]
    assert bool((block.logits[others][:, :, own] == -torch.inf).all())
    return replace(
        block, j=block.j[own], band=block.band[own] - before, distance=block.distance[:, own],
        logits=block.logits[heads][:, :, own],
    )  # fmt: skip


def check_blocks(step, budget=2**23, rows=slice(None)):
    """Every block is the law of its step; where heads follow rules of their own, of each group of them."""
    blocks = list(step.blocks(budget, rows))
    for number, (heads, part) in enumerate(getattr(step, "groups", ())):
        own = replace(part, q=step.q[heads], i=step.i)
        check_law(own, [of_group_of_heads(step, block, number) for block in blocks], rows)
    if step.method.head_groups:
        assert not any(block.alike for block in blocks)
    else:
        check_law(step, blocks, rows)
    return blocks


def check_law(step, blocks, rows):
    expected, j = law(step)
    expected, at = expected[:, rows], step.i[rows]
    found = [spread_out(block, j, step.method.bands) for block in blocks]
    assert torch.cat([block.i for block in blocks]).tolist() == at.tolist()
    logits, distance = (torch.cat([pair[n] for pair in found], dim=-2) for n in (0, 1))
    assert torch.equal(logits == -torch.inf, expected == -torch.inf)
    torch.testing.assert_close(logits.double(), expected, atol=2e-5, rtol=1e-5)
    told = of_group(step.method.distance(at[:, None], j[None])).float()
    visible = step.method.visible(at[:, None], j[None])
    torch.testing.assert_close(distance[visible], told[visible], atol=1e-4, rtol=1e-6)


@pytest.mark.parametrize("key", METHODS)
def test_blocks_are_the_law_whatever_the_chunk(key, grouped):
    method = tiny.defaults(key, N)
    for chunk, n in ((1, 50), (37, N)):
        steps = watched(grouped, method, chunk, n).steps
        chunk = method.piece(0, chunk)  # the first is as long as any
        assert [step.layer for step in steps] == [0, 1, 2] * -(-method.keeps(n) // chunk)
        for step in (steps[1], steps[len(steps) // 2], steps[-1]):
            check_blocks(step)


@pytest.mark.parametrize("method", tiny.spread("lm-infinite", 8)[3:] + tiny.spread("dual-chunk", 6)[3:])
def test_blocks_are_the_law_for_odd_parameters(method, grouped):
    if method.retrieval is not None:
        method = replace(method, from_layer=0)
    check_blocks(watched(grouped, method, 41).steps[4])


@pytest.mark.parametrize("name", ["deepseek_v2", "deepseek_v3", "qwen3_next"])
def test_blocks_are_the_law_in_heads_of_which_a_part_turns(name):
    for step in watched(variants.adopted(name), variants.method("self-extend"), 17).steps[-2:]:
        check_blocks(step)


@pytest.mark.parametrize("key", ["vanilla", "lm-infinite", "yarn"])
def test_logits_are_shown_after_their_cap(key):
    model = tiny.model("gemma2", head_dim=8, query_pre_attn_scalar=8, attn_logit_softcapping=2.0, sliding_window=16)
    for step in watched(model, tiny.defaults(key, N), 41).steps[-2:]:
        blocks = check_blocks(step)
        assert max(float(block.logits.max()) for block in blocks) <= 2
        assert check_blocks(step)[-1].logits.max() > 1.5, "the cap is never reached"


@pytest.mark.parametrize("key", ["self-extend", "duo"])
@pytest.mark.parametrize("budget", [1, 700, 2**23])
def test_no_block_exceeds_its_budget_unless_it_is_one_query(budget, key, grouped):
    step = watched(grouped, tiny.defaults(key, N), N).steps[0]
    blocks = check_blocks(step, budget)
    assert all(block.logits.numel() <= budget or len(block.i) == 1 for block in blocks)
    assert len(blocks) > 1 or budget == 2**23


@pytest.mark.parametrize("key", ["dynamic-ntk", "duo"])
@pytest.mark.parametrize("rows", [slice(0, 1), slice(20, 50), slice(89, None)])
def test_only_the_rows_asked_for_are_computed(rows, key, grouped):
    check_blocks(watched(grouped, tiny.defaults(key, N), N).steps[1], rows=rows)


@pytest.mark.parametrize("key", ["dynamic-ntk", "duo"])
def test_queries_may_be_picked_apart(key, grouped):
    """As probes do that measure some queries only."""
    step = watched(grouped, tiny.defaults(key, N), N).steps[1]
    picked = torch.tensor([0, 3, 40, 41, 88])
    check_blocks(replace(step, q=step.q[:, picked], i=step.i[picked]))


def test_biases_are_in_the_logits():
    model = tiny.model("mpt", d_model=32, n_heads=4, n_layers=2, expansion_ratio=2, max_seq_len=tiny.TRAINED)
    for key in ("vanilla", "lm-infinite", "position-interpolation", "duo"):
        for step in watched(model, tiny.defaults(key, N), 37).steps:
            check_blocks(step)


def test_logits_are_not_rounded_to_sixteen_bits():
    """The fused kernels accumulate in float32 whatever the model's dtype."""
    step = watched(tiny.model(), tiny.defaults("vanilla"), N, n=20).steps[0]
    half = replace(step, q=step.q.bfloat16(), k=step.k.bfloat16())
    (block,) = half.blocks()
    assert block.logits.dtype == torch.float32
    seen = block.logits[:, block.logits[0] > -torch.inf]
    assert not torch.equal(seen.bfloat16().float(), seen)


@pytest.mark.parametrize("chunk", [1, 37])
def test_hidden_states_and_logits_are_the_models(chunk, grouped):
    observer, method = watched(grouped, tiny.defaults("lm-infinite"), chunk), tiny.defaults("lm-infinite")
    assert [start for start, _ in observer.states] == [start for start, _ in observer.seen] == list(range(0, N, chunk))
    logits = torch.cat([part for _, part in observer.seen])
    torch.testing.assert_close(logits, grouped.logits(tiny.ids(N), method), atol=1e-5, rtol=1e-4)
    depths = [torch.cat(parts) for parts in zip(*(states for _, states in observer.states), strict=True)]
    assert len(depths) == grouped.seam.layers + 1
    torch.testing.assert_close(depths[0], grouped.hf.get_input_embeddings()(tiny.ids(N)))
    torch.testing.assert_close(grouped.hf.lm_head(depths[-1]), logits)


def test_hidden_states_are_made_only_when_wanted(grouped):
    class Deaf(Everything):
        wants_hidden = False

    observer = Deaf()
    for _ in watch(grouped, tiny.ids(10), tiny.defaults("vanilla"), observer):
        pass
    assert observer.states == []
    assert len(observer.seen) == 1


def test_only_the_last_query_fetches_and_says_what(grouped):
    method = METHODS["lm-infinite"](window=16, starting=4, top_k=3, from_layer=1, insert_at=8)
    steps = watched(grouped, method, 40).steps
    assert [bool(step.fetched) for step in steps] == [False] * 7 + [True] * 2
    step = steps[-1]
    k = step.k[:, step.j.argsort()].repeat_interleave(2, dim=0)
    distance = torch.full((1, N), 8)
    scores = step.encoding.logits(step.q[None, :, -1:].double(), k[None].double(), distance, step.scaling)[0, :, 0]
    best = scores[:, 4 : N - 16].topk(3)
    (found,) = step.fetched
    assert found.rows == slice(len(step.i) - 1, len(step.i))
    assert (found.distance == 8).all()
    torch.testing.assert_close(found.logits[:, 0].double(), best.values, atol=1e-5, rtol=1e-5)
    assert found.j.tolist() == (best.indices + 4).tolist()


def test_positions_count_from_the_first_token_that_is_read(grouped):
    observer = watched(grouped, METHODS["truncation"](length=30), 20)
    assert [step.i.tolist() for step in observer.steps[::3]] == [list(range(20)), list(range(20, 30))]


def test_closing_ends_the_watch(grouped):
    observer = Everything()
    steps = watch(grouped, tiny.ids(N), tiny.defaults("vanilla"), observer, 30)
    assert (next(steps).done, next(steps).done) == (30, 60)
    steps.close()
    assert len(observer.steps) == 6
