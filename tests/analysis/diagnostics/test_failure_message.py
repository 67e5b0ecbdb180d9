"""One sentence for every kind of failure, and the traceback in the log where it is no fault of what was asked."""

import pytest
import torch

from analysis.diagnostics.failure_message import is_out_of_memory, sentence
from longsight.errors import LongSightError
from longsight.methods import METHODS


@pytest.mark.parametrize(("error", "said", "logged"), [
    (LongSightError("12 tokens were given; up to 8 fit."), "12 tokens were given; up to 8 fit.", ""),
    (MemoryError(), "Vanilla ran out of memory at token 2,048; give a shorter text.", "vanilla ran out of memory"),
    (torch.OutOfMemoryError(), "Vanilla ran out of memory at token 2,048; give a shorter text.", "vanilla ran out"),
    (ZeroDivisionError("<b>"), "Vanilla failed in a way that was not foreseen; the log has the details.", "<b>"),
])  # fmt: skip
def test_a_failure_becomes_a_sentence(caplog, error, said, logged):
    with pytest.raises(type(error)) as caught:
        raise error
    assert sentence(caught.value, METHODS["vanilla"](), 2048, "give a shorter text") == said
    assert logged.lower() in caplog.text.lower()
    assert ("Traceback" in caplog.text) == bool(logged)


def test_what_a_cpu_says_of_too_little_memory_is_understood():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert not isinstance(caught.value, torch.OutOfMemoryError)
    assert is_out_of_memory(caught.value)
    assert not is_out_of_memory(RuntimeError("another"))
