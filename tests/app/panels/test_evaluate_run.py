"""Evaluations run from the page, without a browser: what is asked is checked, rows are the command's, runs go on."""

import gradio as gr
import pytest

from analysis import evaluate as command
from analysis.evaluation.results import FILE, read_results, read_rows
from analysis.evaluation.tasks import TASKS
from app.panels import evaluate, evaluate_run
from app.session import devices, estimate, evaluation_runs, opened_results, running
from app.session.device_sharing import line_of
from app.session.sessions import Session
from longsight.errors import LongSightError
from tests.app.conftest import others_at

METHODS = "vanilla;self-extend:group=4,window=16"
SHORT = ["perplexity", "qa"]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(evaluation_runs, "PAUSE", 0.0)
    monkeypatch.setattr(evaluation_runs, "DrawingPace", Always)


class Always(evaluation_runs.DrawingPace):
    """Draws whatever it costs."""

    def due(self):
        return True


@pytest.fixture(scope="module")
def controls(shared):
    return evaluate_run.build_evaluate_run(shared)


@pytest.fixture(scope="module")
def panel(shared):
    return evaluate.build_panel("tiny")


@pytest.fixture
def asked(model, session):
    """The values of all controls, as the page sends them."""

    def values(tasks=SHORT, lengths="200,300", trials=1, seed=3, methods=METHODS, whose=None):
        return [tasks, lengths, trials, seed, "tiny", whose or session, methods]

    return values


@pytest.fixture
def begin(controls):
    """Begins what is asked for; its views."""
    return lambda values: controls.steps(controls.read(*values))


def plan(controls, values):
    told = controls.plan(*values)
    return told[controls.run.run].value, told[controls.run.status]


def rows(session):
    return {row.cell: row for row in read_rows(session.results.content, FILE)}


def test_the_page_writes_the_rows_of_the_command_and_each_goes_on_with_the_others(
    controls, begin, asked, session, models_folder, tmp_path
):
    options = ["--model", str(models_folder / "tiny"), "--methods", METHODS, "--task", *SHORT, "--lengths", "200,300"]
    out = ["--trials", "1", "--seed", "3", "--out", str(tmp_path)]
    assert command.main([*options, *out]) == 0
    theirs = {row.cell: row for row in read_results(tmp_path)}
    views = list(begin(asked()))
    mine = rows(session)
    assert mine.keys() == theirs.keys()
    for key, row in mine.items():
        assert row.cases[0].said == theirs[key].cases[0].said
        assert row.scores == pytest.approx(theirs[key].scores, rel=1e-3)
        assert row.model.source == "tiny", "no place on the server's disk"
    assert "all 8 cells are done" in views[-1].status
    assert [len(view.results.finished) for view in views if view.results] == [*range(1, 9), 8]
    (tmp_path / FILE).write_bytes(session.results.content)
    assert command.main([*options, *out]) == 0
    assert {row.cell: row.run for row in read_results(tmp_path)} == {key: row.run for key, row in mine.items()}
    other = Session()
    other.results = opened_results.open_results(FILE, [*theirs.values()])
    assert plan(controls, asked(whose=other)) == (
        "Run", "<span>all 8 cells are done; another seed draws other cases</span>"
    )  # fmt: skip


def test_progress_is_told_and_the_figures_follow_the_task_at_work_or_what_is_picked(panel, begin, asked, session):
    views = list(begin(asked()))
    assert "0 of 8 cells · Perplexity, Vanilla, 200 tokens: " in views[1].status
    assert "<progress" in views[1].status
    drawn = [view for view in views if view.results]
    for view in drawn:
        told = panel.follow(view, "tiny", "")
        assert view.results.parts[told[panel.part].value].task == view.task
    assert [view.task for view in drawn[3:5]] == ["perplexity", "qa"]
    titles = dict(drawn[-1].results.choices)
    first = next(title for title in titles if "erplexity" in title)
    panel.pick(titles[first], session)
    assert session.picked_part == first
    assert panel.follow(drawn[-1], "tiny", first)[panel.part].value == titles[first]
    assert panel.follow(views[1], "tiny", "") == {}


