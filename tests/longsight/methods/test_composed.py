"""Rules of one's own: what they mean, how they become bands, and that the other methods say themselves in them."""

from contextlib import suppress
from dataclasses import fields, replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from longsight.errors import LongSightError
from longsight.methods import METHODS, Method
from longsight.methods.bands import EVERYTHING, Footprint, at, cache_footprint, unchanged
from longsight.methods.base import LARGEST
from longsight.methods.contract import check_contract
from tests.longsight import tiny
from tests.longsight.methods.python_law import python_law

N = 45
QUERY, KEY = torch.arange(N)[:, None], torch.arange(N)[None, :]
FAR = torch.cat((torch.arange(9), 2**39 + torch.arange(40)))
SAYING_THEMSELVES = [
    key for key in METHODS if key != "composed" and any(method.rule is not None for method in tiny.spread(key))
]


def composed(rule, length=0, trained=0):
    return METHODS["composed"](rule=rule, length=length, trained=trained)


def names(rule):
    return [band.name for band in composed(rule).bands]


def told(method, i=QUERY, j=KEY):
    """Distances (query, key); NaN where hidden."""
    shape = torch.broadcast_shapes(i.shape, j.shape)
    hidden = ~method.visible(i, j).expand(shape)
    return method.distance(i, j).expand(shape).double().masked_fill(hidden, torch.nan)


# What a rule means


def test_the_first_piece_that_holds_serves_the_pair_and_what_none_takes_is_hidden():
    method = composed("d < 3: d; j < 2: 9 - 1; d == 5: i // 2 - j // 2 + 2")
    assert [float(told(method)[i, j]) for i, j in ((2, 0), (3, 0), (4, 1), (7, 2), (8, 3))] == [2, 8, 8, 4, 5]
    assert not method.visible(torch.tensor(9), torch.tensor(3))
    assert not method.visible(torch.tensor(3), torch.tensor(4)), "its future"


def test_n_and_l_stand_for_the_length_of_the_text_and_of_training():
    method = METHODS["composed"].for_model(32, 100)
    method = replace(method, rule="d < L // 2: d; else: i * 16 // n - j * 16 // n + 15")
    assert (method.length, method.trained, method.longest) == (100, 32, 100)
    assert float(told(method)[44, 0]) == 44 * 16 // 100 + 15
    assert composed("else: d", length=100).longest is None, "whoever does not mention n reads any length"
    with pytest.raises(LongSightError, match="made for texts of at most 100 tokens, and this one has 101"):
        method.check_length(101)


@pytest.mark.parametrize(
    ("text", "pair", "distance"),
    [
        ("else: d + 2 * 3 - 1 - 1", (9, 2), 11),
        ("else: d + 17 // 2 // 2", (9, 2), 11),
        ("else: d - -3", (9, 2), 10),
        ("d < 9: 9 - d; else: 0", (9, 2), 2),
        ("else: max(i, 3, 5) - max(j, 3, 5)", (9, 2), 4),
        ("else: d / 4 + 0.25", (9, 2), 2),
        ("else: -7 % 5 + d", (9, 2), 10),
        ("else: 3 * (i // 2) - 3 * (j // 2)", (9, 2), 9),
    ],
)
def test_operators_are_python_s(text, pair, distance):
    assert float(composed(text).distance(*map(torch.tensor, pair))) == distance


def test_a_rule_is_exact_far_out():
    method = composed("d < 4: d; j // 5 <= i // 7: i // 3 - j // 3 + 2; else: 6")
    law = [[python_law(method.rule, 0, 0, i, j) if j <= i else None for j in FAR.tolist()] for i in FAR.tolist()]
    expected = torch.tensor([[torch.nan if d is None else d for d in row] for row in law], dtype=torch.float64)
    torch.testing.assert_close(told(method, FAR[:, None], FAR[None]), expected, rtol=0, atol=0, equal_nan=True)


# Its bands


def test_what_cannot_be_is_no_band_and_bands_are_named_by_their_conditions():
    assert names("d < 8: d; d < 4: 0; d < 8 and j < 3: 0; else: 8") == ["d < 8", "else"]
    assert names("d  <  8: d;j<4:8") == ["d < 8", "j<4"]
    assert names("d < 4: d; d == 7: 5; else: 6") == ["d < 4", "d == 7", "else", "else (2)"]
    assert names("d < 4: d; i < 9 and j >= 9: 1; else: 4") == ["d < 4", "else", "else (2)"]
    assert names("i // 4 == j // 4: d; d < 1: 9; d > 3 and i // 4 == j // 4: 9") == ["i // 4 == j // 4"]
    assert names("2 * i - 2 * j < 7: d") == ["2 * i - 2 * j < 7"]


