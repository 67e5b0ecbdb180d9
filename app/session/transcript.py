"""What the model reads in a conversation, as token ids.

A document is tokenized once. So the conversation's ids are put together from pieces: the frame of the chat template,
and inside it the ids of each message. Whatever a visitor pastes stays text: special tokens written in it are spelt out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from transformers import PreTrainedTokenizerBase

from longsight.errors import LongSightError
from longsight.generation.prompt import chat_ids

PLACE = "\ue000"
"""Stands for a message while the template is laid out; a private-use character, whose tokens no template contains."""


@dataclass(frozen=True)
class Exchange:
    """A question as asked and its answer as generated, in token ids."""

    question: list[int]
    answer: list[int]


def spell(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """The ids of a visitor's text; `<|end|>` and its like in it are ordinary characters."""
    return tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)


def prompt_ids(
    tokenizer: PreTrainedTokenizerBase,
    document: Sequence[int] | np.ndarray,
    earlier: Sequence[Exchange],
    question: list[int],
) -> np.ndarray:
    """The whole conversation (n,) int64 ending where the assistant begins. The document precedes the first question."""
    contents: list[Sequence[int] | np.ndarray] = []
    for exchange in earlier:
        contents += [exchange.question, exchange.answer]
    contents.append(question)
    if len(document):
        contents[0] = np.concatenate((document, spell(tokenizer, "\n\n"), contents[0]))
    frame = _frame(tokenizer, len(contents))
    parts = [part for pair in zip(frame, contents, strict=False) for part in pair] + [frame[-1]]
    return np.concatenate([np.asarray(part, dtype=np.int64) for part in parts])


def _frame(tokenizer: PreTrainedTokenizerBase, messages: int) -> list[list[int]]:
    """The ids of the template before, between and after `messages` alternating messages."""
    roles = ("user", "assistant")
    laid_out = chat_ids(tokenizer, [{"role": roles[n % 2], "content": PLACE} for n in range(messages)])
    frame = _split(laid_out, tokenizer.encode(PLACE, add_special_tokens=False))
    if len(frame) != messages + 1:
        raise LongSightError(
            f"The chat template of this model shows {len(frame) - 1} of {messages} messages where one was left open "
            "for each; a template that keeps every message would work."
        )
    return frame


def _split(ids: list[int], place: list[int]) -> list[list[int]]:
    parts, start, at = [], 0, 0
    while at <= len(ids) - len(place):
        if ids[at : at + len(place)] == place:
            parts.append(ids[start:at])
            start = at = at + len(place)
        else:
            at += 1
    return [*parts, ids[start:]]
