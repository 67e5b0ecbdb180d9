"""What may be asked suits the text and the model."""

from types import SimpleNamespace

import pytest

from app.session.samples import sample
from app.session.suggestions import KEY, MOST, ON, SUMMARY, TALKERS, suggestions


def of_size(model, weights):
    return SimpleNamespace(tokenizer=model.tokenizer, weights=weights)


@pytest.mark.parametrize(("weights", "summary"), [(TALKERS, [SUMMARY]), (TALKERS - 1, [])])
def test_only_a_model_that_can_talk_is_asked_for_a_summary_and_only_where_a_key_is_hidden_for_that(
    model, session, document, weights, summary
):
    assert suggestions(session, of_size(model, weights)) == []
    session.take(document)
    assert suggestions(session, of_size(model, weights)) == [*summary, ON]
    session.take(sample("grass").document())
    found = suggestions(session, of_size(model, weights))
    assert found == [KEY, *summary, ON]
    assert len(found) <= MOST


def test_the_tiny_model_is_counted(model):
    assert 0 < model.weights < TALKERS
