"""Words explain themselves once in a text, and each is explained in plainer ones."""

import html
import re

import pytest

from analysis.diagnostics.panels import PANELS
from app.components.glossary import GLOSSARY, explained, glossary_list


def terms(shown):
    return re.findall(r'<dfn class="term" tabindex="0">([^<]+)<span role="tooltip">([^<]+)</span></dfn>', shown)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Look at logits, and logits again.", [("logits", "logit")]),
        ("Entropy in nats; Λ only.", [("Entropy", "entropy"), ("nats", "nat"), ("Λ", "Λ")]),
        ("A few sink tokens", [("sink", "sink")]),
        ("natural, sinking, logit-like", []),
    ],
)
def test_the_first_occurrence_of_a_word_is_explained_and_nothing_like_it(text, found):
    shown = explained(text)
    assert terms(shown) == [(said, html.escape(GLOSSARY[word])) for said, word in found]
    assert re.sub(r"<span.*?</span>|<[^>]+>", "", shown) == text


def test_texts_are_text():
    assert "<b>" not in explained("<b>logit</b> & more")


@pytest.mark.parametrize(("word", "key"), [("logit", "logits"), ("entropy", "entropy")])
def test_diagnostics_speak_words_that_are_explained(word, key):
    assert GLOSSARY[word] in html.unescape(explained(PANELS[key].look))


def test_every_word_is_in_the_list():
    assert re.findall(r"<dt>(.*?)</dt>", glossary_list()) == list(GLOSSARY)
