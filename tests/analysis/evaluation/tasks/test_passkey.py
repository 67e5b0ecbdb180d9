"""Keys hidden where they were asked for, in prompts of the exact length, and answers judged by their number."""

import re
from dataclasses import replace

import pytest

from analysis.evaluation.tasks import TASKS, texts
from analysis.evaluation.tasks.passkey import PLACES, STATEMENT, Passkey, difference
from longsight.errors import LongSightError
from longsight.generation.decode import Sampling, decode
from longsight.generation.prefill import prefill
from longsight.methods import METHODS
from tests.longsight import tiny

LONG = 700
KINDS = [
    {},
    {"filler": "prose"},
    {"kind": "several", "filler": "prose"},
    {"kind": "pairs"},
    {"kind": "several", "keys": 9},
]


@pytest.mark.parametrize("options", KINDS)
def test_a_prompt_with_room_for_its_answer_has_exactly_the_length(model, options):
    for length in (LONG, 701, 911):
        task = Passkey(**options)
        cases = task.cases(model, length, 2, 5)
        assert {len(case.ids) for case in cases} == {length - task.room}
        assert len(cases) == 2 * task.depths


@pytest.mark.parametrize("options", KINDS)
def test_the_key_is_where_it_is_said_to_be_and_nowhere_else(model, options):
    for case in Passkey(**options).cases(model, LONG, 2, 1):
        start, stop = case.facts.statement
        (value,) = case.answers
        said, text = model.tokenizer.decode(case.ids[start:stop]), model.tokenizer.decode(case.ids)
        assert said.count(value) == text.count(value) >= 1
        assert re.fullmatch(r"\d{5}", value)
        tokens = [model.tokenizer.decode([case.ids[n]]) for n in case.facts.tokens]
        assert "".join(tokens).strip() == value * said.count(value)
        assert text.endswith(f"\n\n{case.facts.question}<|assistant|>")


@pytest.mark.parametrize("kind", ["single", "several"])
def test_a_text_to_complete_ends_where_the_answer_begins(model, kind):
    task = Passkey(kind=kind, depths=2, prompt="completion")
    for case in task.cases(model, LONG, 1, 1):
        text = model.tokenizer.decode(case.ids)
        begun = case.facts.question.replace("What is the", "The").replace("?", " is")
        assert text.endswith(f"\n{case.facts.question} {begun}")
        assert "<|" not in text
        assert "\n\n" not in text
        assert (len(case.ids), case.facts.prompt) == (LONG - task.room, "completion")


def test_each_model_is_asked_in_the_way_that_suits_it_and_every_case_says_which(model):
    (chat,) = Passkey(depths=1).cases(model, LONG, 1, 1)
    (completed,) = Passkey(depths=1).cases(replace(model, completes=True), LONG, 1, 1)
    assert (chat.facts.prompt, completed.facts.prompt) == ("chat", "completion")
    assert completed == Passkey(depths=1, prompt="completion").case(model, LONG, 0.5, 0, 1)
    assert completed.answers == chat.answers


@pytest.mark.parametrize("filler", ["paper", "prose"])
def test_depths_run_from_the_first_sentence_to_the_last(model, filler):
    cases = Passkey(filler=filler, depths=5).cases(model, 2000, 1, 0)
    question = len(model.tokenizer("\n\nWhat is the pass key?<|assistant|>")["input_ids"])
    preamble = cases[0].facts.statement[0]
    for case in cases:
        room = len(case.ids) - preamble - question
        place = (case.facts.statement[0] - preamble) / room
        assert place == pytest.approx(case.facts.depth, abs=0.15)
        before = model.tokenizer.decode(case.ids[: case.facts.statement[0]]).rstrip(" ")
        assert case.facts.depth == 0 or re.search(r"[.!?][\"'”’)]*\s*$", before), "between sentences"
    starts = [case.facts.statement[0] for case in cases]
    assert starts == sorted(set(starts))


def test_cases_follow_from_the_seed_alone(model):
    task = Passkey(filler="prose")
    assert task.cases(model, LONG, 2, 7) == task.cases(model, LONG, 2, 7)
    keys = {case.answers for seed in (7, 8) for case in task.cases(model, LONG, 2, seed)}
    assert len(keys) == 20
    few, many = task.cases(model, LONG, 1, 7), task.cases(model, LONG, 3, 7)
    assert many[: len(few)] == few, "more trials are added to those that were there"


def test_trials_share_their_text_and_passages_vary_it(model):
    first, *others = Passkey(depths=1).cases(model, LONG, 4, 0)
    assert all(difference(first.ids, other.ids)[0] > 200 for other in others)
    varied = Passkey(depths=1, filler="prose", passages=2).cases(model, LONG, 4, 0)
    shared = [difference(varied[0].ids, other.ids)[0] > 200 for other in varied[1:]]
    assert shared == [False, True, False]


def test_the_callers_own_text_is_what_the_key_is_hidden_in(model):
    text = "Nobody has ever seen this sentence. " * 300
    (case,) = Passkey(depths=1).cases(model, LONG, 1, 0, text=text)
    said = model.tokenizer.decode(case.ids)
    assert "Nobody has ever seen this sentence. The pass key is" in said
    assert "grass" not in said