def test_stop_keeps_what_is_done_and_the_next_run_goes_on(controls, begin, asked, session, model):
    assert plan(controls, asked())[0] == "Run"
    steps = begin(asked())
    while next(steps).results is None:
        pass
    running.stop(session)
    last = list(steps)[-1]
    assert "7 of 8 cells are left, 7 prompts" in last.status
    assert not line_of(model.device).busy
    assert not session.busy.locked()
    [kept] = rows(session).values()
    label, said = plan(controls, asked())
    assert (label, "7 of 8 cells are left" in said) == ("Resume", True)
    assert plan(controls, asked(seed=4))[0] == "Run"
    list(begin(asked()))
    assert len(rows(session)) == 8
    assert rows(session)[kept.cell] == kept, "not run again"
    list(begin(asked(tasks=["perplexity"], lengths="200", seed=4)))
    assert len(rows(session)) == 10, "nothing is lost by another choice"
    titles = [title for title, _ in session.results.choices]
    assert len(set(titles)) == len(titles)
    newest = session.results.newest("perplexity", "tiny")
    assert "(2)" in titles[newest]


def test_what_was_run_is_shown_though_other_options_of_its_task_were_opened(begin, asked, session, model):
    list(begin(asked(tasks=["passkey"], lengths="200")))
    [row, *_] = rows(session).values()
    options = row.task.options | {"depths": 3}
    theirs = row.model_copy(update={"cell": "0" * len(row.cell), "task": row.task.model_copy(
        update={"text": "passkey:depths=3", "options": options})})  # fmt: skip
    session.results = opened_results.open_results("theirs.jsonl", [theirs])
    list(begin(asked(tasks=["passkey"], lengths="200")))
    titles = [title for title, _ in session.results.choices]
    assert titles == ["Passkeys (depths=3): tiny", "Passkeys: tiny"]
    assert session.results.newest("passkey", "tiny") == 1


def test_whoever_leaves_keeps_what_was_done(begin, asked, session, model):
    steps = begin(asked())
    while next(steps).results is None:
        pass
    steps.close()
    assert len(rows(session)) == 1
    assert not line_of(model.device).busy
    assert not session.busy.locked()


def test_it_waits_for_another_visitor_and_can_leave_meanwhile(begin, asked, session, model):
    with others_at(model.device):
        steps = begin(asked())
        assert "making prompt 1" in next(steps).status
        assert "0 of 8 cells · sharing the device with another visitor" in next(steps).status
        running.stop(session)
        assert "8 cells" in list(steps)[-1].status
    assert session.results is None


def test_the_estimate_is_learnt_from_what_was_done(controls, begin, asked, model):
    assert plan(controls, asked())[1] == "<span>8 cells, 8 prompts</span>", "nothing is known yet"
    estimate.speed(model).add(1000, 1e5, 100.0)
    assert "8 cells, 8 prompts: about " in plan(controls, asked())[1], "reading alone is no lower bound"
    list(begin(asked()))
    assert "8 cells, 8 prompts: " in plan(controls, asked(seed=9))[1]
    assert "16 cells, 16 prompts: " in plan(controls, asked(seed=9, lengths="200,210,220,230"))[1]


def test_five_keys_in_one_passage_are_read_about_as_often_as_is_forecast():
    passkey = TASKS["passkey"]()
    assert (passkey.count(4), passkey.readings(4), passkey.written(4)) == (20, 11.0, 480)
    assert all(kind().readings(3) > 0 <= kind().written(3) for kind in TASKS.values())


def test_what_does_not_fit_is_said_before_and_the_rest_is_run(controls, begin, asked, session, model, monkeypatch):
    limit = model.cache_bytes(model.method("vanilla", 200), 200) + model.cache_bytes(model.method("vanilla", 300), 300)
    monkeypatch.setattr(devices, "free_bytes", lambda device: limit)
    values = asked(tasks=["perplexity"], lengths="200,300", methods="vanilla")
    said = plan(controls, values)[1]
    assert "2 cells, 1 prompt; 1 cannot be run: 300 tokens need a cache of" in said
    assert "1 of 2 cells are done; 1 cannot be run: 300 tokens" in list(begin(values))[-1].status
    assert plan(controls, values)[0] == "Resume"
    assert [row.refused is None for row in rows(session).values()] == [True, False]
    assert "What could not be run" in " ".join(session.results.lead)
    monkeypatch.setattr(devices, "free_bytes", lambda device: 1)
    assert "200 tokens need a cache" in plan(controls, asked(tasks=["qa"], lengths="200", methods="vanilla"))[1]
    with pytest.raises(LongSightError, match="200 tokens need a cache"):
        list(begin(asked(tasks=["qa"], lengths="200", methods="vanilla")))


