"""Many prompts are read as each alone would be, and what they share only once."""

import math
import weakref

import pytest
import torch

from longsight.attention.kept_keys import receptive_field
from longsight.attention.kv_cache import Cache
from longsight.errors import LongSightError
from longsight.generation import prefix_sharing
from longsight.generation.decode import Sampling, decode
from longsight.generation.prefill import prefill
from longsight.generation.prefix_sharing import WORTHWHILE, Branch, alike, plan, prefill_shared
from longsight.methods import METHODS
from tests.longsight import tiny
from tests.longsight.tiny import defaults, ids

N = 220


@pytest.fixture(scope="module")
def model():
    return tiny.model()


def prompts(n=N, count=5):
    """Prompts that leave the same text one after the other, as those with a key at different depths do."""
    text = ids(n).tolist()
    made = []
    for number in range(count):
        cut = n * (number + 1) // (count + 1)
        made.append([*text[:cut], 3 + number, 9, *text[cut:-2]])
    return made


def finished(parts):
    return {part.result.number: part.result.prefilled for part in parts if part.result is not None}


@pytest.mark.parametrize("key", METHODS)
def test_each_prompt_is_read_as_it_would_be_alone(model, key, monkeypatch):
    monkeypatch.setattr(prefix_sharing, "WORTHWHILE", 10)  # so that short prompts make a tree of several branches
    given = prompts(70, 4)
    for method in (defaults(key, 70), *tiny.usable(model, key, 4)[3:]):
        read = finished(prefill_shared(model, given, method, chunk=25))
        assert sorted(read) == list(range(4))
        for number, text in enumerate(given):
            alone = prefill(model, text, method, chunk=25)
            torch.testing.assert_close(read[number].logits, alone.logits, atol=2e-4, rtol=0)
            assert read[number].cache.length == alone.cache.length
            assert read[number].cache.ids == alone.cache.ids


def test_a_fetching_method_fetches_at_the_ends_of_prompts_only(model):
    """Fetched keys change what later layers store: at the end of a shared part there must be none."""
    method = METHODS["lm-infinite"](window=8, starting=2, top_k=3, from_layer=1)
    shared = finished(prefill_shared(model, prompts(), method))
    for number, text in enumerate(prompts()):
        alone = prefill(model, text, method)
        assert list(decode(model, shared[number], Sampling(max_new_tokens=6))) == list(
            decode(model, alone, Sampling(max_new_tokens=6))
        )


def test_what_is_shared_is_read_once_and_progress_counts_it_once(model):
    given = prompts(n=600)
    parts = list(prefill_shared(model, given, METHODS["vanilla"](), chunk=30))
    assert {part.total for part in parts} == {parts[-1].done} == {plan(given).tokens}
    assert parts[-1].done < sum(map(len, given)) * 0.7
    done = [part.done for part in parts]
    assert done == sorted(done)


WINDOWED = {
    "window": METHODS["window"](window=6),
    "lambda": METHODS["lambda"](window=6, starting=3),
    "lm-infinite": METHODS["lm-infinite"](window=6, starting=3, ceiling=6),
    "streaming-llm": METHODS["streaming-llm"](sinks=3, recent=5),
    "truncation": METHODS["truncation"](length=20),
}


@pytest.mark.parametrize("key", WINDOWED)
def test_prompts_that_differ_in_nothing_that_can_be_seen_are_read_once(model, key):
    """Three layers with a window of six look back at eighteen tokens, and at the starting ones."""
    n = 150
    text = ids(n).tolist()
    given = [[*text[:cut], token, *text[cut + 1 :]] for cut in (50, n - 25, n - 10) for token in (5, 6)]
    parts = list(prefill_shared(model, given, WINDOWED[key], chunk=50))
    assert parts[-1].done < 3 * n
    assert {part.total for part in parts} == {parts[-1].done}
    for number, read in finished(parts).items():
        alone = prefill(model, given[number], WINDOWED[key], chunk=50)
        torch.testing.assert_close(read.logits, alone.logits, atol=1e-4, rtol=0)
        assert read.cache.ids == alone.cache.ids
        few = Sampling(max_new_tokens=6)
        assert list(decode(model, read, few)) == list(decode(model, alone, few))
    assert len(finished(parts)) == 6


def test_prompts_are_alike_only_in_all_that_receptive_field(model):
    text = torch.arange(40)
    changed = [text.clone() for _ in range(4)]
    for prompt, place in zip(changed, (0, 2, 29, 30), strict=True):
        prompt[place] = 99
    prompts = [text, *changed, text[1:], text.clone()]
    assert list(alike(prompts, (2, 10))) == [[0, 2, 3, 6], [1], [4], [5]]
    assert list(alike(prompts, (20, 20))) == list(alike(prompts, None)) == [[0, 6], [1], [2], [3], [4], [5]]
    fetching = METHODS["lm-infinite"](window=6, starting=3, ceiling=6, insert_at=3, top_k=2, from_layer=2)
    assert receptive_field([fetching] * 3) is None
    assert receptive_field([METHODS["vanilla"]()] * 3) is None
    assert receptive_field([WINDOWED["lambda"]] * 3) == (3, 18)


def test_the_tree_splits_where_prompts_differ_and_not_for_a_few_tokens():
    text = list(range(100))
    tree = plan([[*text, 7, 1], [*text, 8, 1], [*text, 8, 2], [5]])
    assert tree.start == tree.end == 0
    assert [child.prompts for child in tree.children] == [(3,), (0, 1, 2)]
    three = tree.children[1]
    assert (three.start, three.end) == (0, 100)
    assert sorted(child.prompts for child in three.children) == [(0,), (1, 2)]
    (pair,) = (child for child in three.children if len(child.prompts) == 2)
    assert (pair.start, pair.end) == (100, 100), "one token more in common is not worth a copy"
    assert tree.tokens == 1 + 100 + 2 + 2 + 2


@pytest.mark.parametrize("equal", [[[4] * 80] * 3, [[4] * 80, [4] * 90, [4] * 80]])
def test_equal_prompts_and_beginnings_of_others_are_told_apart(model, equal):
    tree = plan(equal)
    assert tree.end == 79 >= WORTHWHILE
    assert sorted(n for child in tree.children for n in child.prompts) == [0, 1, 2]
    read = finished(prefill_shared(model, equal, METHODS["vanilla"]()))
    assert [read[n].cache.length for n in range(3)] == [len(ids) for ids in equal]


def test_a_single_prompt_is_a_tree():
    assert plan([[3, 4]]) == Branch(0, 2, (0,))


def test_few_caches_are_held_at_a_time(model, monkeypatch):
    alive, most, fork = weakref.WeakSet(), [], Cache.fork

    def counted(cache):
        alive.add(made := fork(cache))
        most.append(len(alive))
        return made

    monkeypatch.setattr(Cache, "fork", counted)
    monkeypatch.setattr(prefix_sharing, "WORTHWHILE", 8)
    for part in prefill_shared(model, prompts(n=180, count=16), METHODS["vanilla"]()):
        del part
    assert len(most) == 15
    assert max(most) <= math.log2(16)


@pytest.mark.parametrize(("given", "options", "said"), [
    ([], {}, "There is nothing to read: no prompt was given"),
    ([[3], []], {}, "non-empty list of token ids"),
    ([[3]], {"chunk": 0}, "chunk must be at least 1 token, but 0 was given"),
])  # fmt: skip
def test_what_cannot_be_read_is_said(model, given, options, said):
    with pytest.raises(LongSightError, match=said):
        list(prefill_shared(model, given, METHODS["vanilla"](), **options))
