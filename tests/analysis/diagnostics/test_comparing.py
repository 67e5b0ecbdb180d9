"""Methods side by side: one after the other, partial results on the way, and a failure that stays where it is."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from analysis.diagnostics.comparing import (
    DONE,
    FAILED,
    STOPPED,
    WORKING,
    Side,
    compare_steps,
    figures,
    from_cache,
    word_at,
)
from analysis.diagnostics.measuring import ResultCache, Text, is_cached
from analysis.diagnostics.options import OPTIONS, PanelOptions
from analysis.diagnostics.panels import PANELS
from analysis.runs import make_runs
from longsight.methods import METHODS
from tests.longsight import tiny

RUNS = make_runs([METHODS["vanilla"](), METHODS["window"](window=9)])
TWO_ALIKE = make_runs([METHODS["self-extend"](group=2, window=16), METHODS["self-extend"](group=8, window=16)])


def text(n=70):
    return (Text("t", tiny.ids(n).numpy()),)


def sides():
    return [Side(run) for run in RUNS]


def run(model, these, panel="nll", choice=PanelOptions(), kept=None, texts=None):  # noqa: B008
    return list(compare_steps(model, texts or text(), these, PANELS[panel], choice, kept, chunk=30))


def test_methods_go_one_after_the_other_and_show_what_is_known_on_the_way():
    these, seen = sides(), []
    for side in compare_steps(tiny.model(), text(), these, PANELS["nll"], PanelOptions(), chunk=30):
        shown = side.shown()
        seen.append((side.run.key, side.state, side.done, int(np.isfinite(shown[0].nll).sum())))
    assert seen == [
        ("vanilla", WORKING, 30, 30), ("vanilla", WORKING, 60, 60), ("vanilla", WORKING, 70, 69),
        ("vanilla", DONE, 70, 69), ("window", WORKING, 30, 30), ("window", WORKING, 60, 60),
        ("window", WORKING, 70, 69), ("window", DONE, 70, 69),
    ]  # fmt: skip
    assert all(side.seconds > 0 and side.partial is None for side in these)
    assert [each.name for each in figures(these, PANELS["nll"], PanelOptions())] == ["nll"]


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (torch.OutOfMemoryError, "Vanilla ran out of memory at token 0; choose a shorter length."),
        (MemoryError, "Vanilla ran out of memory at token 0; choose a shorter length."),
        (ZeroDivisionError, "Vanilla failed in a way that was not foreseen; the log has the details."),
    ],
)
def test_one_that_fails_says_why_and_the_others_go_on(failure, said, caplog):
    def breaks(reading):
        if reading.method.key == "vanilla":
            raise failure
        return PANELS["nll"].probes(PanelOptions())[0](reading)

    panel, these = replace(PANELS["nll"], probes=lambda choice: [breaks]), sides()
    list(compare_steps(tiny.model(), text(), these, panel, PanelOptions()))
    assert [(side.state, side.error) for side in these] == [(FAILED, said), (DONE, "")]
    assert [each.name for each in figures(these, panel, PanelOptions())] == ["nll"]
    assert failure.__name__ in caplog.text


def test_what_the_model_does_not_have_is_a_sentence_in_every_side():
    these = sides()
    run(tiny.model(), these, "logits", PanelOptions(heads=(7,)))
    assert {side.error for side in these} == {"head 7 was asked for; llama has 0 to 3."}


def test_closing_marks_what_is_not_done_as_stopped_and_forgets_it():
    these, kept = sides(), ResultCache()
    steps = compare_steps(tiny.model(), text(), these, PANELS["nll"], PanelOptions(), kept, chunk=30)
    next(steps)
    steps.close()
    assert [side.state for side in these] == [STOPPED, STOPPED]
    assert all(side.shown() is None for side in these)
    assert kept.nbytes == 0
    assert not figures(these, PANELS["nll"], PanelOptions())


@pytest.mark.parametrize("key", PANELS)
def test_every_panel_is_recalled_without_reading_and_drawn_again(key, monkeypatch):
    model, kept, panel = tiny.model(), ResultCache(), PANELS[key]
    assert from_cache(model, text(), RUNS, panel, PanelOptions(), kept) is None
    run(model, sides(), key, kept=kept)
    monkeypatch.setattr(type(model), "forward", lambda *_, **__: pytest.fail("the model was asked again"))
    again = from_cache(model, text(), RUNS, panel, PanelOptions(mark=3), kept)
    assert [side.state for side in again] == [DONE, DONE]
    drawn = figures(again, panel, PanelOptions(mark=3))
    kinds = [each.kind for each in drawn]
    assert kinds == sorted(kinds, key=kinds.index)  # those of one kind stand together


@pytest.mark.parametrize("key", PANELS)
def test_a_method_beside_itself_loses_nothing(key):
    choice = PanelOptions(layers=(1,), heads=(2,)) if key == "attention" else PanelOptions()
    these = [Side(run) for run in TWO_ALIKE]
    run(tiny.model(), these, key, choice)
    assert [side.state for side in these] == [DONE, DONE]
    drawn = figures(these, PANELS[key], choice)
    assert len({each.name for each in drawn}) == len(drawn)
    for kind in {each.kind for each in drawn} - {"difference"}:
        runs = [each.run for each in drawn if each.kind == kind]
        assert runs in ([None], ["self-extend", "self-extend-2"])
    for each in drawn:
        if each.run is None and each.kind != "mass":  # which has a row for each, by its caption
            legend = [trace for trace in each.figure.data if trace.showlegend is not False]
            lines = [trace for trace in legend if trace.legendgroup in ("self-extend", "self-extend-2")]
            assert [line.name for line in lines] == ["SelfExtend G=2", "SelfExtend G=8"]
            assert lines[0].line.color != lines[1].line.color
        if each.kind == "mass":
            rows = [note.text for note in each.figure.layout.annotations]
            assert rows == [side.run.method.describe() for side in these]


def test_the_difference_of_two_runs_of_a_method_is_drawn():
    choice, these = PanelOptions(layers=(1,), heads=(2,)), [Side(run) for run in TWO_ALIKE]
    run(tiny.model(), these, "attention", choice)
    drawn = figures(these, PANELS["attention"], choice)
    pairs = [f"{name}-{run.id}" for name in ("map", "lines") for run in TWO_ALIKE]
    assert [each.name for each in drawn][-5:] == [*pairs, "difference-self-extend-2"]
    captions = " minus ".join(run.method.describe() for run in reversed(TWO_ALIKE))
    assert drawn[-1].figure.layout.title.text == f"{captions}: layer 1, head 2"


def test_only_what_a_panel_measures_or_concludes_is_measured_again():
    model, kept, method = tiny.model(), ResultCache(), RUNS[0].method
    changed = {
        "layers": (1,), "heads": (1,), "queries": (1, 5), "keys": (1, 5), "smoothing": 3, "projection": "umap",
        "axes": 3, "starting": 4, "enlarged": (0, 1), "mark": 2, "most_queries": 30, "cells": 9,
    }  # fmt: skip
    for key, panel in PANELS.items():
        run(model, sides(), key, kept=kept)
        others = {name: replace(PanelOptions(), **{name: value}) for name, value in changed.items()}
        again = {name for name, other in others.items() if not is_cached(model, text(), method, panel, other, kept)}
        assert again == set(panel.measures + panel.concludes)
        assert set(panel.reads) <= set(changed) == set(OPTIONS)


def test_a_token_is_told_by_name():
    assert word_at(tiny.model(), Text("t", np.array([5, 3])), 1) == "'#3'"
    assert word_at(tiny.model(), Text("t", np.array([5, 3])), 2) is None
