"""Messages -> token ids, and token ids -> text increments."""

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from longsight.errors import LongSightError

Message = dict[str, str]
"""`{"role": "user" or "assistant", "content": text}`."""

PLAIN_NAMES = {"system": "", "user": "Question: ", "assistant": "Answer: "}


def chat_ids(tokenizer: PreTrainedTokenizerBase | None, messages: Sequence[Message]) -> list[int]:
    """The conversation as ids (n,), ending where the assistant begins; a plain prompt without a chat template."""
    if tokenizer is None:
        raise LongSightError("This model has no tokenizer, so it cannot read text; give it token ids.")
    if not messages:
        raise LongSightError("There is nothing to answer: the conversation is empty.")
    if tokenizer.chat_template is not None:
        encoded = tokenizer.apply_chat_template(list(messages), add_generation_prompt=True, return_dict=True)
        return list(encoded["input_ids"])
    unknown = {message["role"] for message in messages} - set(PLAIN_NAMES)
    if unknown:
        raise LongSightError(
            f"A message is by {', '.join(map(repr, sorted(unknown)))}, but only {', '.join(PLAIN_NAMES)} can speak."
        )
    lines = [PLAIN_NAMES[message["role"]] + message["content"] for message in messages]
    return tokenizer.encode("\n".join([*lines, PLAIN_NAMES["assistant"].rstrip()]))


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
