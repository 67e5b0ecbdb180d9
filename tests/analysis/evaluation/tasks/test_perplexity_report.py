"""Perplexity is told by what becomes of it past the trained length."""

from analysis.evaluation.tasks.perplexity_report import perplexity_comment
from tests.analysis.evaluation.made_rows import made_table


def test_perplexity_is_told_by_what_it_becomes():
    said = perplexity_comment(made_table([[30, 30, 60, 900], [30, 30, 31, 33], [30, 30, 33, 50]]))
    assert said == (
        "In each method's longest text, against 512 tokens. Stays: LM-Infinite (1.1 times). "
        "Drifts up: SelfExtend (1.7 times). Breaks: Vanilla (30.0 times). Vanilla breaks, as in the papers."
    )
    assert "does not break here" in perplexity_comment(made_table([[30, 30, 31, 32]]))
    assert "nothing can be said" in perplexity_comment(made_table([[30, 30]], (256, 512)))


def test_what_is_told_of_vanilla_follows_from_the_method_and_not_from_what_it_is_called():
    table = made_table([[30, 30, 60, 900], [30, 30, 31, 33]], labels=("The model alone", "Vanilla, as if"))
    assert perplexity_comment(table).endswith("Vanilla breaks, as in the papers.")
    table = made_table([[30, 30, 31, 31], [30, 30, 60, 900]], labels=("The model alone", "Vanilla, as if"))
    assert perplexity_comment(table).endswith("Vanilla does not break here as it does in the papers.")
