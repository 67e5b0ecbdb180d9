"""One sentence for every kind of failure, and the traceback in the log where it is no fault of what was asked."""

import pytest
import torch

from analysis.diagnostics.failure_message import sentence
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
