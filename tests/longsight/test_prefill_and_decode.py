"""Prefill with progress and stop, decode as a loop, conversations that go on."""

import gc
import weakref

import pytest
import torch

from longsight.attention.observer import Observer
from longsight.errors import LongSightError
from longsight.generation.decode import Sampling, decode, stop_ids
from longsight.generation.prefill import Prefilled, prefill, prefill_steps, watch
from longsight.methods import METHODS
from longsight.progress import Progress
from tests.longsight import tiny
from tests.longsight.tiny import TRAINED, VOCABULARY, defaults, ids

NEVER_STOP = frozenset()


def lm_infinite():
    return METHODS["lm-infinite"](window=TRAINED, starting=4)


def close(a, b):
    torch.testing.assert_close(a, b, atol=1e-4, rtol=0)


# Prefill


@pytest.mark.parametrize(("n", "chunk", "done"), [
    (100, 40, [40, 80, 100]), (100, 100, [100]), (100, 1000, [100]), (5, 1, [1, 2, 3, 4, 5]), (1, 2048, [1]),
])  # fmt: skip
def test_progress_counts_the_tokens_done_after_each_chunk(grouped, n, chunk, done):
    steps = prefill_steps(grouped, ids(n), lm_infinite(), chunk=chunk)
    assert list(steps) == [Progress(count, n) for count in done]


def test_prefill_reports_the_same_to_a_function(grouped):
    seen = []
    prefill(grouped, ids(70), lm_infinite(), chunk=30, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(30, 70), (60, 70), (70, 70)]


def test_only_what_is_read_counts_as_progress(grouped):
    steps = prefill_steps(grouped, ids(100), METHODS["truncation"](length=30), chunk=20)
    assert list(steps) == [Progress(20, 30), Progress(30, 30)]


@pytest.mark.parametrize("key", METHODS)
def test_the_last_logits_are_those_of_one_pass(grouped, key):
    text, method = ids(60), defaults(key)
    read = prefill(grouped, text, method, chunk=29)
    close(read.logits, grouped.logits(text, method)[-1])
    assert read.logits.shape == (VOCABULARY,)
    assert read.cache.length == method.keeps(60)
    assert list(read.cache.ids) == text[60 - method.keeps(60) :].tolist()
    assert read.cache.method == method


@pytest.mark.parametrize("key", ["lm-infinite", "truncation"])
def test_closing_a_prefill_frees_its_cache(grouped, key, monkeypatch):
    caches, make = [], type(grouped.seam).new_cache

    def new_cache(seam, method, **options):
        cache = make(seam, method, **options)
        caches.append(weakref.ref(cache))
        return cache

    monkeypatch.setattr(type(grouped.seam), "new_cache", new_cache)
    steps = prefill_steps(grouped, ids(100), defaults(key), chunk=10)
    assert next(steps).done == 10
    keys = weakref.ref(caches[0]().layers[0].keys)
    gc.disable()  # by reference counting alone, at once
    try:
        steps.close()
        assert caches[0]() is None
        assert keys() is None
    finally:
        gc.enable()
    assert list(steps) == []


def test_the_logits_do_not_hold_on_to_those_of_the_whole_chunk(grouped):
    read = prefill(grouped, ids(50), lm_infinite())
    assert read.logits.untyped_storage().nbytes() == VOCABULARY * 4


@pytest.mark.parametrize("chunk", [0, -5])
def test_a_chunk_of_no_tokens_is_refused(grouped, chunk):
    with pytest.raises(LongSightError, match=f"chunk must be at least 1 token, but {chunk} was given"):
        prefill(grouped, ids(5), lm_infinite(), chunk=chunk)


def test_a_conversation_does_not_change_its_method(grouped):
    cache = prefill(grouped, ids(5), lm_infinite()).cache
    with pytest.raises(LongSightError, match=r"read with LM-Infinite \(.*\); to go on with Vanilla it must be read"):
        prefill(grouped, ids(5), defaults("vanilla"), cache)
    assert cache.length == 5


@pytest.mark.parametrize("lengths", [(10, 10, 25), (50, 5, 5), (29, 1, 1, 1)])
def test_truncation_that_goes_on_past_its_length_is_a_fresh_reading_of_the_end(grouped, lengths):
    method, text, cache = METHODS["truncation"](length=30), ids(sum(lengths)), None
    for start, n in zip([sum(lengths[:k]) for k in range(len(lengths))], lengths, strict=True):
        read = prefill(grouped, text[start : start + n], method, cache)
        cache = read.cache
    fresh = prefill(grouped, text, method)
    close(read.logits, fresh.logits)
    assert list(cache.ids) == list(fresh.cache.ids) == text[-min(30, len(text)) :].tolist()


def test_truncation_after_an_answer_reads_the_end_of_prompt_answer_and_question(grouped):
    method = METHODS["truncation"](length=30)
    read = prefill(grouped, ids(28), method)
    answer = list(decode(grouped, read, Sampling(stop=NEVER_STOP, max_new_tokens=6)))
    assert read.cache.length == 33, "what is generated comes on top of length"
    question = torch.tensor([answer[-1], *ids(9, seed=3).tolist()])
    again = prefill(grouped, question, method, read.cache)
    everything = torch.cat((ids(28), torch.tensor(answer[:-1]), question))
    close(again.logits, prefill(grouped, everything, method).logits)


# Decode


