"""The tasks are answerable: what is asked is in the text, or the answer says that it is not."""

from __future__ import annotations

import numpy as np
import pytest

from training import conversations, small_talk, wording
from training.facts import key_value, missing_fact, named_fact, pass_key_fact, several_facts
from training.hiding import paper_filler, place, whole_sentences

REFUSAL = "in the text, so I don't know."


def seeds(count):
    return [np.random.default_rng(seed) for seed in range(count)]


def told(turn):
    """(what an answer restates, what it decides) for each thing that was asked."""
    return list(zip(turn.pieces[::2], turn.pieces[1::2], strict=True))


@pytest.mark.parametrize("task", [conversations.pass_key, conversations.reading])
@pytest.mark.parametrize("characters", [0, 100, 1500])
def test_the_answer_is_in_the_text(task, characters, corpus):
    for rng in seeds(200):
        turns = task(rng, corpus, characters)
        for subject, tail in [pair for turn in turns for pair in told(turn) if turn.pieces[0]]:
            text = turns[0].user.rpartition("\n")[0] or turns[0].user
            if REFUSAL in tail:
                assert f"{subject.strip()} {tail.strip().split(' ')[0]}" not in text
            else:
                assert tail.strip().removesuffix(".") in turns[0].user


def test_a_question_has_one_answer(corpus):
    """Whatever is restated is stated with one value only."""
    for rng in seeds(300):
        turns = conversations.reading(rng, corpus, 1500)
        answers = {}
        for subject, tail in [pair for turn in turns for pair in told(turn) if turn.pieces[0]]:
            assert answers.setdefault(subject.strip(), tail) == tail


def test_questions_name_what_they_ask_for(corpus):
    for rng in seeds(200):
        fact = named_fact(rng, corpus)
        for question in fact.form.questions:
            shared = set(question.lower().strip("?.").split()) & set(fact.form.subject.lower().split())
            assert shared - {"the", "of", "is", "was", "in", "by"}


def test_refusals_are_as_frequent_as_they_should_be(corpus):
    tails = [
        tail
        for rng in seeds(400)
        for turn in conversations.reading(rng, corpus, 1500)
        if turn.pieces[0]
        for _, tail in told(turn)
    ]
    assert 0.15 < sum(REFUSAL in tail for tail in tails) / len(tails) < 0.3


def test_a_missing_fact_is_nowhere_stated(corpus):
    for rng in seeds(200):
        stated = several_facts(rng, corpus, 6)
        assert len({fact.about for fact in stated}) == len(stated)
        missing = missing_fact(rng, corpus, stated)
        assert missing.about not in {fact.about for fact in stated}


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


def test_paper_filler_is_whole_sentences():
    assert paper_filler(0) == ""
    assert paper_filler(40) == "The grass is green. The sky is blue."
    assert paper_filler(36) == "The grass is green. The sky is blue."
    assert paper_filler(35) == "The grass is green."
    assert paper_filler(20, start=3) == "Here we go."


def test_some_texts_say_the_same_of_many_things(corpus):
    """Only their names tell such facts apart."""
    lists = [several_facts(rng, corpus, 4) for rng in seeds(300)]
    alike = [facts for facts in lists if len({fact.form.subject.replace(fact.name, "") for fact in facts}) == 1]
    assert 0.15 < len(alike) / len(lists) < 0.4
    assert all(len({fact.name for fact in facts}) == len(facts) for facts in alike)


def test_values_are_mostly_five_digits():
    values = [key_value(rng) for rng in seeds(1000)]
    numbers = [value for value in values if value.isdigit()]
    assert 0.85 < len(numbers) / len(values) < 0.95
    assert 0.75 < sum(len(number) == 5 for number in numbers) / len(numbers) < 0.95
    assert {len(number) for number in numbers} == set(range(3, 9))
    assert sum(number.startswith("0") for number in numbers) < 30


def test_some_values_repeat_their_digits():
    """Where a digit stands three times in a row, looking for what came after it is not enough."""
    numbers = [value for rng in seeds(1000) if (value := key_value(rng)).isdigit()]
    few = [number for number in numbers if len(number) > 3 and len(set(number)) <= 2]
    assert 0.1 < len(few) / len(numbers) < 0.25
    assert any(len(set(number)) == 1 for number in few)


def test_no_blank_is_left(corpus):
    for rng in seeds(300):
        for fact in (pass_key_fact(rng), named_fact(rng, corpus)):
            assert "{" not in fact.statement + fact.answer + "".join(fact.form.questions) + fact.form.absent
            assert fact.value in fact.statement
            assert fact.value in fact.answer


def test_a_story_ends_with_a_whole_sentence(corpus):
    for rng in seeds(100):
        turn = conversations.story(rng, corpus, 500)[-1]
        assert turn.answer[-1] in ".!?"
        assert len(turn.pieces) == 1
    turns = [conversations.story(rng, corpus, 500)[-1] for rng in seeds(100)]
    told = [turn.answer for turn in turns if turn.user in wording.STORY_REQUESTS]
    assert told
    assert all(answer.startswith(wording.STORY_BEGINNING) for answer in told)
    assert whole_sentences('He said "No." And th') == 'He said "No."'
    assert whole_sentences("no end ") == "no end"


def test_nothing_is_said_with_two_answers():
    said = [text for asked, _ in small_talk.EXCHANGES for text in asked]
    assert len(said) == len(set(said)) > 150
    assert small_talk.THANKS[1] == small_talk.WELCOME
    assert small_talk.OVER_A_TEXT[1] == small_talk.TOO_SMALL
    assert wording.ABSENT == "The pass key is not in the text, so I don't know."