@pytest.mark.parametrize(
    ("text", "footprint"),
    [
        ("d < 8: d", Footprint(0, 8)),
        ("2 * i - 2 * j < 7: d", Footprint(0, 4)),
        ("d < 8: d; j <= 3: 8", Footprint(4, 8)),
        ("d < 8: d; j // 4 < 2: 8", Footprint(8, 8)),
        ("i // 8 == j // 8: d", Footprint(0, 8)),
        ("i // 8 - 1 <= j // 8: d", Footprint(0, 16)),
        ("d < 8: d; j < i // 2: 8", EVERYTHING),
        ("d < 8: d; else: 8", EVERYTHING),
    ],
)
def test_the_cache_keeps_what_the_bounds_on_d_and_j_leave(text, footprint):
    assert cache_footprint(composed(text).bands) == footprint


def test_bands_that_turn_keys_alike_have_the_very_same_map():
    near, first, far, flat = composed(
        "d < 4: d; j < 2: min(i, 9) - j; d < 9: i // 2 - j // 2 + 2; else: i // 3 - j // 2 + i // 6 + 9"
    ).bands
    assert near.k_position is first.k_position is unchanged
    assert far.k_position is flat.k_position is not unchanged
    assert composed("else: 7").bands[0].k_position is at(0)


def test_layers_that_hear_no_positions_are_acted_on_only_where_something_is_hidden():
    assert not composed("d < 4: d; else: 4").acts_without_positions
    assert composed("d < 4: d; j < 3: 4").acts_without_positions
    assert not composed("j < 7: d; j >= 7: 0").acts_without_positions


# Methods in the language of rules


@pytest.mark.parametrize("key", SAYING_THEMSELVES)
def test_a_method_s_rule_is_its_law_and_reaches_as_far(key):
    for method in tiny.spread(key):
        if method.rule is None:
            continue
        said = composed(method.rule, *((method.longest,) if method.longest else ()))
        torch.testing.assert_close(told(said), told(method), rtol=0, atol=1e-9, equal_nan=True, msg=method.rule)
        assert (said.reach(32), said.longest) == (method.reach(32), method.longest), method.describe()
        assert said.rule == method.rule
        kept, declared = cache_footprint(said.bands), cache_footprint(method.bands)
        endless = EVERYTHING if declared.window is None or declared.window > LARGEST else declared
        assert kept == endless, method.describe()


@pytest.mark.parametrize("key", SAYING_THEMSELVES)
def test_a_method_s_rule_computes_the_same_logits(key):
    model, text = tiny.model(), tiny.ids(60)
    for method in [each for each in tiny.usable(model, key, 20, 60) if each.rule is not None][:3]:
        plain = replace(method, **{s.name: s.default for s in fields(method) if s.name in ("log_n", "logit_factor")})
        said = composed(plain.rule, *((plain.longest,) if plain.longest else ()))
        torch.testing.assert_close(model.logits(text, said), model.logits(text, plain), rtol=0, atol=1e-5)


def test_those_without_a_rule_say_none():
    assert set(METHODS) - set(SAYING_THEMSELVES) == {
        "composed", "dpe", "duo", "truncation", "ntk", "dynamic-ntk", "yarn", "infllm", "reattention",
    }  # fmt: skip
    assert METHODS["lm-infinite"](window=8, top_k=2).rule is None
    assert Method.rule.fget(METHODS["vanilla"]()) is None


# What is refused

