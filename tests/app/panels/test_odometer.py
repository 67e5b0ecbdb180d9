"""The odometer without a browser: what is asked is checked, read in turn, stopped, shown and saved."""

import json

import pytest

from analysis.evaluation.endless.odometer_record import OdometerRecord
from analysis.export.files import from_json
from app.panels import odometer
from app.session import document_loading, finished_examples, long_readings, running
from app.session.device_sharing import line_of
from longsight.errors import LongSightError
from longsight.progress import finish
from tests.app.conftest import others_at


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(long_readings, "PAUSE", 0.0)
    monkeypatch.setattr(finished_examples, "odometer", lambda model_name: None)


@pytest.fixture(scope="module")
def panel(shared):
    return odometer.build_panel(shared)


@pytest.fixture
def reader(session, document, model):
    """A visitor with a document."""
    session.take(document)
    finish(document_loading.tokens_steps(session, model))
    return session


def asked(session, tokens="3k", methods="vanilla;lm-infinite;streaming-llm"):
    return [tokens, "tiny", session, methods]


def names(view, panel):
    return [figure["name"] for figure in view[panel.board]["figures"]]


def test_a_run_shows_itself_from_the_first_tokens_on_and_goes_round_the_document(panel, reader, model):
    views = list(panel.read(*asked(reader)))
    drawn = [view for view in views if panel.board in view]
    assert len(drawn) > 1
    assert names(drawn[0], panel) == names(drawn[-1], panel) == ["nll", "speed", "memory"]
    assert "<progress" in views[0][panel.run.status]
    assert views[-1][panel.run.status] == "<span>3,000 tokens read</span>"
    record = reader.odometer
    assert record.tokens == 3000
    assert record.method.tolist() == ["lm-infinite", "streaming-llm"]
    assert record.lap[-1] == 3000 // len(reader.tokens["tiny"].ids)
    sides = views[-1][panel.sides]
    assert "Vanilla remembers the whole text" in sides
    assert sides.count("NLL ") == 2
    plan = panel.plan(*asked(reader, "100M"))[panel.run.status]
    assert plan.startswith("<span>100,000,000 tokens with 2 methods: about "), "it knows now how long that takes"
    name, files = long_readings.files("json", reader, "tiny")
    assert name == "odometer"
    assert from_json(OdometerRecord, files["longsight-odometer.json"]) == record


def test_stop_ends_it_and_keeps_what_was_read(panel, reader, model):
    steps = panel.read(*asked(reader, "5M"))
    for view in steps:
        if panel.board in view:
            running.stop(reader)
    assert "stopped at" in view[panel.run.status]
    assert "of 5,000,000 tokens, memory freed" in view[panel.run.status]
    assert 0 < reader.odometer.tokens < 5_000_000
    assert not line_of(model.device).busy
    assert not reader.busy.locked()


def test_it_waits_for_another_visitor_and_can_leave_meanwhile(panel, reader, model):
    with others_at(model.device):
        steps = panel.read(*asked(reader))
        assert "sharing the device with another visitor" in next(steps)[panel.run.status]
        running.stop(reader)
        assert [view[panel.run.status] for view in steps][-1] == "<span>stopped before it began</span>"
    assert reader.odometer is None


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"tokens": "a lot"},
            "The length must give a number of tokens, such as 10M or 512k, but ",
        ),
        ({"tokens": " "}, "such as 10M or 512k, but nothing was given."),
        ({"tokens": "1g"}, "Up to 200,000,000 tokens are read here, but 1,000,000,000 were asked for."),
        ({"methods": "vanilla"}, "Vanilla remembers the whole text, so that its cache grows with every token; choose "),
    ],
)
def test_what_cannot_be_read_is_said_where_the_estimate_would_stand(values, said, panel, reader):
    assert said in panel.plan(*asked(reader, **values))[panel.run.status]
    with pytest.raises(LongSightError):
        next(panel.read(*asked(reader, **values)))


def test_without_a_document_there_is_nothing_to_read(panel, session, model):
    assert "There is no text yet" in panel.plan(*asked(session))[panel.run.status]


def test_before_a_run_there_is_the_recorded_one_of_this_very_model_and_then_it_stays_beside(
    panel, reader, model, monkeypatch
):
    told = panel.show("tiny", reader)[panel.board]
    assert "Nothing was read this far" in told["note"]
    list(panel.read(*asked(reader, "1k")))
    recorded, reader.odometer = reader.odometer, None
    monkeypatch.setattr(finished_examples, "odometer", {"tiny": recorded}.get)
    told = panel.show("tiny", reader)[panel.board]
    assert "A finished example, recorded with tiny: 1,000 tokens" in told["note"]
    list(panel.read(*asked(reader, "2k")))
    told = panel.show("tiny", reader)[panel.board]
    lines = [trace["name"] for trace in json.loads(told["figures"][0]["json"])["data"]]
    assert set(lines) == {"recorded: LM-Infinite", "recorded: StreamingLLM", "LM-Infinite", "StreamingLLM"}
    assert told["note"] == ""
