"""What is kept past the trained length, and what is lost."""

import math

from analysis.evaluation.tasks.kept import kept_comment
from tests.analysis.evaluation.made_rows import made_table


def test_what_is_kept_and_what_is_lost_follows_from_the_numbers():
    said = kept_comment(made_table([[1, 1, 0.9, 0.7], [1, 1, 0.2, 0.8], [1, 0.5, 0.5, math.nan]]), "There it stays.")
    assert "From 512 tokens" in said
    assert "Kept: LM-Infinite (1 to 0.8), SelfExtend (0.5 to 0.5). Lost: Vanilla (1 to 0.7). There it stays." in said
    assert "nothing can be said" in kept_comment(made_table([[1, 1]], (256, 512)), "")