REFUSED = [
    ("else: d // 8", "'d // 8' at character 7 of the rule: a distance must be a function of i minus a function of j; "
     "`i // 8 - j // 8` is fine."),
    ("else: min(d, 512)", "'min(d, 512)' at character 7 of the rule: min takes numbers that hang on i alone or on j "
     "alone; write pieces, as in `d < 512: d; else: 512`."),
    ("else: max(3, i - j)", "write pieces, as in `i - j < 3: 3; else: i - j`."),
    ("else: d * d", "one side of `*` must be a constant; `2 * d` is fine."),
    ("else: d // (i + 1)", "'(i + 1)' at character 12 of the rule: `//` divides by a positive constant only"),
    ("else: d / 0", "'0' at character 11 of the rule: `/` divides by a positive constant only, such as `d / 8`."),
    ("else: d / 2 // 3", "`//` takes whole numbers; divide with `/` last."),
    ("i + j < 100: d; else: d", "'i + j < 100' at character 1 of the rule: the keys for which it holds would end"),
    ("i % 8 < 3: d; else: d", "'i % 8 < 3' at character 1 of the rule: `i % 8` falls and rises"),
    ("j < 2 * i - i // 3: d", "it subtracts one function of a position from another"),
    ("d // 8 < 3: d", "a condition must compare a function of i with a function of j; `i // 8 - j // 8` is fine."),
    ("d / 2 < 3: d", "'d / 2' at character 1 of the rule: conditions compare whole numbers"),
    ("1 < d < 5: d", "'<' at character 7 of the rule: a comparison has two sides; write `a < b and b < c`."),
    ("d < 4 or j < 3: d", "'or' at character 7 of the rule: a condition has no `or`; write a piece for each side"),
    ("not d < 4: d", "'not' at character 1 of the rule: a condition has no `not`; write the opposite comparison."),
    ("d != 4: d", "'!=' at character 3 of the rule: there is no `!=`; write a piece with `<` and one with `>`."),
    ("d = 4: d", "'=' at character 3 of the rule: one `=` compares nothing; write `==`."),
    ("else: d; d < 4: d", "'d' at character 10 of the rule: nothing is left after `else`; it must be the last piece."),
    ("d < 4", "the end at character 6 of the rule: `:` was expected here, between a condition and its distance."),
    ("d: 4", "':' at character 2 of the rule: a comparison was expected here, such as `d < 128`, or `else`."),
    ("else: d d", "'d' at character 9 of the rule: `;` was expected here, or the end of the rule."),
    ("else: (d", "the end at character 9 of the rule: `)` was expected here, to close the parenthesis."),
    ("else: min(i) - j", "'min(i)' at character 7 of the rule: min chooses among two numbers or more."),
    ("else: x", "'x' at character 7 of the rule: there is no 'x'; the names are i (the query), j (the key), d (i - j)"),
    ("else: d # far", "'#' at character 9 of the rule: the language has no such character"),
    ("else: ²", "'²' at character 7 of the rule: the language has no such character"),
    ("else: d + 1099511627777", "'1099511627777' at character 11 of the rule: numbers go up to 1,099,511,627,776."),
    ("else: i * 99999999 - j * 99999999", "'i * 99999999' at character 7 of the rule: it can grow to 1.1e+20 in long"),
    ("else: d / 0.0001", "'d / 0.0001' at character 7 of the rule: it can grow to 1.1e+16 in long texts"),
    ("else: " + 30 * "(" + "d", "'(' at character 32 of the rule: a rule is nested at most 24 deep."),
    ("else: " + "d + " * 60 + "d", "it joins more than 48 numbers one by one; write it shorter."),
    ("d < 1: d; " * 17, "'d' at character 161 of the rule: a rule has at most 16 pieces."),
    ("".join(f"i // {n} < j // {n + 1} + {n}: 9;" for n in range(2, 12)) + "else: d", "falls into more than 16 bands"),
    ("d < n: d", "'n' at character 5 of the rule: its value is the parameter length, which was not given; give length"),
    ("else: L", "'L' at character 7 of the rule: its value is the parameter trained, which was not given; give"),
    ("d >= 4: d", "the query 0 would not see its own key; let a piece take d = 0 for every query, such as `d < 1: 0`."),
    ("i < 900: d", "the query 900 would not see its own key"),
    ("d < 126: d; else: d - 132", "the distance would be -6 for the query 126 and the key 0; add a constant to it"),
    ("else: 1000000 - d", "the distance would be -1 for the query 1,000,001 and the key 0"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "sentence"), REFUSED)
def test_what_is_no_rule_is_refused_with_its_place_and_what_would_work(text, sentence):
    with pytest.raises(LongSightError) as caught:
        composed(text)
    assert str(caught.value).startswith("Composed: ")
    assert sentence in str(caught.value)
    assert str(caught.value).endswith(".")


def test_a_rule_that_ends_with_the_text_may_tell_what_would_be_negative_past_it():
    method = composed("else: n - 1 - d", length=40)
    assert int(method.distance(torch.tensor(39), torch.tensor(0))) == 0
    with pytest.raises(LongSightError, match="the distance would be -1 for the query 40 and the key 0"):
        composed("else: n - 2 - d", length=41)


