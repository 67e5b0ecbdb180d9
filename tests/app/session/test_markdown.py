"""Lists, code and tables of an answer are seen as such; noise and markup stay what they are."""

import pytest

from app.session.markdown import TAGS, elements


def test_lists_code_and_emphasis_become_elements():
    text = "Two *ways*:\n\n1. `one`\n2. **two**\n\n```python\nprint(1 < 2)\n```"
    assert elements(text) == [
        {"tag": "p", "inside": ["Two ", {"tag": "em", "inside": ["ways"]}, ":"]},
        {"tag": "ol", "inside": [
            {"tag": "li", "inside": [{"tag": "p", "inside": [{"tag": "code", "inside": ["one"]}]}]},
            {"tag": "li", "inside": [{"tag": "p", "inside": [{"tag": "strong", "inside": ["two"]}]}]},
        ]},
        {"tag": "pre", "inside": ["print(1 < 2)\n"]},
    ]  # fmt: skip


def test_a_table_has_its_cells():
    [table] = elements("| a | b |\n|---|---|\n| 1 | 2 |")
    assert table["tag"] == "table"
    assert [part["tag"] for part in table["inside"]] == ["thead", "tbody"]


@pytest.mark.parametrize("text", [
    "", "The pass key is 12345.", "One line.\nAnother line.", "\n\n\n", "the the the the", "1 < 2 & 3 > 2",
    "* * * * *\n* * *\n***\n---\n* * * #\n###\n> > >\n- - -\n*", "#" * 6 + " \n" + "######\n" * 20,
])  # fmt: skip
def test_plain_text_and_noise_stay_as_they_are(text):
    assert elements(text) is None


@pytest.mark.parametrize("text", [
    "**b** <script>alert(1)</script>", "**b** <img src=x onerror=alert(1)>", "- <b>x</b>\n- [y](javascript:alert(1))",
    "**b** ![x](http://example.com/x.png)", "**b** [x](http://example.com)", "`<|im_end|>` **b**",
])  # fmt: skip
def test_nothing_is_markup_and_nothing_asks_for_anything(text):
    def tags(parts):
        return [tag for part in parts if not isinstance(part, str) for tag in (part["tag"], *tags(part["inside"]))]

    found = elements(text)
    assert set(tags(found)) <= set(TAGS.values())
    assert "src" not in str([part for part in found if not isinstance(part, str) and set(part) != {"tag", "inside"}])
    if "<" in text:
        assert "<" in str(found)
    if "http" in text:
        assert "example.com" in str(found)
