"""Pass keys are told by who still finds them."""

from analysis.evaluation.tasks.passkey_report import found_comment
from tests.analysis.evaluation.made_rows import made_table


def test_finding_is_told_by_who_still_finds():
    said = found_comment(made_table([[1, 1, 0, 0], [1, 1, 0.6, 0.2], [1, 1, 1, 0.95]]))
    assert said.startswith(
        "Found in the longest text that each was given: SelfExtend. "
        "Found in part past the trained length: LM-Infinite (60% to 20%). Never found past it: Vanilla."
    )
    assert "No text is longer" in found_comment(made_table([[1, 1]], (256, 512)))
