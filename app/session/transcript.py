"""What the model reads in a conversation, as token ids: those of the whole text that the chat template makes of it.

A document is encoded once. What stands around it is rendered with its two ends only, and joined to it where the tokens
agree. Answers stay the ids that were generated, so that a cache can go on from them.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from transformers import PreTrainedTokenizerBase

from longsight.errors import LongSightError
from longsight.generation.prompt import chat_text, has_template
from longsight.generation.text_encoding import EncodedText, TextEncoder, encoder_of

END = 4_000  # characters of a document's ends that go through the template with what stands around it
ROLES = ("user", "assistant")


@dataclass(frozen=True)
class Exchange:
    """A question as asked, and its answer as generated, in token ids."""

    question: str
    answer: list[int]


@dataclass(frozen=True)
class Prompt:
    """The `ids` (n,) int64 of a conversation, and the character of its document (n,) int32 at which each token begins,
    -1 for those around it."""

    ids: np.ndarray
    starts: np.ndarray


def prompt_ids(
    tokenizer: PreTrainedTokenizerBase | None,
    document: EncodedText | None,
    earlier: Sequence[Exchange],
    question: str,
) -> np.ndarray:
    """Those of `make_prompt`."""
    return make_prompt(tokenizer, document, earlier, question).ids


def make_prompt(
    tokenizer: PreTrainedTokenizerBase | None,
    document: EncodedText | None,
    earlier: Sequence[Exchange],
    question: str,
) -> Prompt:
    """The whole conversation, ending where the assistant begins. The document precedes the first question."""
    encoder, questions = encoder_of(tokenizer), [*(exchange.question for exchange in earlier), question]
    marks = [f"[{secrets.token_hex(16)}]" for _ in questions]  # the first for the document's middle, then for answers
    _check_template(tokenizer, 2 * len(earlier) + 1)
    middle = document if document is not None and len(document.text) > 3 * END else None
    if document is not None:
        text = document.text if middle is None else f"{document.text[:END]}{marks[0]}{document.text[-END:]}"
        questions[0] = f"{text}\n\n{questions[0]}"
    contents = [text for pair in zip(questions, [*marks[1:], ""], strict=True) for text in pair][:-1]
    first, *others = _cut(_rendered(tokenizer, contents), marks[1:])
    begins = not has_template(tokenizer)
    opening = encoder.encode(first, begins) if middle is None else _around(encoder, first, marks[0], middle, begins)
    parts: list[Sequence[int] | np.ndarray] = [opening.ids]
    for exchange, text in zip(earlier, others, strict=True):
        parts += [exchange.answer, encoder.continued(text).ids]
    ids = np.concatenate([np.asarray(part, dtype=np.int64) for part in parts])
    return Prompt(ids, _starts(opening, document, len(ids)))


def _starts(opening: EncodedText, document: EncodedText | None, tokens: int) -> np.ndarray:
    """Of all tokens of a prompt that begins with `opening`; none where a template changes what it is given."""
    starts = np.full(tokens, -1, dtype=np.int32)
    at = -1 if document is None else opening.text.find(document.text)
    if document is not None and at >= 0:
        inside = opening.starts - at
        starts[: len(inside)] = np.where((inside >= 0) & (inside < len(document.text)), inside, -1)
    return starts


def _rendered(tokenizer: PreTrainedTokenizerBase | None, contents: Sequence[str]) -> str:
    return chat_text(tokenizer, [{"role": ROLES[n % 2], "content": text} for n, text in enumerate(contents)])


def _cut(text: str, marks: Sequence[str]) -> list[str]:
    parts = []
    for mark in marks:
        before, _, text = text.partition(mark)
        parts.append(before)
    return [*parts, text]


def _around(encoder: TextEncoder, text: str, mark: str, document: EncodedText, begins: bool) -> EncodedText:
    """The encoding of `text`, in which `mark` stands for the document without its ends."""
    before, _, after = text.partition(mark)
    shift = len(before) - END
    start = encoder.encode(before, begins).joined(document, shift)
    whole = start and start.joined(encoder.continued(after), shift + len(document.text) - END)
    return whole or encoder.encode(f"{before}{document.text[END:-END]}{after}", begins)


def _check_template(tokenizer: PreTrainedTokenizerBase | None, messages: int) -> None:
    """Raises `LongSightError` unless the template shows each message once, in order."""
    marks = [secrets.token_hex(16) for _ in range(messages)]
    rendered = _rendered(tokenizer, marks)
    places = [rendered.find(mark) for mark in marks if rendered.count(mark) == 1]
    if len(places) < messages or places != sorted(places):
        raise LongSightError(
            f"The chat template of this model shows {len(places)} of {messages} messages where one was left open "
            "for each; a template that keeps every message would work."
        )
