"""The tasks are answerable: what is asked is in the text, or the answer says that it is not."""

from __future__ import annotations

import numpy as np
import pytest

from training import tasks, wording
from training.facts import key_value, named_fact, pass_key_fact
from training.hiding import insert, paper_filler, place, whole_sentences


def seeds(count):
    return [np.random.default_rng(seed) for seed in range(count)]


@pytest.mark.parametrize("task", [tasks.pass_key, tasks.named_keys, tasks.several_turns])
@pytest.mark.parametrize("characters", [0, 100, 1500])
def test_the_answer_is_in_the_text(task, characters, corpus):
    for rng in seeds(150):
        turns = task(rng, corpus, characters)
        for turn in turns:
            subject, value = turn.answer.removesuffix(".").split(" is ")
            assert value in turns[0].user
            assert turn.scored
            name = subject.replace("The pass key", "pass key").removeprefix("The ").split(" of the ")[-1]
            assert name.split()[0] in turn.user.replace("passkey", "pass key")


def test_a_named_question_has_one_answer(corpus):
    for rng in seeds(150):
        (turn,) = tasks.named_keys(rng, corpus, 1500)
        subject = turn.answer.split(" is ")[0].removeprefix("The ")
        assert turn.user.lower().count(f"{subject} is ") + turn.user.count(f"is the {subject}.") == 1


def test_absent_facts_are_absent(corpus):
    for rng in seeds(200):
        (turn,) = tasks.absent(rng, corpus, 1000)
        assert turn.answer == wording.ABSENT
        text, _, question = turn.user.rpartition("\n")
        if "pass" in question:
            assert not any(f" is {word}" in text and "pass key is" in text for word in wording.WORDS)
            assert "is the pass key" not in text


def test_depths_are_uniform(corpus):
    text = corpus.passage(np.random.default_rng(0), 4000)
    depths = np.array([place(rng, text, ["X"]).depths[0] for rng in seeds(2000)])
    counts, _ = np.histogram(depths, bins=10, range=(0, 1))
    assert counts.min() > 130
    assert counts.max() < 270
    assert (depths == 0).any()
    assert (depths == 1).any()


def test_placing_keeps_the_text_and_every_statement(corpus):
    text = corpus.passage(np.random.default_rng(0), 600)
    for rng in seeds(100):
        placed = place(rng, text, ["AAA", "BBB"]).text
        assert placed.count("AAA") == placed.count("BBB") == 1
        assert "".join(placed.replace("AAA", "").replace("BBB", "").split()) == "".join(text.split())


@pytest.mark.parametrize(
    ("depth", "expected"), [(0.0, "KEY One. Two. Three."), (0.2, "One. KEY Two. Three."), (1.0, "One. Two. Three. KEY")]
)
def test_insert(depth, expected):
    assert insert("One. Two. Three.", "KEY", depth) == expected


def test_paper_filler_is_whole_sentences():
    assert paper_filler(0) == ""
    assert paper_filler(40) == "The grass is green. The sky is blue."
    assert paper_filler(36) == "The grass is green. The sky is blue."
    assert paper_filler(35) == "The grass is green."
    assert paper_filler(20, start=3) == "Here we go."


def test_values_are_mostly_five_digits():
    values = [key_value(rng) for rng in seeds(1000)]
    numbers = [value for value in values if value.isdigit()]
    assert 0.85 < len(numbers) / len(values) < 0.95
    assert 0.75 < sum(len(number) == 5 for number in numbers) / len(numbers) < 0.95
    assert {len(number) for number in numbers} == set(range(3, 9))
    assert not any(number.startswith("0") for number in numbers)


def test_no_blank_is_left(corpus):
    for rng in seeds(300):
        for fact in (pass_key_fact(rng), named_fact(rng, corpus)):
            assert "{" not in fact.statement + fact.answer + "".join(fact.questions)
            assert fact.value in fact.statement
            assert fact.value in fact.answer


def test_talk_ends_with_a_whole_sentence(corpus):
    for rng in seeds(100):
        (turn,) = tasks.talk(rng, corpus, 500)
        assert turn.answer[-1] in ".!?"
        assert not turn.scored
    assert whole_sentences('He said "No." And th') == 'He said "No."'
    assert whole_sentences("no end ") == "no end"
