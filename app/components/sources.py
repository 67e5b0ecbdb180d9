"""Where something is from: texts that name papers and repositories, as links to them."""

import html
import re

ADDRESSES = {r"arXiv (\d{4}\.\d{4,5})": "https://arxiv.org/abs/", r"(github\.com/[\w-]+/[\w-]+)": "https://"}
"""How a paper or a repository is named in a text, and what stands before that in its address."""


def linked(text: str) -> str:
    """`text` as HTML, in which `arXiv 2308.16137` and `github.com/owner/name` lead there."""
    text = html.escape(text)
    for named, begin in ADDRESSES.items():
        text = re.sub(named, link(rf"{begin}\1", r"\g<0>"), text)
    return text


def link(address: str, text: str) -> str:
    """HTML: a link that opens beside the page."""
    return f'<a href="{html.escape(address)}" target="_blank" rel="noopener noreferrer">{text}</a>'
