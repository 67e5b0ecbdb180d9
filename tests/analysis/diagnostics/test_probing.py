"""Every probe against whole attention matrices in float64: every method, chunks cut anywhere, queries drawn or all."""

from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
import torch

from analysis.diagnostics.attention import PARTS, MassProbe
from analysis.diagnostics.attention_map import MapProbe
from analysis.diagnostics.distances import DistanceProbe
from analysis.diagnostics.entropy import EntropyProbe
from analysis.diagnostics.hidden_states import HiddenProbe
from analysis.diagnostics.logits import LogitProbe
from analysis.diagnostics.nll import NLLProbe
from analysis.diagnostics.options import PanelOptions
from analysis.diagnostics.panels import PANELS
from analysis.diagnostics.probing import Probing, measure
from analysis.diagnostics.reading import Reading, draw, token_texts
from analysis.diagnostics.sinks import SinkProbe
from analysis.export.files import from_npz, to_csv, to_json, to_npz
from longsight.errors import LongSightError
from longsight.methods import METHODS
from tests.analysis.diagnostics.naive import models, naive
from tests.longsight import tiny
from tests.longsight.matrix import variants

N = 70  # the models are trained on 32
TOLERANCE = {"atol": 1e-5, "rtol": 1e-5, "equal_nan": True}
STARTING, WINDOW = 6, 20
FETCHING = METHODS["lm-infinite"](window=16, starting=4, top_k=5, from_layer=1, insert_at=8)
CASES = [*(tiny.defaults(key, N) for key in METHODS), METHODS["vanilla"](log_n=tiny.TRAINED)]
CASES += [FETCHING, replace(FETCHING, log_n=8)]
PROBES = (
    LogitProbe,
    EntropyProbe,
    partial(MassProbe, starting=STARTING, window=WINDOW),
    DistanceProbe,
    SinkProbe,
    partial(MapProbe, cells=512),
    partial(MapProbe, cells=9),
    HiddenProbe,
    NLLProbe,
)
EVERY_METHOD = pytest.mark.parametrize("method", CASES, ids=lambda method: method.describe())


@cache
def pair():
    return models()


@cache
def truth(method):
    return naive(pair()[1], tiny.ids(N), method)


@cache
def measured(method, chunk=33, most=4096):
    return measure(pair()[0], tiny.ids(N), method, PROBES, most, chunk)


def same(found, expected):
    assert found.shape == np.shape(expected)
    np.testing.assert_allclose(found, expected, **TOLERANCE)


def check_logits(record, true, rows):
    logits = true.logits[:, :, rows]
    same(record.largest, np.nanmax(np.abs(logits), -1))
    same(record.mean, np.nanmean(logits, -1))
    same(record.spread, np.nanstd(logits, -1))
    same(record.keys, np.isfinite(logits).sum(-1).max(1))


def check_entropy(record, true, rows):
    weights = true.weights[:, :, rows]
    entropy = -np.where(weights > 0, weights * np.log(np.where(weights > 0, weights, 1)), 0).sum(-1)
    same(record.entropy, entropy)
    same(record.largest, np.nanmax(np.abs(true.logits[:, :, rows]), (-1, -2)))
    seen = np.isfinite(true.logits[:, :, rows]).sum(-1)
    keys = seen.max(1, keepdims=True)
    same(record.share, entropy / np.where(keys > 1, np.log(keys), np.nan))
    assert ((record.bound <= record.entropy + 1e-5) | (seen < keys)).all()


def check_mass(record, true, rows):
    i, j = np.indices((true.n, true.n))
    fetched = true.fetched
    first = (j < STARTING) & ~fetched
    near = (i - j < WINDOW) & ~first & ~fetched
    for field, part in zip(PARTS.values(), (first, near, ~(first | near | fetched), fetched), strict=True):
        same(getattr(record, field), (true.weights * part).sum(-1)[:, :, rows])
    same(record.distance, np.nansum(true.weights * true.distance, -1)[:, :, rows])


