"""Reading on: NLL is the library's, bands and milestones are its means; inside the window a method costs nothing."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from analysis.evaluation.cell import EvaluationCell
from analysis.evaluation.memory import forget_peak, peak_memory
from analysis.evaluation.tasks import clock
from analysis.evaluation.tasks.clock import Clock
from analysis.evaluation.tasks.efficiency import Efficiency
from analysis.evaluation.tasks.passages import bits_per_byte
from analysis.evaluation.tasks.perplexity import Perplexity
from analysis.evaluation.tasks.qa import QA
from analysis.evaluation.tasks.short_context import ShortContext
from analysis.evaluation.worker import steps_on
from longsight.errors import LongSightError
from longsight.methods import METHODS
from longsight.progress import finish, mapped
from tests.longsight import tiny


def outcomes(task, model, method, cases):
    steps = list(task.steps(model, method, cases))
    assert steps[-1].done == steps[-1].total
    done = [step.done for step in steps]
    assert done == sorted(done)
    return [step.result for step in steps if step.result]


@pytest.mark.parametrize("key", METHODS)
def test_scores_are_means_of_the_engines_own_nll(model, key):
    task, method = Perplexity(last=50, band=100), tiny.defaults(key, 330)
    cases = task.cases(model, 330, 2, 0)
    assert {len(case.ids) for case in cases} == {330}
    for case, outcome in zip(cases, outcomes(task, model, method, cases), strict=True):
        nll = np.concatenate(([np.nan], model.nll(case.ids, method)))
        assert outcome.scores["nll"] == pytest.approx(np.nanmean(nll), abs=1e-4)
        assert outcome.scores["nll_last"] == pytest.approx(np.nanmean(nll[-50:]), abs=1e-4)
        for number, mean in enumerate(outcome.more["bands"]):
            part = nll[100 * number : 100 * (number + 1)]
            known = part[np.isfinite(part)]
            assert mean is None if not len(known) else mean == pytest.approx(known.mean(), abs=1e-4)


def test_passages_follow_from_the_seed_and_the_trial(model):
    task = Perplexity()
    first, second = task.cases(model, 300, 2, 0)
    assert [first] == task.cases(model, 300, 1, 0)
    assert len({first.ids, second.ids, task.cases(model, 300, 1, 1)[0].ids}) == 3


def test_passages_of_different_lengths_end_alike(model):
    short, long = (Perplexity().cases(model, length, 2, 4) for length in (200, 500))
    assert [case.ids[-190:] for case in short] == [case.ids[-190:] for case in long]


def test_a_text_that_is_too_short_is_refused(model, tmp_path):
    (tmp_path / "short.txt").write_text("A few words. " * 9)
    with pytest.raises(LongSightError, match=r"300 tokens of .*short\.txt were asked for, but it has \d+ before"):
        Perplexity(text=str(tmp_path / "short.txt")).cases(model, 300, 1, 0)


@pytest.mark.parametrize(
    "key", ["vanilla", "lm-infinite", "lambda", "ceiling", "window", "streaming-llm", "truncation"]
)
def test_inside_the_trained_length_these_methods_cost_nothing(model, key):
    task, method = ShortContext(), tiny.defaults(key, tiny.TRAINED)
    (outcome,) = outcomes(task, model, method, task.cases(model, tiny.TRAINED, 1, 0))
    assert outcome.scores["cost"] == pytest.approx(0, abs=1e-6)
    assert outcome.scores["largest"] == pytest.approx(0, abs=1e-5)


def test_a_method_that_changes_short_texts_is_seen_to(model):
    task = ShortContext()
    cases = task.cases(model, tiny.TRAINED, 1, 0)
    (outcome,) = outcomes(task, model, METHODS["position-interpolation"](scale=8.0), cases)
    assert outcome.scores["largest"] > 0.01
    plain = model.nll(cases[0].ids, METHODS["vanilla"]())
    assert outcome.scores["nll"] - outcome.scores["cost"] == pytest.approx(plain.mean(), abs=1e-4)


def test_what_was_never_read_has_no_nll(model):
    task = Perplexity(band=64)
    (outcome,) = outcomes(task, model, METHODS["truncation"](length=64), task.cases(model, 300, 1, 0))
    assert outcome.more["bands"][:3] == [None] * 3
    assert math.isfinite(outcome.scores["nll"])


def test_efficiency_measures_each_reading(model):
    task = Efficiency(decode=4)
    cases = task.cases(model, 400, 2, 0)
    for key, expected in (("vanilla", 396), ("window", tiny.TRAINED), ("lampe", 396)):
        for outcome in outcomes(task, model, tiny.defaults(key, 400), cases):
            assert outcome.scores["cache_bytes"] == expected * sum(model.bytes_per_slot)
            assert min(outcome.cost.values()) >= 0
            assert outcome.cost["encode_seconds"] > 0
    with pytest.raises(LongSightError, match="4 tokens leave nothing to read before the 4 that are written"):
        task.cases(model, 4, 1, 0)


def test_a_clock_counts_only_while_it_goes():
    watch = Clock()
    watch.stop()
    for _ in range(200_000):
        pass
    watch.go()
    first = watch.stop()
    for _ in range(200_000):
        pass
    second = watch.stop()
    assert second[0] > first[0]


@pytest.mark.parametrize("task", [QA(), Efficiency(decode=4), Perplexity()])
def test_what_others_do_between_two_steps_is_not_on_the_account_of_a_cell(model, task, monkeypatch):
    now = [0.0]
    read = SimpleNamespace(perf_counter=lambda: now[0], process_time=lambda: now[0])
    monkeypatch.setattr(clock, "time", read)
    cell = EvaluationCell("tiny", "", task, "vanilla", 200, 2, 0)
    steps = steps_on(model, cell, lambda: task.cases(model, 200, 2, 0), chunk=50)

    def others_work(step):
        now[0] += 100

    row = finish(mapped(steps, others_work))
    assert now[0] > 700, "read in pieces"
    assert (row.run.seconds, row.refused) == (0, None)
    assert all(value == 0 for cost in row.run.cost for name, value in cost.items() if not name.endswith("_bytes"))


def test_the_peak_is_what_was_held_at_the_most():
    before = forget_peak()
    taken = np.ones(8_000_000)
    del taken
    assert 60e6 < peak_memory() - before < 200e6
    assert peak_memory() - forget_peak() < 60e6 + 64e6


def test_bits_per_byte_of_a_model_to_which_all_tokens_are_alike(model):
    (case,) = Perplexity().cases(model, 200, 1, 3)
    nll = np.full(200, math.log(300))
    nll[:60] = np.nan
    size = len(model.tokenizer.decode(case.ids[60:]).encode())
    assert bits_per_byte(model, case.ids, nll) == pytest.approx(140 * math.log2(300) / size)
    assert bits_per_byte(model, case.ids, np.full(200, np.nan)) is None
