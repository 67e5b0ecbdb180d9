"""Visitors of a real server, each with a key of its own; and the server is told to end while one is being answered."""

import argparse
import signal
from collections import Counter

from gradio_client import Client, handle_file

from benchmarks import load

MODEL = "rope-small"


def test_everyone_gets_their_own_key_and_the_server_ends_cleanly_in_the_middle(tmp_path):
    options = load.arguments(["--sessions", "3", "--longest", "12", "--characters", "2500"])
    assert isinstance(options, argparse.Namespace)
    with load.server(tmp_path / "log") as (address, process):
        visiting = load.visitors(address, 3, tmp_path, options.characters)
        load.let_visit(visiting, options, seconds=0.5)
        visits = [visit for visitor in visiting for visit in visitor.visits]
        turns = [turn for visit in visits for turn in visit]
        assert Counter(turn.outcome for turn in turns) == {load.RIGHT: len(turns)}
        assert len(turns) >= 3
        assert all(0 <= turn.sign <= turn.token <= turn.end for turn in turns)
        assert "0 mixed up, 0 failed" in load.report(visits, visits[:1], {"before": 10**6}, options)

        [reader] = load.visitors(address, 1, tmp_path, 400_000)
        client = Client(address, verbose=False)
        client.predict(file=handle_file(reader.text), model=MODEL, api_name="/document")
        views = iter(client.submit(load.QUESTION, model=MODEL, methods="vanilla", api_name="/ask"))
        while "reading" not in str(next(views)):
            pass
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert "Traceback" not in (tmp_path / "log").read_text(encoding="utf-8")
