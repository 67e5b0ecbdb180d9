"""Groups are compared with their reach."""

from analysis.evaluation.tasks.groups_report import groups_comment
from tests.analysis.evaluation.made_rows import made_table


def test_a_group_is_compared_with_its_reach():
    reach = (512, 1024, 9000)
    said = groups_comment(made_table([[30, 30, 60, 90], [30, 30, 31, 90], [30, 30, 31, 33]]), reach)
    assert "Of 3 longer texts inside the reach, perplexity stays in 3, as in the paper; of 3 beyond it" in said
    assert said.endswith("it grows by more than 25% in 3: the reach is where it ends.")
    other = groups_comment(made_table([[30, 30, 31, 31], [30, 30, 90, 31], [30, 30, 90, 90]]), reach)
    assert "stays in 0, unlike in the paper" in other
    assert other.endswith("in 0: the reach is no limit for this model.")
