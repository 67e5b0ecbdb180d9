"""Endless readings: the numbers of one pass over everything, at any position, in memory that stays."""

import io
import math
from dataclasses import asdict

import numpy as np
import pytest
import torch

from analysis.evaluation.endless.long_reader import LongReading, check_endless
from analysis.evaluation.endless.long_text import LongText
from analysis.evaluation.endless.odometer_record import record_of
from longsight.errors import LongSightError
from longsight.methods import METHODS, LMInfinite
from tests.longsight import tiny
from tests.longsight.matrix.variants import adopted
from tests.longsight.tiny import TRAINED, defaults, ids

FAR = 200_000_000
LENGTH = 300
ENDLESS = ("window", "lambda", "lm-infinite", "streaming-llm")


def random_text(n=LENGTH):
    def load():
        yield ids(n).numpy()

    return LongText("random", n, load)


def reading_of(model, *methods, tokens=LENGTH, text=LENGTH, chunk=64, **options):
    return LongReading(model, methods, [random_text(text)], tokens, chunk=chunk, **options)


def read(reading, steps=None):
    """Read on; the NLL of each token that was read, (run, token)."""
    found = [[] for _ in reading.readers]
    for each, noted in zip(reading.readers, found, strict=True):
        each.read = _noting(each, noted)
    for number, _ in enumerate(reading.steps(), 1):
        if number == steps:
            break
    return np.stack([np.concatenate(noted) for noted in found])


def _noting(reader, noted):
    def note(given):
        noted.append(type(reader).read(reader, given))
        return noted[-1]

    return note


@pytest.fixture(scope="module")
def grouped():
    """A random Llama with half as many key heads as heads."""
    return tiny.model("llama")


@pytest.fixture(scope="module", params=["llama", "mpt", "qwen3_next"])
def each_model(request):
    """One that rotates, one with ALiBi, one some of whose layers keep a state in the place of keys."""
    return adopted(request.param)


def moved(state, shift):
    """The same state, `shift` tokens further on in a text."""
    readers = [
        {"expected": its["expected"], "cache": [{**layer, "length": layer["length"] + shift} for layer in its["cache"]]}
        for its in state["readers"]
    ]
    return state | {"position": state["position"] + shift, "readers": readers, "stretches": []}


def saved_and_loaded(state):
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


def test_it_is_what_one_pass_over_all_of_it_is(grouped):
    methods = [defaults(key) for key in ENDLESS]
    reading = reading_of(grouped, *methods)
    found = read(reading)
    record = record_of(reading, "cpu")
    for n, (mine, method) in enumerate(zip(found, methods, strict=True)):
        whole = grouped.nll(ids(LENGTH), method)
        assert np.isnan(mine[0])
        np.testing.assert_allclose(mine[1:], whole, rtol=1e-4, atol=1e-4)
        assert record.mean_nll(record.inside(0, LENGTH))[n] == pytest.approx(whole.mean(), rel=1e-5)
        assert record.mean_nll(record.inside(100, 200))[n] == pytest.approx(whole[99:199].mean(), rel=1e-5)
    assert record.tokens == LENGTH


def test_laps_read_the_same_tokens_again_as_a_text_that_goes_on(grouped):
    tidied = []
    reading = reading_of(
        grouped, defaults("window"), tokens=300, text=120, lap=100, tidy=lambda: tidied.append(reading.position)
    )
    found = read(reading)
    assert tidied == [64, 164, 264], "with the last piece of each, before its memory is looked at"
    again = torch.cat([ids(120)[:100]] * 3)
    np.testing.assert_allclose(found[0, 1:], grouped.nll(again, defaults("window")), rtol=1e-4, atol=1e-4)
    assert record_of(reading, "cpu").lap.tolist() == [0, 1, 2]


