"""Quality against cost, LM-Infinite beside truncation."""

from analysis.evaluation.tasks.generation_report import TradeOff, trade_off_comment


def test_the_trade_off_compares_at_equal_cost():
    cut = [TradeOff("truncation", *each) for each in (("A", 1.0, 0.2), ("B", 2.0, 0.3), ("C", 9.0, 0.9))]
    assert "is better than the best truncation that costs no more, B" in trade_off_comment(
        [*cut, TradeOff("lm-infinite", "LM-Infinite", 2.5, 0.4)]
    )
    assert "is no better than" in trade_off_comment([*cut, TradeOff("lm-infinite", "LM-Infinite", 2.5, 0.3)])
    assert "no truncation as cheap" in trade_off_comment([*cut, TradeOff("lm-infinite", "LM-Infinite", 0.5, 0.3)])
