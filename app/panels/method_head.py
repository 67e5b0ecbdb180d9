"""The head of a method in the side: what it does, how far it reaches, what of it was fitted, and where it is from."""

import html

from analysis.runs import Run
from app.components.glossary import explained
from app.components.sources import link, linked
from app.session import formatting
from app.session.side_by_side import ChosenMethod
from longsight.methods import Method


def head(run: Run, chosen: ChosenMethod, train_length: int, length: int) -> str:
    """The head of a run, as HTML, for a text of `length` tokens, with what is written after it: the label where that
    says more, what the method does, and how far it reaches, or why it cannot be."""
    wrong = chosen.problem or chosen.refused
    label = "" if chosen.problem or run.label == run.method.title else f"<b>{html.escape(run.label)}</b>"
    said = f'<em role="alert">{html.escape(wrong)}</em>' if wrong else _reach(run.method, train_length, length)
    fitted = "" if wrong or not chosen.fitted else f"<small>{_fitted(chosen, length)}</small>"
    where = source(run.method)
    where = f'<small class="source">{where}</small>' if "<a " in where else ""
    return (
        f'<div class="method-head" style="--method:{run.colour}">{label}<span>{explained(run.method.summary)}</span>'
        f"{said}{fitted}{where}</div>"
    )


def _reach(method: Method, train_length: int, length: int) -> str:
    reach = method.reach(train_length)
    short = reach is not None and reach < length
    said = formatting.reach(method, train_length)
    return f'<small class="short">{said} This text needs {length:,}.</small>' if short else f"<small>{said}</small>"


def _fitted(chosen: ChosenMethod, length: int) -> str:
    return f"Fitted to {length:,} tokens: {html.escape(chosen.follows)}."


def source(method: Method | type[Method]) -> str:
    """Where a method is from, as HTML with links: its paper, and its authors' code where they published it."""
    return linked(method.paper) + (f" · {link(f'https://{method.code}', 'code')}" if method.code else "")
