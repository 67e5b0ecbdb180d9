"""The language of position rules: a short text, its tokens, and the small tree that it says.

    d < 128: d; j < 4: 512; else: i // 8 - j // 8 + 112

Pieces `condition: distance` are parted by `;`, and the first one whose condition holds serves the pair of query i and
key j. Read by this module alone: no text is ever run as code. What the tree means is said in `law.py`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import NamedTuple

from longsight.methods.base import LARGEST
from longsight.methods.rules.tree import MOST_NESTED, Comparison, Expr, Rule, RulePiece, RulePlace, Source, made, number

MOST_CHARACTERS, MOST_PIECES = 500, 16
COMPARISONS = ("<=", ">=", "==", "<", ">")
NAMES = "i (the query), j (the key), d (i - j), n (the text's length), L (the trained length), min and max"
TOKEN = re.compile(r" *(?:([0-9]+(?:\.[0-9]+)?)|([A-Za-z_][A-Za-z_0-9]*)|(//|<=|>=|==|!=|[-+*/%<>=():;,]))")
INSTEAD = {
    "or": "a condition has no `or`; write a piece for each side, with the same distance",
    "not": "a condition has no `not`; write the opposite comparison",
    "!=": "there is no `!=`; write a piece with `<` and one with `>`",
    "=": "one `=` compares nothing; write `==`",
}


class Token(NamedTuple):
    kind: str
    text: str
    place: RulePlace


def parse(text: str, length: int, trained: int) -> Rule:
    """The rule that a text states, for texts of `length` tokens (n) and a model trained on `trained` (L); 0: not given.

    Raises `LongSightError`, with the place and what would work, on anything that is no rule of this language.
    """
    source = Source(text)
    if len(text) > MOST_CHARACTERS:
        raise source.refuse(RulePlace(MOST_CHARACTERS, len(text)), f"a rule has at most {MOST_CHARACTERS} characters")
    tokens = list(_tokens(source))
    bounded = any(token.kind == "name" and token.text == "n" for token in tokens)
    pieces = _Parser(source, tokens, {"n": length, "L": trained}, bounded).rule()
    return Rule(source, pieces, length if bounded else None)


def _tokens(source: Source) -> list[Token]:
    found, at, end = [], 0, len(source.text.rstrip(" "))
    while at < end:
        match = TOKEN.match(source.text, at)
        if match is None:
            start = at + len(source.text[at:]) - len(source.text[at:].lstrip(" "))
            raise source.refuse(RulePlace(start, start + 1), f"the language has no such character; it knows {NAMES}")
        kind = ("number", "name", "mark")[match.lastindex - 1 if match.lastindex else 0]
        at = match.end()
        found.append(Token(kind, match.group(match.lastindex or 0), RulePlace(match.start(match.lastindex or 0), at)))
    return [*found, Token("end", "", RulePlace(len(source.text), len(source.text)))]


@dataclass
class _Parser:
    """Recursive descent: one method for each line of the grammar."""

    source: Source
    tokens: list[Token]
    constants: dict[str, int]
    bounded: bool
    """Whether positions end with the text, whose length the rule mentions."""
    at: int = 0
    nested: int = 0

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def take(self, *texts: str) -> Token | None:
        """The next token, if it is one of these."""
        if self.token.kind in ("number", "end") or self.token.text not in texts:
            return None
        self.at += 1
        return self.tokens[self.at - 1]

    def expect(self, text: str, what: str) -> None:
        if self.take(text) is None:
            why = INSTEAD.get(self.token.text, f"`{text}` was expected here, {what}")
            raise self.source.refuse(self.token.place, why)

    def rule(self) -> tuple[RulePiece, ...]:
        pieces: list[RulePiece] = []
        while not pieces or self.token.kind != "end":
            if len(pieces) == MOST_PIECES:
                raise self.source.refuse(self.token.place, f"a rule has at most {MOST_PIECES} pieces")
            if pieces and pieces[-1].name == "else":
                raise self.source.refuse(self.token.place, "nothing is left after `else`; it must be the last piece")
            pieces.append(self.piece())
            if self.token.kind != "end":
                self.expect(";", "or the end of the rule")
        return tuple(pieces)

    def piece(self) -> RulePiece:
        start = self.token.place.start
        comparisons: list[Comparison] = []
        if self.take("else") is None:
            comparisons.append(self.comparison())
            while self.take("and"):
                comparisons.append(self.comparison())
        name = self.source.quoted(RulePlace(start, self.tokens[self.at - 1].place.stop))
        self.expect(":", "between a condition and its distance")
        told = self.sum()
        return RulePiece(tuple(comparisons), " ".join(name.split()), told, RulePlace(start, told.place.stop))

    def comparison(self) -> Comparison:
        left = self.sum()
        op = self.take(*COMPARISONS)
        if op is None:
            why = INSTEAD.get(self.token.text, "a comparison was expected here, such as `d < 128`, or `else`")
            raise self.source.refuse(self.token.place, why)
        right = self.sum()
        if self.token.text in COMPARISONS:
            raise self.source.refuse(self.token.place, "a comparison has two sides; write `a < b and b < c`")
        for side in (left, right):
            if not side.whole:
                raise self.source.refuse(
                    side.place, "conditions compare whole numbers; fractions may be distances only"
                )
        return Comparison(left, op.text, right, RulePlace(left.place.start, right.place.stop))

    def sum(self) -> Expr:
        return self.chain(self.product, "+", "-")

    def product(self) -> Expr:
        return self.chain(self.signed, "*", "//", "%", "/")

    def chain(self, part: Callable[[], Expr], *ops: str) -> Expr:
        found = part()
        while op := self.take(*ops):
            right = part()
            found = made(self.source, op.text, (found, right), RulePlace(found.place.start, right.place.stop))
        return found

    def signed(self) -> Expr:
        sign = self.take("-")
        if sign is None:
            return self.primary()
        with_sign = self.inside(self.signed)
        return made(self.source, "negative", (with_sign,), RulePlace(sign.place.start, with_sign.place.stop))

    def inside(self, part: Callable[[], Expr]) -> Expr:
        self.nested += 1
        if self.nested > MOST_NESTED:
            raise self.source.refuse(self.token.place, f"a rule is nested at most {MOST_NESTED} deep")
        found = part()
        self.nested -= 1
        return found

    def primary(self) -> Expr:
        token = self.token
        self.at += token.kind != "end"
        if token.kind == "number":
            value = Fraction(token.text) if "." in token.text else int(token.text)
            if value > LARGEST:
                raise self.source.refuse(token.place, f"numbers go up to {LARGEST:,}")
            return number(value, token.place, "." not in token.text)
        if token.text == "(":
            found = self.inside(self.sum)
            self.expect(")", "to close the parenthesis")
            return replace(found, place=RulePlace(token.place.start, self.tokens[self.at - 1].place.stop))
        if token.text in ("min", "max"):
            return self.inside(lambda: self.choice(token))
        if token.text in ("i", "j", "d"):
            high = self.constants["n"] - 1 if self.bounded else LARGEST
            reads = frozenset("ij" if token.text == "d" else token.text)
            return Expr(token.text, place=token.place, high=max(high, 0), reads=reads)
        if token.text in self.constants:
            return self.constant(token)
        known = (
            f"there is no {token.text!r}; the names are {NAMES}" if token.kind == "name" else "a number was expected"
        )
        raise self.source.refuse(token.place, INSTEAD.get(token.text, known))

    def choice(self, token: Token) -> Expr:
        self.expect("(", f"after {token.text}")
        parts = [self.sum()]
        while self.take(","):
            parts.append(self.sum())
        self.expect(")", f"to close {token.text}")
        place = RulePlace(token.place.start, self.tokens[self.at - 1].place.stop)
        if len(parts) == 1:
            raise self.source.refuse(place, f"{token.text} chooses among two numbers or more")
        return made(self.source, token.text, tuple(parts), place)

    def constant(self, token: Token) -> Expr:
        value = self.constants[token.text]
        if value == 0:
            field_name = {"n": "length", "L": "trained"}[token.text]
            raise self.source.refuse(
                token.place, f"its value is the parameter {field_name}, which was not given; give {field_name} as well"
            )
        return number(value, token.place)