def sees_most(true):
    """The head of the first layer that sees most keys by its rule."""
    return int((np.isfinite(true.logits[0]) & ~true.fetched[0]).sum((1, 2)).argmax())


def check_distances(record, true, rows):
    bins = np.ceil(true.distance[:, :, rows] / record.width - 1e-4)  # rounding is no distance
    weights = true.weights[:, :, rows]
    shown, attended = np.zeros(len(record.upper)), np.zeros((len(weights), len(record.upper)))
    for layer, _head, query, key in np.argwhere(np.isfinite(bins)):
        attended[layer, int(bins[layer, _head, query, key])] += weights[layer, _head, query, key]
    most = sees_most(true)
    for query, key in np.argwhere(np.isfinite(bins[0, most]) & ~true.fetched[0, most, rows]):
        shown[int(bins[0, most, query, key])] += 1
    same(record.shown, shown / len(rows))
    same(record.attended, attended / (len(rows) * weights.shape[1]))
    assert record.attended.sum(-1) == pytest.approx(1)


def check_sinks(record, true, rows):
    weights = np.where(true.fetched, 0, true.weights)[:, :, rows]
    seen = (np.isfinite(true.logits) & ~true.fetched)[0, sees_most(true), rows].sum(0)
    assert record.seen.tolist() == seen.tolist()
    same(record.received, weights.sum(2) / np.where(seen, seen, np.nan))
    same(record.collected, weights.sum(2) * true.n / len(rows))


def check_map(record, true, rows):
    """A cell is the mean over its queries of the weights of its keys."""
    weights, visible = true.weights[:, :, rows], np.isfinite(true.logits)[:, :, rows]
    queries = np.searchsorted(record.query_position - record.unread, rows, side="right") - 1
    keys = np.searchsorted(record.key_position - record.unread, np.arange(true.n), side="right") - 1
    expected = np.full(record.weight.shape, np.nan)
    for row, column in np.ndindex(*record.weight.shape[2:]):
        part = np.ix_(queries == row, keys == column)
        cell, any_seen = weights[:, :, part[0], part[1]], visible[:, :, part[0], part[1]].any((2, 3))
        expected[any_seen, row, column] = cell.sum(-1).mean(-1)[any_seen]
    same(record.weight, expected)


def test_every_probe_of_every_panel_is_held_against_something_and_every_method_is_among_the_cases():
    """Here, or in a test of its own."""
    used = {make for panel in PANELS.values() for make in panel.probes(PanelOptions(layers=(0,), heads=(0,)))}
    made = {type(make(Reading(pair()[0], CASES[0], tiny.ids(N)))) for make in used}
    elsewhere = made - {getattr(probe, "func", probe) for probe in PROBES}
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    assert all(probe.__name__ in tests for probe in elsewhere)
    assert {method.key for method in CASES} == set(METHODS)


ODD_CHUNKS = [(FETCHING, chunk) for chunk in (1, 2, 16, 17, 69)] + [(tiny.defaults("dynamic-ntk"), 1)]


@pytest.mark.parametrize(
    ("method", "chunk"),
    [(method, chunk) for method in CASES for chunk in (7, 33, N)] + ODD_CHUNKS,
    ids=lambda x: str(x) if isinstance(x, int) else x.describe(),
)
def test_attention_probes_are_the_naive_computation(method, chunk):
    true, records = truth(method), measured(method, chunk)
    rows = np.arange(true.n)
    checks = (check_logits, check_entropy, check_mass, check_distances, check_sinks, check_map, check_map)
    for check, record in zip(checks, records[: len(checks)], strict=True):
        check(record, true, rows)


