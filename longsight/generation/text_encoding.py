"""Text -> token ids: those of the whole text wherever a long one is cut; control tokens only where they are meant.

What a visitor pastes may spell `<|im_end|>` or `</s>`; a chat template means it. So the tokenizer is copied with other,
unguessable names for its control tokens: the template's are renamed before they are encoded, anyone else's are text.
"""

import json
import re
import secrets
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerBase

from longsight.errors import LongSightError
from longsight.progress import Progress

PIECE = 32_768  # characters encoded at once, so that progress and Stop get a word in
OVERLAP = 2_000  # characters that two pieces share; where their tokens agree, they are joined
BATCH = 16  # pieces encoded in parallel
AGREE = 8  # tokens on either side of a join that must be the same in both


@dataclass(frozen=True, eq=False)
class EncodedText:
    """A text, its token `ids` (n,) int32, and the character (n,) int32 at which each begins."""

    text: str
    ids: np.ndarray
    starts: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def nbytes(self) -> int:
        """Bytes that it takes besides its text."""
        return self.ids.nbytes + self.starts.nbytes

    def joined(self, later: "EncodedText", shift: int) -> "EncodedText | None":
        """With `later`, the encoding of a text that begins at character `shift` of this one and goes on beyond its end.

        None where no place in what both cover has the same tokens on either side.
        """
        place = self.joint(later, shift)
        if place is None:
            return None
        left, right = place
        return EncodedText(
            self.text + later.text[len(self.text) - shift :],
            np.concatenate((self.ids[:left], later.ids[right:])),
            np.concatenate((self.starts[:left], later.starts[right:] + np.int32(shift))),
        )

    def joint(self, later: "EncodedText", shift: int) -> tuple[int, int] | None:
        """The token at which to leave this encoding for which token of `later`: in the middle of what both cover."""
        first, shared = int(np.searchsorted(self.starts, shift)), len(self.text) - shift
        own, others = self.starts[first:] - shift, later.starts[: np.searchsorted(later.starts, shared)]
        starts, lefts, rights = np.intersect1d(own, others, return_indices=True)
        for at in np.argsort(np.abs(starts - shared // 2), kind="stable").tolist():
            left, right = int(lefts[at]) + first, int(rights[at])
            if left >= AGREE and right >= AGREE and self._agrees(later, shift, left, right):
                return left, right
        return None

    def _agrees(self, later: "EncodedText", shift: int, left: int, right: int) -> bool:
        mine, theirs = slice(left - AGREE, left + AGREE), slice(right - AGREE, right + AGREE)
        return (
            len(self.ids[mine]) == len(later.ids[theirs]) == 2 * AGREE
            and np.array_equal(self.ids[mine], later.ids[theirs])
            and np.array_equal(self.starts[mine] - shift, later.starts[theirs])
        )

    def after(self, token: int) -> "EncodedText":
        """From a token on, with the same text: characters keep their numbers."""
        return EncodedText(self.text, self.ids[token:], self.starts[token:])


class TextEncoder:
    """Encodes text for one tokenizer."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        """Raises `LongSightError` for a tokenizer that is not of the tokenizers library."""
        if not getattr(tokenizer, "is_fast", False):
            raise LongSightError(
                f"{type(tokenizer).__name__} has no form in the tokenizers library, by which LongSight knows where a "
                "token stands in its text; give the model a tokenizer.json."
            )
        self._secret = secrets.token_hex(8)
        told = json.loads(tokenizer.backend_tokenizer.to_str())
        self._names = _rename_control_tokens(told, self._secret)
        self._core = Tokenizer.from_str(json.dumps(told))
        self._core.no_truncation()
        self._core.no_padding()

    @cached_property
    def _control(self) -> re.Pattern[str] | None:
        """Finds the control tokens that a text spells, the longest first."""
        names = sorted(self._names, key=len, reverse=True)
        return re.compile("|".join(map(re.escape, names))) if names else None

    def covered(self, text: str) -> str:
        """`text` with something else for what it spells of control tokens: so it goes through a template."""
        names = list(self._names)
        return self._replaced(text, lambda name: f"<{self._secret}.{names.index(name)}>")

    def meant(self, rendered: str) -> str:
        """A rendered template: its control tokens are meant, and what was `covered` is text again."""
        names = list(self._names)
        meant = self._replaced(rendered, lambda name: self._names[name])
        return re.sub(rf"<{self._secret}\.(\d+)>", lambda found: names[int(found[1])], meant)

    def _replaced(self, text: str, by: Any) -> str:
        return text if self._control is None else self._control.sub(lambda found: by(found[0]), text)

    def encode(self, text: str, begins: bool = False) -> EncodedText:
        """The ids of a text at once; what it spells of control tokens is text, unless `meant`.

        With `begins`, after those that the tokenizer puts before every text (BOS); never with those that end one.
        """
        encoding = self._core.encode(text, add_special_tokens=begins)
        encoded = _told(text, encoding)
        if not begins or not text:
            return encoded
        ending = next(n for n, special in enumerate(reversed(encoding.special_tokens_mask)) if not special)
        kept = len(encoded) - ending
        return EncodedText(text, encoded.ids[:kept], encoded.starts[:kept])

    def continued(self, text: str) -> EncodedText:
        """`encode` for a text that others precede: without the space that some tokenizers put before a first word."""
        encoded = self.encode(f"x{text}")
        first = int(np.searchsorted(encoded.starts, 1))
        if first < len(encoded) and encoded.starts[first] == 1:
            return EncodedText(text, encoded.ids[first:], encoded.starts[first:] - np.int32(1))
        return self.encode(text)

    def encode_pieces(self, pieces: list[str]) -> list[EncodedText]:
        """`encode` for each, in parallel."""
        encodings = self._core.encode_batch(pieces, add_special_tokens=False)
        return [_told(piece, encoding) for piece, encoding in zip(pieces, encodings, strict=True)]

    def steps(self, text: str) -> Generator[Progress[None], None, EncodedText]:
        """`encode` in pieces; yields the progress in characters, first and after each batch of pieces."""
        parts = _Parts(self, _Passage([text]))
        yield Progress(0, len(text), "tokenizing")
        for end in parts.read():
            yield Progress(end, len(text), "tokenizing")
        return parts.whole(text)

    def stream(self, pieces: Iterable[str]) -> Iterator[np.ndarray]:
        """The ids (n,) int32 that `steps` gives the text that the pieces make together, some at a time. Little more of
        it is held than a batch."""
        passage = _Passage(pieces)
        parts = _Parts(self, passage)
        for end in parts.read():
            yield parts.taken()
            passage.forget(min(parts.origin, end - OVERLAP))
        parts.finish()
        yield parts.taken()


class _Passage:
    """A text that comes in pieces: as much of it as was asked for, and not forgotten. Characters keep their numbers."""

    def __init__(self, pieces: Iterable[str]) -> None:
        self.pieces, self.text, self.first = iter(pieces), "", 0

    @property
    def end(self) -> int:
        return self.first + len(self.text)

    def reaches(self, end: int) -> bool:
        """Whether there are so many characters, after as many pieces as it takes to know."""
        while self.end < end and (piece := next(self.pieces, None)) is not None:
            self.text += piece
        return self.end >= end

    def cut(self, start: int, end: int) -> str:
        return self.text[start - self.first : end - self.first]

    def line_end(self, start: int, end: int) -> int | None:
        """After the last line that ends between the two."""
        at = self.text.rfind("\n", start - self.first, end - self.first)
        return None if at < 0 else self.first + at + 1

    def forget(self, before: int) -> None:
        before = max(before, self.first)
        self.text, self.first = self.text[before - self.first :], before

    def spans(self) -> Iterator[tuple[int, int]]:
        """First and end of pieces that overlap, cut at ends of lines where there are some."""
        start = 0
        while self.reaches(start + PIECE + OVERLAP + 1):
            end = self.line_end(start + OVERLAP, start + PIECE) or start + PIECE
            yield max(start - OVERLAP, 0), end
            start = end
        yield max(start - OVERLAP, 0), self.end


class _Parts:
    """The encodings of pieces of a text, each joined to the one before."""

    def __init__(self, encoder: TextEncoder, passage: _Passage) -> None:
        self.encoder, self.passage = encoder, passage
        self.done: list[tuple[np.ndarray, np.ndarray, int]] = []
        self.last, self.origin = EncodedText("", np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int32)), 0

    def read(self) -> Iterator[int]:
        """Encode; yields after each batch the character that it ends at."""
        spans = self.passage.spans()
        while batch := list(islice(spans, BATCH)):
            pieces = [self.passage.cut(*span) for span in batch]
            encodings = self.encoder.encode_pieces(pieces)
            for (start, _), encoded in zip(batch, encodings, strict=True):
                self.add(encoded, start)
            yield batch[-1][1]

    def add(self, piece: EncodedText, start: int) -> None:
        """A piece that begins at character `start`. Where its tokens depend on where it was cut, it is cut at a token
        of the piece before, or else not cut from that at all."""
        end = start + len(piece.text)
        place = self.last.joint(piece, start - self.origin) if start else (0, 0)
        at = int(np.searchsorted(self.last.starts, start - self.origin))
        if place is None and at < len(self.last):
            start = self.origin + int(self.last.starts[at])
            piece = self.encoder.encode(self.passage.cut(start, end))
            place = self.last.joint(piece, start - self.origin)
        if place is None:
            start = self.origin + (int(self.last.starts[0]) if len(self.last) else 0)
            text = self.passage.cut(start, end)
            piece = self.encoder.continued(text) if start else self.encoder.encode(text)
            place = (0, 0)
        left, right = place
        self._finish(left)
        self.last, self.origin = piece.after(right), start

    def _finish(self, tokens: int) -> None:
        self.done.append((self.last.ids[:tokens], self.last.starts[:tokens], self.origin))

    def finish(self) -> None:
        """No piece follows."""
        self._finish(len(self.last))

    def taken(self) -> np.ndarray:
        """The ids that are certain and have not been taken."""
        ids = np.concatenate([np.zeros(0, dtype=np.int32), *(ids for ids, _, _ in self.done)])
        self.done.clear()
        return ids

    def whole(self, text: str) -> EncodedText:
        self.finish()
        starts = np.concatenate([starts + np.int32(origin) for _, starts, origin in self.done])
        return EncodedText(text, self.taken(), starts)


_encoders: WeakKeyDictionary[PreTrainedTokenizerBase, TextEncoder] = WeakKeyDictionary()


def encoder_of(tokenizer: PreTrainedTokenizerBase | None) -> TextEncoder:
    """The one encoder of a tokenizer. Raises `LongSightError` where a model has none."""
    if tokenizer is None:
        raise LongSightError("This model has no tokenizer, so it cannot read text; give it token ids.")
    if tokenizer not in _encoders:
        _encoders[tokenizer] = TextEncoder(tokenizer)
    return _encoders[tokenizer]


def _told(text: str, encoding: Any) -> EncodedText:
    offsets = np.array(encoding.offsets, dtype=np.int32).reshape(-1, 2)
    return EncodedText(text, np.array(encoding.ids, dtype=np.int32), offsets[:, 0])


def _rename_control_tokens(told: dict[str, Any], secret: str) -> dict[str, str]:
    """Give the control tokens of a tokenizer's JSON other names; returns those by the old ones."""
    control = [added for added in told["added_tokens"] if added["special"] and added["content"]]
    names = {added["content"]: f"<|{secret}.{number}|>" for number, added in enumerate(control)}
    for added in control:
        added.update(content=names[added["content"]], single_word=False)
    model = told["model"]
    if isinstance(vocabulary := model.get("vocab"), dict):
        model["vocab"] = {names.get(name, name): token for name, token in vocabulary.items()}
    elif vocabulary is not None:
        model["vocab"] = [[names.get(name, name), score] for name, score in vocabulary]
    if "merges" in model:  # nor may a control token come of merging
        pairs = [merge if isinstance(merge, list) else merge.split(" ") for merge in model["merges"]]
        model["merges"] = [pair for pair in pairs if not names.keys() & {*pair, "".join(pair)}]
    if model.get("unk_token") in names:
        model["unk_token"] = names[model["unk_token"]]
    return names
