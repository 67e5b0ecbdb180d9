"""From a pasted, uploaded or chosen text to a session's document, in named steps; and measuring the machine, once."""

from collections.abc import Generator

from app.session import devices, estimate, formatting
from app.session.device_jobs import DeviceJob
from app.session.device_sharing import Waiting, in_turn, line_of
from app.session.documents import Document, Reading
from app.session.sessions import Session
from longsight.generation.text_encoding import EncodedText, encoder_of
from longsight.models.model import Model
from longsight.progress import Progress, until

ANSWER_ROOM = 256
"""Tokens added to a document's for the question and the answer, when parameters are fitted to the text."""


def describe(session: Session, model: Model) -> str:
    """The document in one line, as it stands above the first question about it."""
    if session.document is None:
        return ""
    length = formatting.of_trained(token_count(session, model), model.train_length)
    return f"{session.document.name} · {formatting.size(session.document.nbytes)} · {length}"


def take_steps(session: Session, model: Model, reading: Reading) -> Generator[Progress[None], None, None]:
    """Make what is being read the document that the session is about; yields named steps.

    The old one stays if anything fails. When a newer document comes in meanwhile, this one is removed, or the visitor
    leaves, it gives way at once.
    """
    session.incoming = reading

    def given_up() -> bool:
        return session.incoming is not reading

    document = yield from until(given_up, reading)
    if document is None:
        return
    tokens = yield from until(given_up, encoder_of(model.tokenizer).steps(document.text))
    if tokens is None or given_up():
        return
    session.incoming = None
    session.take(document)
    session.tokens[model.name] = tokens


def tokens_steps(session: Session, model: Model) -> Generator[Progress[None], None, EncodedText | None]:
    """The session's document for `model`, encoded now if it was not before; None without one."""
    if session.document is None:
        return None
    return (yield from document_steps(session.document, session, model))


def document_steps(document: Document, session: Session, model: Model) -> Generator[Progress[None], None, EncodedText]:
    """The `document` of a session for `model`, encoded now if it was not before."""
    known = session.tokens  # of this document: another one that comes meanwhile begins with none
    if model.name not in known:
        known[model.name] = yield from encoder_of(model.tokenizer).steps(document.text)
    return known[model.name]


def measure_steps(session: Session, model: Model) -> Generator[Progress[None], None, None]:
    """Measure this machine's speed with `model`, once per process, when no one else uses it. A GPU that is lent is the
    visitor's own time, and is not spent on that."""
    if devices.LENT or estimate.speed(model).samples or line_of(model.device).busy:
        return
    for step in in_turn(model.device, session, lambda: session.left, DeviceJob(estimate.measure_steps, (model,))):
        yield Progress(0, 0, str(step) if isinstance(step, Waiting) else "measuring this machine")


def token_count(session: Session, model: Model) -> int:
    """Tokens of the session's document for `model`; 0 without one."""
    return len(session.tokens.get(model.name, ()))


def said_of_target(session: Session, model: Model) -> str:
    """What `target_length` is made of: 2,720 tokens, the 2,464 of the text and 256 for a question and its answer."""
    count, target = token_count(session, model), target_length(session, model)
    if not count:
        return f"{target:,} tokens, the trained length"
    return f"{target:,} tokens, the {count:,} of the text and {ANSWER_ROOM:,} for a question and its answer"


def target_length(session: Session, model: Model) -> int:
    """How long a text the methods are to reach: the document with room for an answer, or the trained length."""
    count = token_count(session, model)
    return count + ANSWER_ROOM if count else model.train_length