def argmax_loop(model, text, method, count):
    """Greedy decoding without a cache: the whole text again for each token (only the last token fetches)."""
    text = text.tolist()
    for _ in range(count):
        text.append(int(model.logits(text, method)[-1].argmax()))
    return text[-count:]


@pytest.mark.parametrize("key", [key for key in METHODS if key not in ("truncation", "infllm", "reattention")])
def test_greedy_decoding_is_the_argmax_of_the_whole_text_every_time(grouped, key):
    """Not where queries fetch together: a token that is written fetches for itself."""
    method = defaults(key)
    read = prefill(grouped, ids(50), method, chunk=30)
    answer = list(decode(grouped, read, Sampling(stop=NEVER_STOP, max_new_tokens=8)))
    assert answer == argmax_loop(grouped, ids(50), method, 8)


def test_decoding_with_retrieval_fetches_for_every_new_token(grouped):
    method = METHODS["lm-infinite"](window=16, starting=2, top_k=6, from_layer=1)
    text = ids(60)
    read = prefill(grouped, text, method, chunk=25)
    stepwise = prefill(grouped, text, method).cache
    logits = read.logits
    for token in decode(grouped, read, Sampling(stop=NEVER_STOP, max_new_tokens=10)):
        assert token == int(logits.argmax())
        logits = grouped.forward(torch.tensor([token]), stepwise, retrieves=True)[-1]


def test_decoding_stops_before_a_stop_token(grouped):
    read = prefill(grouped, ids(20), lm_infinite())
    free = list(decode(grouped, read, Sampling(stop=NEVER_STOP, max_new_tokens=20)))
    end = free[7]
    again = prefill(grouped, ids(20), lm_infinite())
    stopped = list(decode(grouped, again, Sampling(stop=frozenset({end}), max_new_tokens=20)))
    assert stopped == free[: free.index(end)]


def test_the_first_token_may_be_the_stop_token(grouped):
    read = prefill(grouped, ids(20), lm_infinite())
    assert list(decode(grouped, read, Sampling(stop=frozenset(range(VOCABULARY))))) == []


@pytest.mark.parametrize("count", [1, 2, 9])
def test_no_more_tokens_than_asked_for(grouped, count):
    read = prefill(grouped, ids(20), lm_infinite())
    assert len(list(decode(grouped, read, Sampling(stop=NEVER_STOP, max_new_tokens=count)))) == count


def test_the_model_says_which_tokens_end_an_answer(grouped):
    assert stop_ids(grouped) == {2}
    several = tiny.model(eos_token_id=[2, 7])
    assert stop_ids(several) == {2, 7}
    without = tiny.model(eos_token_id=None)
    assert stop_ids(without) == frozenset()
    silenced = Sampling(stop=NEVER_STOP, max_new_tokens=3)
    read = prefill(grouped, ids(20), lm_infinite())
    certain = Prefilled(read.cache, torch.eye(VOCABULARY)[2])
    assert list(decode(grouped, certain)) == []
    assert next(decode(grouped, certain, silenced)) == 2


@pytest.mark.parametrize("key", ["vanilla", "lm-infinite", "self-extend"])
def test_a_conversation_goes_on_as_if_it_had_been_read_at_once(grouped, key):
    """Prompt, answer, question, answer: the cache's own list says what it has read, and the rest is given to it."""
    method, greedy = defaults(key), Sampling(stop=NEVER_STOP, max_new_tokens=8)
    text, question = ids(50), ids(20, seed=4)
    first = prefill(grouped, text, method, chunk=30)
    answer = list(decode(grouped, first, greedy))
    whole = [*text.tolist(), *answer, *question.tolist()]
    missing = whole[first.cache.length :]
    assert list(first.cache.ids) == whole[: first.cache.length]
    second = prefill(grouped, missing, method, first.cache)
    close(second.logits, grouped.logits(whole, method)[-1])
    assert list(decode(grouped, second, greedy)) == argmax_loop(grouped, torch.tensor(whole), method, 8)


@pytest.mark.parametrize("taken", [1, 4])
def test_an_answer_that_nobody_waits_for_leaves_a_cache_that_says_what_it_read(grouped, taken):
    read = prefill(grouped, ids(20), lm_infinite())
    tokens = decode(grouped, read, Sampling(stop=NEVER_STOP))
    answer = [next(tokens) for _ in range(taken)]
    tokens.close()
    assert list(read.cache.ids) == [*ids(20).tolist(), *answer[:-1]]
    assert read.cache.length == len(read.cache.ids)


# Watching


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


@pytest.mark.parametrize("key", ["lm-infinite", "truncation", "dynamic-ntk"])
def test_watching_shows_the_same_logits_and_counts_the_chunks(grouped, key):
    method, observer, text = defaults(key), Everything(), ids(80)
    n = method.keeps(80)
    assert [step.done for step in watch(grouped, text, method, observer, chunk=30)] == [*range(30, n, 30), n]
    assert [start for start, _ in observer.seen] == list(range(0, n, 30))
    close(torch.cat([logits for _, logits in observer.seen]), grouped.logits(text, method)[80 - n :])
    assert {len(states) for _, states in observer.states} == {4}, "after the embedding and after each layer"
    assert sum(len(states[0]) for _, states in observer.states) == n
    assert [step.layer for step in observer.steps] == [0, 1, 2] * len(observer.seen)
