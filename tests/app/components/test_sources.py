"""Papers and repositories that a text names are links."""

import re

import pytest

from app.components.sources import linked
from app.panels.about import methods_table
from app.panels.method_head import source
from longsight.methods import METHODS


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("Jin et al. 2024, arXiv 2401.01325", ["https://arxiv.org/abs/2401.01325"]),
        ("Su 2023, github.com/bojone/rerope, and arXiv 2309.00071, section 3.3",
         ["https://arxiv.org/abs/2309.00071", "https://github.com/bojone/rerope"]),
        ("common practice <b>", []),
    ],
)  # fmt: skip
def test_links_lead_where_the_text_says_and_open_beside_the_page(text, addresses):
    shown = linked(text)
    assert sorted(re.findall(r'href="([^"]+)"', shown)) == sorted(addresses)
    assert shown.count('target="_blank" rel="noopener noreferrer"') == len(addresses)
    assert "<b>" not in shown


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_every_method_that_names_a_paper_or_a_repository_links_to_it(method):
    shown = source(method)
    assert ("arXiv" in method.paper) == ("https://arxiv.org/abs/" in shown)
    assert not method.code or re.fullmatch(r"github\.com/[\w-]+/[\w-]+", method.code)
    assert bool(method.code) == (f'<a href="https://{method.code}"' in shown and ">code</a>" in shown)
    assert shown in methods_table()