def test_several_keys_have_names_and_one_is_asked_for(model):
    for case in Passkey(kind="several", keys=6).cases(model, LONG, 1, 3):
        text = model.tokenizer.decode(case.ids)
        found = dict(re.findall(r"The key of the (\w+) is (\d+)\.", text))
        assert len(found) == 6
        assert set(found) <= set(PLACES)
        (name,) = re.findall(r"What is the key of the (\w+)\?", text)
        assert found[name] == case.answers[0]


def test_pairs_are_nothing_but_keys_with_names(model):
    (case,) = Passkey(kind="pairs", depths=1).cases(model, LONG, 1, 3)
    text = model.tokenizer.decode(case.ids).partition("there.\n\n")[2].partition("\n\n")[0]
    assert re.fullmatch(r"(The key of the [a-z ]+ is \d{5}\. )+.{0,60}", text)
    asked = case.facts.question.removeprefix("What is the key of the ").rstrip("?")
    assert text.count(f"the {asked} is") == 1


@pytest.mark.parametrize(("answer", "found"), [
    ("The pass key is 12345.", 1), ("12345", 1), ("12345. Remember it. 12345 is", 1), ("It is 12346.", 0),
    ("123456", 0), ("99999 or 12345", 0), ("I don't know.", 0), ("", 0),
])  # fmt: skip
def test_right_is_an_answer_whose_first_number_is_the_key(model, answer, found):
    (case,) = Passkey(depths=1).cases(model, LONG, 1, 0)
    told = answer.replace("12345", case.answers[0]) if found else answer
    assert Passkey().score(case, told) == {"found": found}


@pytest.mark.parametrize("key", ["vanilla", "truncation", "self-extend"])
def test_outcomes_are_what_each_prompt_alone_gives(model, key):
    task, method = Passkey(depths=3), tiny.defaults(key, LONG)
    cases = task.cases(model, LONG, 2, 0)
    steps = list(task.steps(model, method, cases))
    outcomes = {step.result.case: step.result for step in steps if step.result}
    assert sorted(outcomes) == list(range(6))
    assert steps[-1].done == steps[-1].total < sum(method.keeps(len(case.ids)) for case in cases) or key == "truncation"
    for number, case in enumerate(cases):
        alone = decode(model, prefill(model, case.ids, method), Sampling(max_new_tokens=task.room))
        said = model.tokenizer.decode(list(alone), skip_special_tokens=True)
        assert outcomes[number].said == said
        assert outcomes[number].scores == task.score(case, said)
        assert outcomes[number].cost["cache_bytes"] > 0


def test_stopping_stops(model):
    steps = Passkey(depths=2).steps(model, METHODS["vanilla"](), Passkey(depths=2).cases(model, LONG, 1, 0))
    next(steps)
    steps.close()
    assert list(steps) == []


@pytest.mark.parametrize(("options", "length", "said"), [
    ({}, 60, r"A prompt of 36 tokens was asked for, but the question alone takes \d+; choose a longer one"),
    ({}, 10, "Passkey: a text of 10 tokens was asked for, of which 24 are to be written; choose a length above 24"),
    ({"filler": "/nowhere.txt"}, 700, "/nowhere.txt cannot be read: No such file .* As a text, give paper, .* folder"),
])  # fmt: skip
def test_cases_that_cannot_be_made_say_why(model, options, length, said):
    with pytest.raises(LongSightError, match=said):
        Passkey(**options).cases(model, length, 1, 0)


def test_a_text_too_short_to_hide_anything_in_says_how_short_it_is(model):
    with pytest.raises(LongSightError, match=r"The text has 100 characters, which make \d+ tokens of 676"):
        Passkey().case(model, 700, 0.5, 0, 0, "The grass is green. " * 5)


@pytest.mark.parametrize(("options", "said"), [
    ({"kind": "treble"}, "Passkey: kind must be one of single, several, pairs, but 'treble' was given."),
    ({"depths": 0}, "Passkey: depths must be at least 1, but 0 was given."),
    ({"keys": 14}, "Passkey: keys must be at most 13, but 14 was given."),
    ({"depths": "3"}, "Passkey: depths must be a whole number, but '3' was given."),
])  # fmt: skip
def test_options_that_make_no_sense_are_refused(options, said):
    with pytest.raises(LongSightError, match=re.escape(said)):
        Passkey(**options)


def test_a_text_that_is_too_short_is_refused(model, tmp_path):
    with pytest.raises(LongSightError, match=r"The text has 40 characters, which make \d+ tokens of 676"):
        Passkey().cases(model, LONG, 1, 0, text="Too short. " * 3 + "Really.")
    (tmp_path / "short.txt").write_text("Too short. " * 40)
    with pytest.raises(LongSightError, match=r"The text has \d+ characters, which make \d+ tokens of 676"):
        Passkey(filler=str(tmp_path / "short.txt")).cases(model, LONG, 1, 0)


def test_a_model_without_a_tokenizer_is_refused():
    with pytest.raises(LongSightError, match="llama has no tokenizer, so it cannot be asked anything"):
        Passkey().cases(tiny.model(), LONG, 1, 0)


def test_the_shipped_prose_hides_no_key_of_its_own():
    assert all("pass key" not in text for text in texts.read_texts("prose"))
    assert STATEMENT.format(value=1) in "The pass key is 1. Remember it. 1 is the pass key."


def test_the_table_is_the_only_list():
    for key, task in TASKS.items():
        assert task.key == key
        assert task().describe() == key
        assert task.title
        assert task.scores