@EVERY_METHOD
def test_queries_that_are_drawn_measure_the_same(method):
    true, records = truth(method), measured(method, 33, 23)
    rows = records[0].position - records[0].unread
    assert len(rows) == 23
    assert (rows[0], rows[-1]) == (0, true.n - 1)
    assert records[0].sampling.startswith(f"23 of {true.n} queries were measured")
    for check, record in zip((check_logits, check_entropy, check_mass, check_distances), records[:4], strict=True):
        check(record, true, rows)
    check_sinks(records[4], true, rows)
    check_map(records[6], true, rows)


@EVERY_METHOD
@pytest.mark.parametrize("chunk", [7, 33, N])
def test_hidden_states_and_nll_are_the_naive_ones(method, chunk):
    true, (hidden, nll) = truth(method), measured(method, chunk)[-2:]
    same(hidden.states, true.capture.states)
    assert hidden.position.tolist() == list(range(N - true.n, N))
    predicted = true.capture.predicted
    log_sum = np.log(np.exp(predicted - predicted.max(-1, keepdims=True)).sum(-1)) + predicted.max(-1)
    ids = tiny.ids(N).numpy()[N - true.n :]
    expected = log_sum[:-1] - predicted[np.arange(true.n - 1), ids[1:]]
    same(nll.nll, np.concatenate((np.full(N - true.n + 1, np.nan), expected)))


def test_biases_are_measured_too():
    """ALiBi: the bias belongs to the logits."""
    shape = {"d_model": 32, "n_heads": 4, "n_layers": 2, "expansion_ratio": 2, "max_seq_len": tiny.TRAINED}
    model, exact = models(family="mpt", **shape)
    for key in ("vanilla", "lm-infinite"):
        method = tiny.defaults(key, N)
        records = measure(model, tiny.ids(N), method, PROBES, chunk=27)
        true = naive(exact, tiny.ids(N), method)
        for check, record in zip((check_logits, check_entropy, check_mass), records[:3], strict=True):
            check(record, true, np.arange(N))


@pytest.mark.parametrize("method", [FETCHING, METHODS["truncation"](length=50)], ids=lambda method: method.key)
@pytest.mark.parametrize(("queries", "keys"), [((41, 47), (30, 45)), ((69, 70), (20, 70)), ((25, 70), (25, 70))])
def test_a_crop_is_the_weights_themselves(method, queries, keys):
    make = partial(MapProbe, layers=(2,), heads=(3, 1), queries=queries, keys=keys, cells=64)
    (record,) = measure(pair()[0], tiny.ids(N), method, [make], chunk=33)
    true, unread = truth(method), N - method.keeps(N)
    rows, columns = (slice(a - unread, b - unread) for a, b in (queries, keys))
    weights = true.weights[2, [1, 3], rows, columns]
    same(record.weight[0], np.where(np.isfinite(true.logits[2, [1, 3], rows, columns]), weights, np.nan))
    assert record.exact
    assert record.head.tolist() == [1, 3]
    assert record.query_position.tolist() == list(range(*queries))