@pytest.mark.parametrize("key", METHODS)
def test_a_method_is_read_in_memory_that_stays_or_it_is_refused(key, grouped):
    method = defaults(key).while_reading
    if key not in ENDLESS:
        with pytest.raises(LongSightError, match=r"(remembers the whole|only the last).* lm-infinite, streaming"):
            reading_of(grouped, method)
        return
    reading = reading_of(grouped, method, tokens=900)
    held = {reading.readers[0].cache.nbytes for _ in reading.steps() if reading.position > 4 * TRAINED}
    assert len(held) == 1
    assert len(reading.readers[0].cache.ids) == 0


def test_what_would_be_fetched_at_the_end_is_not_remembered_while_reading(grouped):
    method = LMInfinite(window=TRAINED, top_k=3, from_layer=1)
    with pytest.raises(LongSightError, match="LM-Infinite remembers the whole text"):
        check_endless(grouped, method, 1000)
    check_endless(grouped, method.while_reading, 1000)
    whole, less = (grouped.nll(ids(200), each) for each in (method, method.while_reading))
    assert np.array_equal(whole, less), "only the token after the last would show it"
    together = LMInfinite(window=TRAINED, top_k=3, from_layer=1, queries=16)
    assert together.while_reading == together


def test_it_goes_on_from_a_state_exactly_as_if_it_had_never_ended(each_model):
    methods = [each_model.method(key, LENGTH) for key in ("lm-infinite", "streaming-llm")]
    whole = read(uninterrupted := reading_of(each_model, *methods))
    for steps in (0, 1, 3):
        begun, later = reading_of(each_model, *methods), reading_of(each_model, *methods)
        first = read(begun, steps) if steps else whole[:, :0]
        later.restore(saved_and_loaded(begun.state()))
        assert np.array_equal(np.concatenate((first, read(later)), axis=1), whole, equal_nan=True)
        assert [each.nll for each in later.stretches] == [each.nll for each in uninterrupted.stretches]


@pytest.mark.parametrize("key", ["window", "lm-infinite", "streaming-llm"])
@pytest.mark.parametrize("chunk", [512, 1])
@pytest.mark.parametrize("family", ["llama", "mpt"])
def test_at_two_hundred_million_tokens_it_reads_as_it_did_at_the_beginning(family, chunk, key):
    """These rules know distances alone, so a text may stand anywhere: across position 2e8 its numbers are the same."""
    model, ahead = adopted(family), 4096 if chunk > 1 else 8
    method = model.method(key, LENGTH)
    read(begun := reading_of(model, method, text=9000))
    near = reading_of(model, method, tokens=LENGTH + 2 * ahead, text=9000, chunk=chunk)
    far = reading_of(model, method, tokens=FAR + ahead, text=9000, chunk=chunk)
    state = begun.state() | {"terms": asdict(near.terms)}
    turn = math.lcm(*(each.window for each in near.readers[0].cache.kept_layers))
    shift = (FAR - ahead - LENGTH) // turn * turn  # whole turns of the ring: each key lies where it did
    near.restore(saved_and_loaded(state))
    far.restore(saved_and_loaded(moved(state, shift)))
    assert FAR - ahead - turn < far.position <= FAR - ahead
    before, after = read(near), read(far)
    assert far.position == FAR + ahead
    common = min(before.shape[1], after.shape[1])
    assert common >= 2 * ahead
    np.testing.assert_allclose(after[:, :common], before[:, :common], rtol=1e-5, atol=1e-5)


def test_a_state_of_another_reading_is_refused_and_says_why(grouped):
    state = reading_of(grouped, defaults("window")).state()
    with pytest.raises(LongSightError, match=r"begun with the methods \('Window \(window=32\)',\), and not with \('Λ"):
        reading_of(grouped, defaults("lambda")).restore(state)
    with pytest.raises(LongSightError, match="begun with the lap None, and not with 7"):
        reading_of(grouped, defaults("window"), lap=7).restore(state)


def test_nothing_read_is_nothing_to_show(grouped):
    with pytest.raises(LongSightError, match="Nothing was read yet"):
        record_of(reading_of(grouped, defaults("window")), "cpu")
    for wrong in ({"tokens": 0}, {"chunk": 0}, {"lap": 0}):
        with pytest.raises(LongSightError, match="at least (one|1) token"):
            reading_of(grouped, defaults("window"), **wrong)