def test_a_task_that_refuses_a_length_says_so(begin, asked, session):
    with pytest.raises(LongSightError, match="choose a length above 100"):
        list(begin(asked(tasks=["generation"], lengths="64")))
    assert session.results is None
    list(begin(asked(tasks=["generation"], lengths="64,200")))
    assert len(session.results.refused) == 2


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"tasks": []}, "choose Perplexity, Passkey, Reading questions, Generation, Efficiency or Short context."),
        ({"tasks": None}, "There is no task None"),
        ({"tasks": ["passkey:filler=/etc/passwd"]}, "There is no task 'passkey:filler=/etc/passwd'; there are"),
        ({"tasks": [["passkey"]]}, "There is no task ['passkey']"),
        ({"lengths": ""}, "1 to 16 lengths can be shown, but none were given"),
        ({"lengths": "10"}, "Lengths must be a whole number from 64 to 131,072, but 10 was given"),
        ({"lengths": "1000000000"}, "Lengths must be a whole number from 64 to 131,072"),
        ({"trials": 0}, "Trials must be a whole number from 1 to 50, but 0 was given"),
        ({"trials": 10**9}, "Trials must be a whole number from 1 to 50"),
        ({"trials": None}, "Trials must be a whole number from 1 to 50, but nothing was given."),
        ({"trials": 1.5}, "Trials must be a whole number from 1 to 50, but 1.5 was given."),
        ({"seed": -1}, "Seed must be a whole number from 0"),
        ({"methods": "vanilla;window;lambda;ceiling"}, "4 methods were chosen; 1 to 3"),
        ({"methods": "self-extend:group=4,window=17"}, "is not a multiple of group"),
        (
            {"tasks": [*TASKS], "trials": 50, "lengths": ",".join(map(str, range(64, 80)))},
            "That makes 16,000 prompts; up to 5,000 are asked at once.",
        ),
        (
            {"tasks": ["passkey"], "trials": 4, "lengths": "131072"},
            "Passkey: 20 prompts of 131,072 tokens have 2.62M tokens; up to 1M are held at once.",
        ),
    ],
)
def test_what_cannot_be_run_gets_a_sentence_before_anything_runs(controls, begin, asked, session, values, said):
    label, told = plan(controls, asked(**values))
    assert (label, 'role="alert"' in told) == ("Run", True)
    with pytest.raises(LongSightError) as caught:
        next(begin(asked(**values)))
    assert said in str(caught.value)
    assert not session.busy.locked()


def test_results_of_other_weights_are_not_mixed_with_these(controls, panel, begin, asked, session, monkeypatch):
    list(begin(asked(tasks=["perplexity"])))
    others = [
        row.model_copy(update={"cell": "x", "model": row.model.model_copy(update={"digest": "other"})})
        for row in rows(session).values()
    ]
    session.results = opened_results.open_results(FILE, others)
    assert "are of a tiny with other weights; clear them" in plan(controls, asked())[1]
    monkeypatch.setattr(evaluation_runs.evaluations, "MOST_CELLS", 3)
    session.results = None
    list(begin(asked(tasks=["perplexity"], lengths="200")))
    assert "that makes 10 cells; up to 3 are kept" in plan(controls, asked(seed=8))[1]
    told = panel.forget("rope-small", session)
    assert (session.results, "A finished run" in told[panel.note], told[panel.clear].visible) == (None, True, False)


def test_results_are_saved_opened_and_counted_among_what_a_visit_holds(panel, begin, asked, session, upload_folder):
    before = session.nbytes
    list(begin(asked(tasks=["perplexity"])))
    assert session.nbytes - before == len(session.results.content) > 1000
    name, [(file, content)] = (made := opened_results.files("jsonl", session.results))[0], made[1].items()
    assert (name, file) == ("results", FILE)
    [(file, page)] = opened_results.files("html", session.results)[1].items()
    assert (file, b"Perplexity" in page) == ("report.html", True)
    (upload_folder / file).write_bytes(content)
    other = Session()
    panel.load_results(str(upload_folder / file), "tiny", other)
    assert (other.results.content, other.results.finished) == (content, session.results.finished)
    with other.busy, pytest.raises(gr.Error, match="still at work on something else"):
        panel.load_results(str(upload_folder / file), "tiny", other)


def test_every_task_is_offered_and_runs_as_it_is(begin, asked, session):
    list(begin(asked(tasks=[*TASKS], lengths="300", methods="lm-infinite")))
    assert {row.task.key for row in rows(session).values() if row.refused is None} == set(TASKS)
