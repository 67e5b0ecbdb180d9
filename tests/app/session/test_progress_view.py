"""Progress in words: how fast, how long still, and which run it is."""

from analysis.runs import make_runs
from app.session import progress_view
from app.session.progress_view import PATIENCE, DrawingPace, Pace, side_view
from longsight.methods import METHODS


def test_pace_says_what_is_done_how_fast_and_what_is_left(monkeypatch):
    monkeypatch.setattr(progress_view.time, "perf_counter", lambda: 10.0)
    pace = Pace(400, start=8.0)
    assert pace.said(100) == "100 of 400 tokens · 50 a second · 6 s left"
    assert pace.said(100, left=60) == "100 of 400 tokens · 50 a second · 1 min left"
    assert Pace(20, "trials", start=8.0).said(0) == "0 of 20 trials"


def test_a_sentence_on_progress_is_text():
    assert "&lt;b&gt;" in progress_view.progress_bar("<b>")
    assert 'value="0.250"' in progress_view.progress_bar("reading", 0.25)
    assert "value=" not in progress_view.progress_bar("loading")


def test_two_runs_of_one_method_are_told_apart_by_name_and_colour():
    methods = [METHODS["self-extend"](group=group, window=16) for group in (4, 16)]
    one, two = (side_view(run, "working", "reading", part=0.5) for run in make_runs([*methods]))
    assert "<b>SelfExtend G=4 (group=4, window=16)</b>" in one
    assert "<b>SelfExtend G=16 (group=16, window=16)</b>" in two
    assert 'value="0.500"' in one
    assert one.partition("--method:")[2][:7] != two.partition("--method:")[2][:7]


def test_a_problem_is_text():
    [run] = make_runs([METHODS["vanilla"]()])
    assert "&lt;b&gt;" in side_view(run, "failed", "", "<b>")


def test_drawing_takes_the_smaller_part_of_the_time_however_slow_the_machine_is(monkeypatch):
    now = 100.0
    monkeypatch.setattr(progress_view.time, "monotonic", lambda: now)
    drawings = DrawingPace(pause=0.4)
    assert drawings.due()
    with drawings.drawing():
        now += 2.0
    for waited, due in ((0.5, False), (2.0 * PATIENCE, False), (2.0 * PATIENCE + 0.1, True)):
        now = 102.0 + waited
        assert drawings.due() is due
    with drawings.drawing():
        pass  # a quick one
    now += 0.5
    assert drawings.due()
