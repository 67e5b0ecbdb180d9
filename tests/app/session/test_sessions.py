"""Who speaks for a method in a conversation."""

from longsight.methods import METHODS

SMALL, LARGE, LARGER = (METHODS["self-extend"](group=group, window=16) for group in (4, 8, 16))


def test_a_method_with_other_parameters_goes_on_where_it_was_and_a_further_one_begins_afresh(session):
    [small] = session.let_speak("tiny", [SMALL])
    assert session.speakers_for("tiny", [LARGE]) == [small]
    further, again = session.speakers_for("tiny", [LARGE, SMALL])
    assert (again, further.method) == (small, LARGE)
    assert session.speakers["tiny"] == [small]  # whoever only asked what it would cost is not remembered
    small, large = session.let_speak("tiny", [SMALL, LARGE])
    assert session.speakers_for("tiny", [LARGE, LARGER]) == [large, small]
    assert session.speakers_for("other", [SMALL]) != [small]
