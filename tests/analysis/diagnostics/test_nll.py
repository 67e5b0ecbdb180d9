"""Curves of negative log-likelihood, and the text coloured by it."""

import re
from dataclasses import replace

import numpy as np

from analysis.diagnostics.nll import NLLRecord, coloured_text, nll_figure, smoothed
from tests.analysis.diagnostics.made import ONE, THREE, TRAINED, N, check_figure, header, noise


def nll(method="vanilla", n=N, values=None):
    values = noise(n, scale=6) if values is None else values
    return NLLRecord(**header(method, n), token=np.array([" <b> word"] * n), nll=values)


def test_the_figure_of_the_longest_text_is_one_like_all_others():
    check_figure(nll_figure(THREE, [nll() for _ in THREE]))


def test_smoothing_is_a_mean_of_what_is_known():
    values = np.array([np.nan, 1.0, 3.0, 5.0, 7.0])
    np.testing.assert_array_equal(smoothed(values, 1), values)
    np.testing.assert_allclose(smoothed(values, 3), [np.nan, 2.0, 3.0, 5.0, 6.0])
    np.testing.assert_allclose(smoothed(values, 2), [np.nan, 2.0, 4.0, 6.0, 7.0])


def test_nll_curves_are_smoothed_as_asked():
    record = nll(n=500)
    (line,) = nll_figure(ONE, [record], smoothing=9).data
    np.testing.assert_allclose(line.y, smoothed(record.nll, 9), rtol=1e-6)
    assert "mean over 9 tokens" in nll_figure(ONE, [record], smoothing=9).layout.title.text


def test_a_coloured_text_escapes_names_positions_and_is_bounded():
    values = np.linspace(0, 8, 2000)
    values[0] = np.nan
    text = coloured_text(nll(n=2000, values=values), 0)
    assert text.count("<span") == 1024
    assert "&lt;b&gt; word" in text
    assert "<b>" not in text
    assert 'title="position 1,000: 4.00 nats"' in text
    assert 'title="position 0: never predicted"' in text
    assert text.count("border-left") == 1
    strengths = [float(alpha) for alpha in re.findall(r"rgba\(\d+, \d+, \d+, ([\d.]+)\)", text.partition("<div")[2])]
    assert strengths == sorted(strengths)
    assert coloured_text(nll(n=2000, values=values), 1990).count("<span") == 10
    assert f'data-position="{TRAINED // 2}">' in coloured_text(nll(n=2000, values=values)).split("<span")[1]
    assert 'data-position="0">' in coloured_text(nll(n=100)).split("<span")[1]


def test_a_coloured_text_begins_with_a_word_under_a_legend_that_says_where():
    tokens = ["x"] * (TRAINED // 2 - 2) + [" in", "com", "plete"]
    record = replace(nll(n=2000), token=np.array((tokens + [" <b>"] * 2000)[:2000]))
    text = coloured_text(record)
    begin = TRAINED // 2 - 2
    assert f'data-position="{begin}"> in</span>' in text.split("<span")[1]
    legend = text.partition("<div")[0]
    assert f"Tokens {begin:,} to {begin + 1023:,}" in legend
    assert "8 nats or more" in legend
    assert "The line: the trained length." in legend
    assert "The line" not in coloured_text(record, 1990)
    unspaced = replace(nll(n=100), token=np.array(["x"] * 100))
    assert "Tokens 50 to 99" in coloured_text(unspaced, 50)
