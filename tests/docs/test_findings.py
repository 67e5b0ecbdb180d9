"""The page of findings follows from its numbers, and every picture that it shows is there."""

import re
from dataclasses import replace

import numpy as np
import pytest

from analysis.evaluation.endless.odometer_record import OdometerRecord
from docs.findings import PAGE, Findings, Numbers
from docs.reading import page

STEADY = Numbers(logit=(9.0, 9.1), highest=(9.0, 9.5), entropy=(3.0, 3.1), nll=(3.0, 3.1), starting=0.02)
GROWING = Numbers(logit=(9.0, 12.0), highest=(9.0, 18.0), entropy=(3.0, 5.0), nll=(3.0, 6.0), starting=0.4)
KEYS = ("vanilla", "ceiling", "lambda", "window", "lm-infinite", "self-extend")
BAD = ("vanilla", "ceiling", "lambda", "window")


def odometer(last=3.0, memory=500e6, lap=100):
    """Ten laps, each a tenth; the last one otherwise."""
    end = np.arange(1, 11) * 100
    nll, resident = np.full((1, 10), 3.0), np.full(10, 500e6)
    nll[:, -1], resident[-1] = last, memory
    return OdometerRecord(
        model="m", train_length=512, device="cpu", texts=("a", "b"), chunk=10, lap_tokens=lap,
        method=np.array(["window"]), caption=np.array(["LM window"]), parameters=np.array(["{}"]), begin=end - 100,
        end=end, lap=np.arange(10), known=np.full(10, 100), resident=resident, nll=nll, seconds=np.full((1, 10), 2.0),
        processor=np.full((1, 10), 1.0),
    )  # fmt: skip


def findings(**changes):
    methods = {key: GROWING if key in BAD else STEADY for key in KEYS}
    found = Findings(
        model="m", train_length=512, length=4096, books=("some-one_a-book",), methods=methods,
        titles={key: key.upper() for key in KEYS}, clusters=None, separation=[[0.5, 0.4], [9.0, 0.5]], sink=0.6,
        bound=-4.0, first=10, odometer=odometer(),
    )  # fmt: skip
    return replace(found, **changes)


def verdicts(text):
    return [word == "as" for word in re.findall(r"\*\*(as|unlike) in the paper\*\*", " ".join(text.split()))]


def test_a_model_like_those_of_the_papers_is_said_to_be():
    text = " ".join(page(findings()).split())
    assert verdicts(text) == [True] * 5
    assert "It has attention sinks" in text
    assert "as in the paper** after layer 0" in text
    assert "some one: a book" in text
    assert "from 9.00 → 18.00 (+100%)" in text


def test_a_model_that_is_unlike_them_is_said_to_be():
    unlike = {"methods": dict.fromkeys(KEYS, STEADY), "separation": [[0.5, 0.4], [0.6, 0.5]], "sink": 0.0}
    text = page(findings(**unlike, odometer=odometer(last=3.1)))
    assert verdicts(text) == [False] * 5
    assert "**no attention sinks**" in " ".join(text.split())
    assert "costs next to nothing" in " ".join(text.split())


def test_a_long_text_is_told_by_its_second_and_its_last_tenth():
    text = " ".join(page(findings()).split())
    assert "| LM window | 3.0000 → 3.0000 (+0.00%) | 100 → 100 |" in text
    assert "the first 100 tokens are read 10 times, as one text that goes on. So every tenth of it has the same" in text
    assert verdicts(page(findings(odometer=odometer(memory=540e6))))[-1] is False
    assert "all are read 10 times, as one text that goes on." in " ".join(
        page(findings(odometer=odometer(lap=None))).split()
    )


@pytest.mark.parametrize("text", [page(findings()), PAGE.read_text(encoding="utf-8")])
def test_lines_are_short_and_tables_are_whole(text):
    for line in text.splitlines():
        assert len(line) <= 120 or line.startswith(("|", "!"))
    assert "| LM" in text


def test_every_picture_is_there_and_small():
    shown = re.findall(r"!\[.+?\]\((.+?)\)", PAGE.read_text(encoding="utf-8"))
    assert len(shown) == 5
    for name in shown:
        assert 5_000 < (PAGE.parent / name).stat().st_size < 300_000
