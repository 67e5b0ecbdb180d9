"""What a rule is once it has been read: a small tree of frozen values, with places in the text and bounds."""

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import product
from typing import NamedTuple

from longsight.errors import LongSightError

MOST_NESTED, MOST_JOINED = 24, 48
MOST, MOST_FRACTIONAL = 2**62, 2**52
"""No value on the way may be larger: whole numbers stay within int64, and fractions are told apart in float64."""


class RulePlace(NamedTuple):
    """Characters `start <= x < stop` of a rule."""

    start: int
    stop: int


@dataclass(frozen=True)
class Source:
    """The text of a rule, so that what is wrong can be quoted."""

    text: str

    def quoted(self, place: RulePlace) -> str:
        return self.text[place.start : place.stop]

    def refuse(self, place: RulePlace, why: str) -> LongSightError:
        """What is wrong at a place, as an error to raise."""
        quoted = self.quoted(place)
        shown = "the end" if place.start >= len(self.text) else repr(quoted if len(quoted) < 80 else quoted[:79] + "…")
        return LongSightError(f"Composed: {shown} at character {place.start + 1} of the rule: {why}.")


@dataclass(frozen=True)
class Expr:
    """A number made of i and j. `op`: an operator, a function, a name, or "number" (then `number` is its value).

    `low`, `high`: between which its values lie; `whole`: whether they are whole; `reads`: which of i and j it hangs on.
    """

    op: str
    parts: tuple["Expr", ...] = ()
    number: int | Fraction = 0
    place: RulePlace = field(default=RulePlace(0, 0), compare=False)
    low: int | Fraction = field(default=0, compare=False)
    high: int | Fraction = field(default=0, compare=False)
    whole: bool = field(default=True, compare=False)
    reads: frozenset[str] = field(default=frozenset(), compare=False)
    depth: int = field(default=0, compare=False)

    @property
    def largest(self) -> int | Fraction:
        """The largest magnitude of its values."""
        return magnitude(self.low) if magnitude(self.low) > magnitude(self.high) else magnitude(self.high)


@dataclass(frozen=True)
class Comparison:
    left: Expr
    op: str
    right: Expr
    place: RulePlace


@dataclass(frozen=True)
class RulePiece:
    """A condition, all of whose `comparisons` must hold (none: it always does), its text, and the distance told."""

    comparisons: tuple[Comparison, ...]
    name: str
    distance: Expr
    place: RulePlace


@dataclass(frozen=True)
class Rule:
    """What a text says: its pieces, and the longest text [tokens] that it speaks of where it mentions n; None: any."""

    source: Source
    pieces: tuple[RulePiece, ...]
    longest: int | None


def magnitude(value: int | Fraction) -> int | Fraction:
    return -value if value < 0 else value


def number(value: int | Fraction, place: RulePlace, whole: bool = True) -> Expr:
    return Expr("number", (), value, place, value, value, whole)


def made(source: Source, op: str, parts: tuple[Expr, ...], place: RulePlace) -> Expr:
    """An operator on its parts; a number at once where they are numbers. Raises `LongSightError` on what has no
    value, or a value out of bounds."""
    _check(source, op, parts, place)
    ends = [(part.low, part.high) for part in parts]
    sides = zip(*ends, strict=True) if op in ("min", "max") else product(*ends)
    corners = [calculate(op, values) for values in sides]
    low, high = min(corners), max(corners)
    if op == "%" and parts[0].low // parts[1].low != parts[0].high // parts[1].low:
        low, high = 0, parts[1].number - 1
    whole = op != "/" and all(part.whole for part in parts)
    if max(-low, high) > (MOST if whole else MOST_FRACTIONAL):
        raise source.refuse(
            place, f"it can grow to {float(max(-low, high)):.2g} in long texts, more than is computed exactly here"
        )
    depth = 1 + max(part.depth for part in parts)
    if depth > MOST_JOINED:
        raise source.refuse(place, f"it joins more than {MOST_JOINED} numbers one by one; write it shorter")
    if all(part.op == "number" for part in parts):
        return number(low, place, whole)
    return Expr(op, parts, 0, place, low, high, whole, frozenset().union(*(part.reads for part in parts)), depth)


def _check(source: Source, op: str, parts: tuple[Expr, ...], place: RulePlace) -> None:
    if op == "*" and all(part.op != "number" for part in parts):
        raise source.refuse(place, "one side of `*` must be a constant; `2 * d` is fine")
    if op not in ("//", "%", "/"):
        return
    left, right = parts
    if right.op != "number" or right.number <= 0:
        raise source.refuse(right.place, f"`{op}` divides by a positive constant only, such as `d {op} 8`")
    if op != "/" and not (left.whole and right.whole):
        raise source.refuse(place, f"`{op}` takes whole numbers; divide with `/` last")


def calculate(op: str, values: tuple[int | Fraction, ...]) -> int | Fraction:
    """An operator on numbers, exactly."""
    first, last = values[0], values[-1]
    simple: dict[str, Callable[[], int | Fraction]] = {
        "+": lambda: first + last, "-": lambda: first - last, "*": lambda: first * last, "//": lambda: first // last,
        "%": lambda: first % last, "/": lambda: Fraction(first) / last, "negative": lambda: -first,
        "min": lambda: min(values), "max": lambda: max(values),
    }  # fmt: skip
    return simple[op]()
