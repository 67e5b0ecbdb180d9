"""How long an evaluation takes is told from its beginning, learnt while it runs, and does not jump."""

from types import SimpleNamespace

import pytest

from app.session import devices, estimate, evaluation_costs, evaluations
from app.session.evaluation_costs import SETTLING, EvaluationClock
from app.session.evaluations import EvaluationSettings
from tests.app.conftest import others_at


@pytest.fixture
def cells(model, session):
    asked = EvaluationSettings(["passkey"], "100,200,300,400", 1, 0)
    return evaluations.make_request(session, model, "vanilla", asked).cells


@pytest.fixture
def passed(monkeypatch):
    """Lets seconds pass."""
    now = SimpleNamespace(at=50.0)
    monkeypatch.setattr(evaluation_costs.time, "perf_counter", lambda: now.at)

    def wait(seconds):
        now.at += seconds

    return wait


def row(seconds):
    return SimpleNamespace(refused=None, run=SimpleNamespace(seconds=seconds))


def test_what_is_left_begins_with_the_forecast_and_the_first_moments_weigh_little(model, cells, passed):
    estimate.speed(model).add(100, 0.0, 1.0)
    clock = EvaluationClock(model, cells)
    forecast = clock.left(cells)
    assert clock.seconds_to_go(cells[0], 0.0) == pytest.approx(forecast)
    passed(SETTLING / 3)  # in which nothing was done: prompts were made, another visitor had a turn
    assert forecast < clock.seconds_to_go(cells[0], 0.01) < 1.34 * forecast


def test_cells_that_are_done_say_what_the_others_cost_and_a_loaded_machine_how_much_longer_that_takes(
    model, cells, passed
):
    estimate.speed(model).add(100, 0.0, 1.0)
    clock = EvaluationClock(model, cells)
    before = clock.left(cells[1:])
    passed(30 * clock.forecast[cells[0].key])
    clock.finish(cells[0], row(10 * clock.forecast[cells[0].key]))
    after = clock.left(cells)
    assert 2 * before < after <= 10 * before, "writing was not known before"
    assert after < clock.seconds_to_go(cells[1], 0.0) < 3 * after, "and the machine does other things, too"
    assert clock.seconds_to_go(cells[1], 0.5) < clock.seconds_to_go(cells[1], 0.1)
    assert 0 < clock.part(cells[1], 0.1) < clock.part(cells[1], 0.5) < 1


def test_where_nothing_is_known_of_the_model_it_is_told_by_what_was_done(model, cells, passed):
    clock = EvaluationClock(model, cells)
    assert clock.seconds_to_go(cells[0], 0.0) is None
    passed(10.0)
    assert clock.seconds_to_go(cells[0], 1.0) == pytest.approx(90.0)  # of 100, 200, 300 and 400 tokens


def test_a_refusal_names_all_that_was_summed_and_only_what_would_fit(model, session, cells, monkeypatch):
    estimate.speed(model).add(100, 0.0, 1.0)
    one = max(evaluation_costs.seconds(model, cell) for cell in cells)
    vanilla = evaluation_costs.seconds
    monkeypatch.setattr(estimate, "MOST_SECONDS", one)
    with others_at(model.device):
        said = set(evaluation_costs.problems(session, model, cells).values())
        assert len(said) == 1, "each cell fits by itself, and all are refused together"
        assert " for 4 cells of 100 to 400 tokens, and another visitor is at work here too" in said.pop()
        monkeypatch.setattr(
            evaluation_costs,
            "seconds",
            lambda model, cell: vanilla(model, cell) / (1 if cell.method == "vanilla" else 10),
        )
        [sentence] = set(evaluation_costs.problems(session, model, cells).values())
        assert "Choose fewer or shorter lengths, or fewer trials, or choose " in sentence
        assert "Vanilla" not in sentence.partition("Choose")[2]
        monkeypatch.setattr(
            devices, "free_bytes", lambda device: 2 * model.cache_bytes(model.method("vanilla", 250), 250)
        )
        told = evaluation_costs.problems(session, model, cells)
        assert "400 tokens need a cache" in told[cells[3].key]
        assert cells[0].key not in told, "what cannot be run does not count"
        monkeypatch.setattr(estimate, "MOST_SECONDS", 0.0)
        assert evaluation_costs.problems(session, model, cells)[cells[0].key].endswith(
            "Choose fewer or shorter lengths, or fewer trials."
        )
