"""The language of rules as Python itself reads it: expressions of both are written and computed alike."""

from functools import cache


@cache
def _compiled(text):
    pieces = [piece.split(":") for piece in text.split(";") if piece.strip()]
    return [
        (
            True if condition.strip() == "else" else compile(condition.strip(), text, "eval"),
            compile(told.strip(), text, "eval"),
        )
        for condition, told in pieces
    ]


def python_law(text, length, trained, i, j):
    """What a rule tells the query i of the key j; None where no piece takes the pair."""
    names = {"i": i, "j": j, "d": i - j, "n": length, "L": trained, "min": min, "max": max, "__builtins__": {}}
    for condition, told in _compiled(text):
        if condition is True or eval(condition, names):
            return eval(told, names)
    return None
