"""Errors are translated for the visitor in one place."""

import gradio as gr
import pytest

from app.components import errors
from longsight.errors import LongSightError


def test_errors_reach_the_visitor_as_escaped_sentences_and_faults_do_not():
    @errors.for_visitor
    def refuses():
        raise LongSightError("<b> was asked for.")

    @errors.for_visitor
    def refuses_later():
        yield 1
        raise LongSightError("2 > 1.")

    @errors.for_visitor
    def breaks():
        raise RuntimeError("a fault of ours")

    with pytest.raises(gr.Error) as refused:
        refuses()
    assert refused.value.message == "&lt;b&gt; was asked for."
    steps = refuses_later()
    assert next(steps) == 1
    with pytest.raises(gr.Error):
        next(steps)
    with pytest.raises(RuntimeError):
        breaks()


def test_programs_are_told_the_sentence_as_it_is():
    @errors.for_program
    def refuses():
        raise LongSightError("<b> was asked for.")

    with pytest.raises(gr.Error) as refused:
        refuses()
    assert refused.value.message == "<b> was asked for."
