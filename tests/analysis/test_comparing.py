"""Methods side by side: one after the other, partial results on the way, and a failure that stays where it is."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from analysis.diagnostics.comparing import DONE, FAILED, STOPPED, WORKING, Side, compare_steps, figures, recall, word_at
from analysis.diagnostics.measuring import Remembered, Text, known
from analysis.diagnostics.panels import PANELS, PanelOptions
from longsight.methods import METHODS
from tests.longsight import tiny

METHODS_SIDE_BY_SIDE = (METHODS["vanilla"](), METHODS["window"](window=9))


def text(n=70):
    return (Text("t", tiny.ids(n).numpy()),)


def sides():
    return [Side(method) for method in METHODS_SIDE_BY_SIDE]


def run(model, these, panel="nll", choice=PanelOptions(), kept=None, texts=None):  # noqa: B008
    return list(compare_steps(model, texts or text(), these, PANELS[panel], choice, kept, chunk=30))


def test_methods_go_one_after_the_other_and_show_what_is_known_on_the_way():
    these, seen = sides(), []
    for side in compare_steps(tiny.model(), text(), these, PANELS["nll"], PanelOptions(), chunk=30):
        shown = side.shown()
        seen.append((side.method.key, side.state, side.done, int(np.isfinite(shown[0].nll).sum())))
    assert seen == [
        ("vanilla", WORKING, 30, 30), ("vanilla", WORKING, 60, 60), ("vanilla", WORKING, 70, 69),
        ("vanilla", DONE, 70, 69), ("window", WORKING, 30, 30), ("window", WORKING, 60, 60),
        ("window", WORKING, 70, 69), ("window", DONE, 70, 69),
    ]  # fmt: skip
    assert all(side.seconds > 0 and side.partial is None for side in these)
    assert set(figures(these, PANELS["nll"], PanelOptions())) == {"nll"}


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
    assert list(figures(these, panel, PanelOptions())) == ["nll"]
    assert failure.__name__ in caplog.text


def test_what_the_model_does_not_have_is_a_sentence_in_every_side():
    these = sides()
    run(tiny.model(), these, "logits", PanelOptions(heads=(7,)))
    assert {side.error for side in these} == {"head 7 was asked for; llama has 0 to 3."}


def test_closing_marks_what_is_not_done_as_stopped_and_forgets_it():
    these, kept = sides(), Remembered()
    steps = compare_steps(tiny.model(), text(), these, PANELS["nll"], PanelOptions(), kept, chunk=30)
    next(steps)
    steps.close()
    assert [side.state for side in these] == [STOPPED, STOPPED]
    assert all(side.shown() is None for side in these)
    assert kept.nbytes == 0
    assert figures(these, PANELS["nll"], PanelOptions()) == {}


@pytest.mark.parametrize("key", PANELS)
def test_every_panel_is_recalled_without_reading_and_drawn_again(key, monkeypatch):
    model, kept, panel = tiny.model(), Remembered(), PANELS[key]
    assert recall(model, text(), METHODS_SIDE_BY_SIDE, panel, PanelOptions(), kept) is None
    run(model, sides(), key, kept=kept)
    monkeypatch.setattr(type(model), "forward", lambda *_, **__: pytest.fail("the model was asked again"))
    again = recall(model, text(), METHODS_SIDE_BY_SIDE, panel, PanelOptions(mark=3), kept)
    assert [side.state for side in again] == [DONE, DONE]
    drawn = figures(again, panel, PanelOptions(mark=3))
    kinds = [name.partition("-")[0] for name in drawn]
    assert kinds == sorted(kinds, key=kinds.index)  # those of one kind stand together


def test_only_what_a_panel_measures_or_concludes_is_measured_again():
    model, kept, method = tiny.model(), Remembered(), METHODS_SIDE_BY_SIDE[0]
    changed = {
        "layers": (1,), "heads": (1,), "queries": (1, 5), "keys": (1, 5), "smoothing": 3, "projection": "umap",
        "axes": 3, "starting": 4, "mark": 2,
    }  # fmt: skip
    for key, panel in PANELS.items():
        run(model, sides(), key, kept=kept)
        others = {name: replace(PanelOptions(), **{name: value}) for name, value in changed.items()}
        again = {name for name, other in others.items() if not known(model, text(), method, panel, other, kept)}
        assert again == set(panel.measures + panel.concludes)
        assert set(panel.reads) <= set(changed)


def test_a_token_is_told_by_name():
    assert word_at(tiny.model(), Text("t", np.array([5, 3])), 1) == "'#3'"
    assert word_at(tiny.model(), Text("t", np.array([5, 3])), 2) is None
