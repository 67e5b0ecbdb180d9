"""Texts are measured step by step, and what was measured once is there at once."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.diagnostics.measuring import ResultCache, Text, measure_steps, nbytes
from analysis.diagnostics.options import PanelOptions
from analysis.diagnostics.panels import PANELS
from longsight.errors import LongSightError
from longsight.methods import METHODS
from tests.longsight import tiny


def run_to_end(steps):
    count = 0
    while True:
        try:
            next(steps)
        except StopIteration as finished:
            return count, finished.value
        count += 1


def text(seed=0, n=70):
    return [Text("t", tiny.ids(n, seed).numpy())]


def test_what_was_read_once_is_cached():
    model, kept, method = tiny.model(), ResultCache(), METHODS["vanilla"]()
    panel = PANELS["nll"]
    count, first = run_to_end(measure_steps(model, text(), method, panel, PanelOptions(), kept, chunk=30))
    assert count == 3
    for choice in (PanelOptions(), PanelOptions(smoothing=9), PanelOptions(mark=3)):
        assert run_to_end(measure_steps(model, text(), method, panel, choice, kept)) == (0, first)
    for other in (
        measure_steps(model, text(1), method, panel, PanelOptions(), kept),
        measure_steps(model, text(), METHODS["window"](window=9), panel, PanelOptions(), kept),
        measure_steps(model, text(), method, PANELS["logits"], PanelOptions(layers=(0,)), kept),
        measure_steps(model, text(), method, PANELS["logits"], PanelOptions(), kept),
        measure_steps(tiny.model(), text(), method, panel, PanelOptions(), kept),
    ):
        assert run_to_end(other)[0] > 0


def test_memory_is_bounded_and_the_oldest_goes_first():
    model, panel, method = tiny.model(), PANELS["nll"], METHODS["vanilla"]()
    (_, record) = run_to_end(measure_steps(model, text(), method, panel))
    kept = ResultCache(most=int(2.5 * nbytes(record)))
    for seed in (0, 1, 0, 2):
        run_to_end(measure_steps(model, text(seed), method, panel, PanelOptions(), kept))
    assert kept.nbytes == 2 * nbytes(record)
    assert run_to_end(measure_steps(model, text(0), method, panel, PanelOptions(), kept))[0] == 0
    assert run_to_end(measure_steps(model, text(1), method, panel, PanelOptions(), kept))[0] == 1
    kept.clear()
    assert kept.nbytes == 0


def test_what_was_stopped_is_not_cached():
    model, kept, method = tiny.model(), ResultCache(), METHODS["vanilla"]()
    steps = measure_steps(model, text(), method, PANELS["nll"], PanelOptions(), kept, chunk=30)
    step = next(steps)
    assert (step.done, step.total) == (30, 70)
    assert np.isfinite(step.result()[0].nll[1:31]).all()
    steps.close()
    assert kept.nbytes == 0


def test_too_many_texts_are_refused():
    with pytest.raises(LongSightError, match="Clusters shows 1 to 4 texts at once, but 5 were given"):
        next(measure_steps(tiny.model(), text() * 5, METHODS["vanilla"](), PANELS["clusters"]))


def test_a_panel_does_not_get_to_see_options_that_it_does_not_declare():
    """They are no part of the cache's key, so what was measured under them would come back under others."""
    asked = []
    nll = PANELS["nll"]
    watched = replace(nll, probes=lambda options: (asked.append(options), nll.probes(options))[1], measures=("layers",))
    run_to_end(
        measure_steps(tiny.model(), text(), METHODS["vanilla"](), watched, PanelOptions(layers=(1,), starting=3))
    )
    assert asked == [PanelOptions(layers=(1,))]


@pytest.mark.parametrize("most", [23, 70])
def test_as_many_queries_are_measured_as_asked_for(most):
    options = PanelOptions(most_queries=most)
    _, (record,) = run_to_end(measure_steps(tiny.model(), text(), METHODS["vanilla"](), PANELS["logits"], options))
    assert len(record.position) == most