# How far it reaches


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("d < 128: d; j < 4: 512; else: i // 8 - j // 8 + 112", (512 - 112) * 8),
        ("d < 128: d; j < 4: 513; else: i // 8 - j // 8 + 112", 128),
        ("d < 128: d; else: i // 1000000 - j // 1000000 + 128", 384 * 1_000_000),
        ("d < 512: d; else: 512", None),
        ("d <= 512: d", 512),
        ("d < 9: 511 - d; else: 3 + i // 9 - j // 9", 4581),
        ("else: i % 600 + 600 - j % 600", 0),
        ("d < 100: d; i // 64 == j // 64 + 3: i % 600 + 64 - j % 64; else: 1", 448),
    ],
)
def test_reach_is_searched_for(text, tokens):
    assert composed(text).reach(512) == tokens


def test_reach_of_a_rule_that_mentions_n_ends_with_the_text():
    assert composed("else: d", length=4000).reach(512) == 512
    assert composed("d < n // 8: d; else: 400", length=4000).reach(512) == 4000


# Any text, any rule

SETTINGS = settings(max_examples=150, deadline=5000, suppress_health_check=list(HealthCheck), derandomize=True)
FEWER = settings(SETTINGS, max_examples=60)
WORDS = [
    *"ijdnL:;(),+-*/%<>", "//", "<=", ">=", "==", "and", "else", "min", "max", "min(", "max(", "1", "2", "7", "128",
    "0.5", "1099511627776", "d < 4: d;", "else: d", "i // 3", "j // 5", "i % 4",
]  # fmt: skip


@SETTINGS
@given(
    st.one_of(
        st.lists(st.sampled_from(WORDS), max_size=60).map(" ".join), st.text(max_size=60), st.text(WORDS[0], max_size=9)
    )
)
def test_any_text_is_a_rule_or_refused_in_a_sentence(text):
    with suppress(LongSightError):
        method = composed(text, length=50, trained=32)
        check_contract(method)
        method.reach(32)


RISING = st.sampled_from(
    [
        "{}",
        "{} // 3",
        "{} // 5 + {} // 2",
        "2 * {}",
        "min({}, 20)",
        "max({} // 2, 4)",
        "min({} // 2, 9) + {}",
        "({} + 3) // 4",
    ]
)
SMALL, OPERATORS = st.integers(0, 25), st.sampled_from(["<", "<=", ">", ">=", "=="])
CONDITIONS = st.one_of(
    st.builds("{} {} {}".format, st.sampled_from("dij"), OPERATORS, SMALL),
    st.builds(
        lambda f, g, op, c, k: f"{f.format('i', 'i')} + {c} {op} {g.format('j', 'j')} + {k}",
        RISING, RISING, OPERATORS, SMALL, SMALL,
    ),
)  # fmt: skip
DISTANCES = st.one_of(
    st.just("d"),
    SMALL.map(str),
    st.builds(lambda f, c: f"{f.format('i', 'i')} - ({f.format('j', 'j')}) + {c}", RISING, SMALL),
    st.builds(lambda c: f"i % {c + 1} - j % {c + 1} + {c}", SMALL),
    st.builds(lambda c: f"(d + {c}) / {c + 1}", SMALL),
)
PIECES = st.builds(
    lambda conditions, told: f"{' and '.join(conditions)}: {told}",
    st.lists(CONDITIONS, min_size=1, max_size=2),
    DISTANCES,
)


@FEWER
@given(st.integers(1, 6), st.lists(PIECES, max_size=2), st.one_of(st.none(), DISTANCES))
def test_any_rule_means_what_python_reads_in_it_and_its_bands_say_the_same(near, pieces, rest):
    text = "; ".join([f"d < {near}: d", *pieces, *([] if rest is None else [f"else: {rest}"])])
    method = composed(text)
    law = [[python_law(text, 0, 0, i, j) if j <= i else None for j in range(N)] for i in range(N)]
    expected = torch.tensor([[torch.nan if d is None else d for d in row] for row in law], dtype=torch.float64)
    torch.testing.assert_close(told(method), expected, rtol=0, atol=1e-9, equal_nan=True, msg=text)
    for i, j in ((QUERY, KEY), (FAR[:, None], FAR[None])):
        law = told(method, i, j)
        assert torch.equal(sum(band.visible(i, j).long() for band in method.bands), (~law.isnan()).long()), text
        for band in method.bands:
            shown = band.visible(i, j)
            torch.testing.assert_close(
                band.distance(i, j).expand_as(law).double()[shown], law[shown], rtol=1e-9, atol=1e-3
            )


def test_no_position_is_too_far_for_a_rule_that_was_taken():
    method = composed("d < 4: d; else: i * 4194304 // 5 - j * 4194304 // 5 + 3")
    far = torch.tensor(LARGEST)
    assert int(method.distance(far, torch.tensor(0))) == LARGEST * 4194304 // 5 + 3
