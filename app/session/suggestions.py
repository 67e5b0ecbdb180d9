"""What may be asked next: of the document at hand, and of the model that is to answer."""

from app.session import verdicts
from app.session.sessions import Session
from longsight.generation.prompt import has_template
from longsight.models.model import Model

KEY, SUMMARY, ON = "What is the pass key?", "Summarise the text in three sentences.", "Go on."
MOST = 3

TALKERS = 100_000_000
"""Weights from which on a model with a chat template is asked for a summary. The embedded ones, with a hundredth of
that, find and continue, and say of themselves that they are too small for more."""


def suggestions(session: Session, model: Model) -> list[str]:
    """Up to `MOST` questions that `model` can make something of; none while there is nothing to ask about."""
    found = []
    if session.document is not None:
        found += [KEY] if verdicts.hidden_keys(session.document.text, KEY) else []
        found += [SUMMARY] if talks(model) else []
    if session.document is not None or session.turns:
        found.append(ON)
    return found


def talks(model: Model) -> bool:
    """Whether it can be asked for a summary."""
    return has_template(model.tokenizer) and model.weights >= TALKERS
