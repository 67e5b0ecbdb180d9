"""Messages -> token ids, and token ids -> text increments."""

from collections.abc import Sequence

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from longsight.errors import LongSightError
from longsight.generation.text_encoding import encoder_of

Message = dict[str, str]
"""`{"role": "user" or "assistant", "content": text}`."""

PLAIN_NAMES = {"system": "", "user": "Question: ", "assistant": "Answer: "}


def chat_ids(tokenizer: PreTrainedTokenizerBase | None, messages: Sequence[Message]) -> list[int]:
    """The conversation as ids (n,), ending where the assistant begins: those of the whole `chat_text`."""
    encoder = encoder_of(tokenizer)
    return encoder.encode(chat_text(tokenizer, messages), begins=not has_template(tokenizer)).ids.tolist()


def has_template(tokenizer: PreTrainedTokenizerBase | None) -> bool:
    """Whether the model comes with a chat template; that also says what stands before the first message."""
    return tokenizer is not None and tokenizer.chat_template is not None


def chat_text(tokenizer: PreTrainedTokenizerBase | None, messages: Sequence[Message]) -> str:
    """The conversation as one text for `TextEncoder.encode`, in which only the template's control tokens are meant.

    A plain prompt where a model has no template. Raises `LongSightError` where nothing can be made of the messages.
    """
    encoder = encoder_of(tokenizer)
    if not messages:
        raise LongSightError("There is nothing to answer: the conversation is empty.")
    if tokenizer is None or tokenizer.chat_template is None:
        return _plain_text(messages)
    covered = [message | {"content": encoder.covered(message["content"])} for message in messages]
    try:
        rendered = tokenizer.apply_chat_template(covered, add_generation_prompt=True, tokenize=False)
    except (TemplateError, TypeError, ValueError, LookupError, AttributeError) as problem:
        raise LongSightError(
            f"The chat template of this model cannot be used: {type(problem).__name__}, {problem}."
        ) from problem
    return encoder.meant(str(rendered))


def _plain_text(messages: Sequence[Message]) -> str:
    unknown = {message["role"] for message in messages} - set(PLAIN_NAMES)
    if unknown:
        raise LongSightError(
            f"A message is by {', '.join(map(repr, sorted(unknown)))}, but only {', '.join(PLAIN_NAMES)} can speak."
        )
    lines = [PLAIN_NAMES[message["role"]] + message["content"] for message in messages]
    return "\n".join([*lines, PLAIN_NAMES["assistant"].rstrip()])


class TextStream:
    """Turns token ids, one at a time, into text increments that never end inside a character.

    `tokenizers.decoders.DecodeStream` does not serve here: where single bytes stand for rare characters, as in Llama's
    vocabulary, it raises for a broken byte after a character, which a model past its trained length may well say.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._pending: list[int] = []
        self._context: list[int] = []
        self._said = 0  # characters of the pending tokens' text that were handed out

    def push(self, token: int) -> str:
        """The text that `token` completes; a character that is still unfinished is held back."""
        self._pending.append(token)
        text = self._text()
        whole = text.rstrip("\ufffd")  # a character whose last bytes are still to come shows as one or more of these
        new = text[self._said : len(whole)]
        self._said = max(self._said, len(whole))
        if len(whole) == len(text):
            self._context, self._pending, self._said = self._pending, [], 0
        return new

    def finish(self) -> str:
        """Whatever is still held back."""
        text = self._text()[self._said :] if self._pending else ""
        self._pending, self._said = [], 0
        return text

    def _text(self) -> str:
        # Decoded after its predecessor, because some tokenizers drop the leading space of a text's first token.
        before = self._tokenizer.decode(self._context, skip_special_tokens=True)
        return self._tokenizer.decode(self._context + self._pending, skip_special_tokens=True)[len(before) :]
