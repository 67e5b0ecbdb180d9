"""The page on the real model follows from its numbers, and the picture that it shows is there."""

import re
from dataclasses import replace

import numpy as np
import pytest

from docs.real_model import PAGE, PICTURES, Inside, Past, page

FOUND = Inside(
    model="m", train_length=8192, length=2048, separation=np.array([[0.4, 0.4], [6.0, 0.5], [1.0, 0.5]]),
    sinks=(("One", 0.75), (" two", 0.02), (".", 0.0)), first=0.6, starting=0.7, count=10,
    nll={"Vanilla": 3.0, "Window (window=512)": 5.5, "Λ only (window=512)": 3.25},
)  # fmt: skip


BROKEN = Past(
    length=12_288, logit={"Vanilla": (9.0, 21.5), "Ceiling only": (9.0, 9.25)},
    entropy={"Vanilla": (3.0, 4.5), "Ceiling only": (3.0, 3.1)},
    nll={"Vanilla": (3.2, 6.6), "Ceiling only": (3.2, 3.21)},
)  # fmt: skip


def test_the_numbers_are_told_as_they_were_measured():
    text = " ".join(page(FOUND, BROKEN).split())
    assert "lies 12.0 times as far out" in text
    assert "7.0 times in the median layer" in text
    assert "the very first token gets 60% of attention, the first 10 70%; an even share of 10 would be 0.5%" in text
    assert "`'One'` in 75%" in text
    assert (
        "The window alone costs +2.50 nats, with the starting tokens in sight +0.25: perplexity times 12.2 and 1.3."
        in text
    )
    assert "| Vanilla | 9.00 → 21.50 | 3.00 → 4.50 | 3.20 → 6.60 |" in text
    assert "Vanilla's largest logits change by +139% and its NLL by +3.40 nats." in text
    assert "entropy changes by +0.10 nats and NLL by +0.01. ![" in text
    alike = page(FOUND, replace(BROKEN, entropy={"Vanilla": (3.0, 4.5), "Ceiling only": (3.0, 3.02)}))
    assert "held distances alone mend this model" in " ".join(alike.split())
    assert "the second half of the 8,192 tokens → tokens 8,192 to 12,288" in text
    assert "`'.'` in" not in text
    assert "the first token alone" not in text
    assert "the first token alone" in page(replace(FOUND, first=0.69), BROKEN)


@pytest.mark.parametrize("text", [page(FOUND, BROKEN), PAGE.read_text(encoding="utf-8")])
def test_lines_are_short_and_tables_are_whole(text):
    for line in text.splitlines():
        assert len(line) <= 120 or line.startswith(("|", "!"))
    assert "| Λ only (window=512" in text


def test_the_pictures_are_there_and_small():
    shown = re.findall(r"!\[.+?\]\((.+?)\)", PAGE.read_text(encoding="utf-8"))
    assert len(shown) == 3
    for picture in shown:
        assert (PAGE.parent / picture).parent == PICTURES
        assert 5_000 < (PAGE.parent / picture).stat().st_size < 400_000
