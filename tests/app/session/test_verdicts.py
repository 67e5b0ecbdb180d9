"""What an answer amounts to is measured, and the measure is said."""

import pytest

from app.session.verdicts import hidden_keys, lesson, verdict
from longsight.methods import METHODS

TEXT = "It was dark. The pass key is 86409. Remember it. 86409 is the pass key. It was late."


def test_a_key_is_looked_for_only_where_it_is_hidden_and_asked_for():
    assert hidden_keys(TEXT, "What is the pass key?") == {"86409"}
    assert hidden_keys(TEXT, "Who was there?") == hidden_keys("It was dark.", "What is the pass key?") == frozenset()


@pytest.mark.parametrize(
    ("answer", "keys", "word", "why", "mood"),
    [
        ("The pass key is 86409.", {"86409"}, "found the key", "86409", "good"),
        ("The pass key is 8640.", {"86409"}, "key not found", "86409 is not in it", "bad"),
        ("186409", {"86409"}, "key not found", "86409 is not in it", "bad"),
        ("\n" * 40 + "n is", {"86409"}, "noise, key not found", "3 of 44 characters are letters or digits", "bad"),
        ("", (), "noise", "no words at all", "bad"),
        ("the cat and " * 8, (), "noise", "20 of 23 word pairs were written before", "bad"),
        ("86409" + " the key" * 20, {"86409"}, "found the key", "86409", "good"),
        ("Holmes and Watson, who met at Baker Street.", (), "fluent", None, ""),
        ("| Name | Age |\n| --- | --- |\n| Ann | 41 |", (), "fluent", None, ""),
        ("福尔摩斯和华生在贝克街见面。", (), "fluent", None, ""),
        ("no no no", (), "fluent", None, ""),
    ],
)
def test_verdicts(answer, keys, word, why, mood):
    judged = verdict(answer, keys)
    assert (judged.word, judged.mood) == (word, mood)
    assert why is None or judged.why == why


def test_a_failure_of_the_model_as_it_is_teaches_something_and_nothing_else_does():
    noise, missed, found = verdict(""), verdict("It was dark.", {"86409"}), verdict("86409", {"86409"})
    vanilla, window = METHODS["vanilla"](), METHODS["window"](window=64)
    said = "This is the failure: the model as it is, at 4.0 × the 512 tokens that it was trained on."
    assert lesson(vanilla, noise, [], 2048, 512) == lesson(vanilla, missed, [missed, found], 2048, 512) == said
    assert lesson(vanilla, missed, [missed, missed], 2048, 512) == ""  # whatever the reason, it need not be the length
    assert lesson(vanilla, found, [found], 2048, 512) == lesson(vanilla, noise, [], 512, 512) == ""
    assert lesson(window, noise, [], 2048, 512) == ""