def test_ranges_are_cut_to_what_is_read():
    make = partial(MapProbe, queries=(0, N), keys=(0, 1000))
    (record,) = measure(pair()[0], tiny.ids(N), METHODS["truncation"](length=50), [make])
    assert (record.queries, record.keys) == ((20, 70), (20, 70))
    assert record.weight.shape == (3, 4, 50, 50)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (partial(LogitProbe, layers=(0, 3)), "layer 3 was asked for; llama has 0 to 2."),
        (partial(HiddenProbe, depths=(4,)), "depth 4 was asked for; llama has 0 to 3."),
        (partial(MapProbe, heads=()), "head none was asked for; llama has 0 to 3."),
        (partial(MapProbe, cells=513), "A map of 513 cells a side was asked for; 1 to 512 would work."),
        (partial(MapProbe, queries=(0, 20)), "tokens 0 to 19 was asked for; Truncation reads tokens 20 to 69"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_sentence(make, said):
    with pytest.raises(LongSightError, match=said):
        Probing(pair()[0], tiny.ids(N), METHODS["truncation"](length=50), [make])


def test_fewer_than_two_queries_are_refused():
    with pytest.raises(LongSightError, match="At least 2 queries must be measured, but 1 were asked for"):
        Probing(pair()[0], tiny.ids(N), METHODS["vanilla"](), [NLLProbe], most=1)


def test_drawn_positions_are_one_from_every_band_and_both_ends():
    drawn = draw(10_000, 100)
    assert drawn.tolist() == draw(10_000, 100).tolist()
    assert (drawn[0], drawn[-1]) == (0, 9_999)
    assert (drawn[1:-1] // 100).tolist() == list(range(1, 99))
    assert len(set((drawn % 100).tolist())) > 30  # evenly spaced ones would all agree
    assert draw(5, 100).tolist() == [0, 1, 2, 3, 4]


def test_records_can_be_had_before_the_end_and_closing_stops():
    probing = Probing(pair()[0], tiny.ids(N), METHODS["vanilla"](), [LogitProbe, NLLProbe, EntropyProbe])
    steps = probing.steps(chunk=20)
    assert (next(steps).done, next(steps).done) == (20, 40)
    steps.close()
    logits, nll, entropy = probing.records()
    whole = measured(METHODS["vanilla"]())
    same(logits.largest[:, :, :40], whole[0].largest[:, :, :40])
    assert np.isnan(logits.largest[:, :, 40:]).all()
    assert np.isnan(nll.nll[41:]).all()
    assert np.isfinite(nll.nll[1:41]).all()
    same(entropy.largest, whole[0].largest[:, :, :40].max(-1))


def test_probes_together_are_probes_alone():
    together = measured(METHODS["lm-infinite"](window=20))
    for make, record in zip(PROBES, together, strict=True):
        (alone,) = measure(pair()[0], tiny.ids(N), METHODS["lm-infinite"](window=20), [make], chunk=33)
        for spec in record.arrays():
            np.testing.assert_array_equal(getattr(alone, spec.name), getattr(record, spec.name))


def test_one_forward_pass_serves_all_probes(monkeypatch):
    calls = []
    forward = type(pair()[0]).forward
    monkeypatch.setattr(type(pair()[0]), "forward", lambda *a, **k: (calls.append(1), forward(*a, **k))[1])
    measure(pair()[0], tiny.ids(N), METHODS["vanilla"](), PROBES, chunk=10)
    assert len(calls) == 7


@pytest.mark.parametrize("place", range(len(PROBES)))
def test_records_survive_their_files_and_say_what_they_hold(place):
    record = measured(FETCHING)[place]
    assert from_npz(type(record), to_npz(record)) == record
    assert '"meaning"' in to_json(record)
    assert '# method: "lm-infinite"' in to_csv(record)


def test_tokens_without_a_tokenizer_are_named_by_their_ids():
    assert token_texts(None, torch.tensor([5, 3, 5])).tolist() == ["#5", "#3", "#5"]


def test_layers_that_keep_a_state_in_the_place_of_keys_have_no_attention_to_measure():
    model, text = variants.adopted("qwen3_5_text"), tiny.ids(30)
    probes = (LogitProbe, EntropyProbe, DistanceProbe, SinkProbe, partial(MapProbe, cells=9))
    for record in measure(model, text, METHODS["vanilla"](), probes, 4096, 11):
        assert record.layer.tolist() == [1], type(record).__name__
    depths, _ = measure(model, text, METHODS["vanilla"](), (HiddenProbe, NLLProbe), 4096, 11)
    assert depths.depth.tolist() == [0, 1, 2, 3]
    with pytest.raises(LongSightError, match=r"Layer 2 of qwen3_5_text keeps a state .* choose among 1\."):
        measure(model, text, METHODS["vanilla"](), (partial(LogitProbe, layers=(1, 2)),), 4096, 11)
