"""Numbers as a visitor reads them."""

from longsight.methods import Method

UNITS = ("B", "kB", "MB", "GB", "TB")


def count(number: int) -> str:
    """1,240,118."""
    return f"{number:,}"


def short_count(number: float) -> str:
    """1.24M, 812k, 640."""
    for limit, suffix in ((1e6, "M"), (1e4, "k")):
        if number >= limit:
            return f"{number / (limit if suffix == 'M' else 1e3):.3g}{suffix}"
    return f"{number:,.0f}"


def size(nbytes: float) -> str:
    """5.0 MB; decimal units, as file managers have them."""
    for unit in UNITS:
        if nbytes < 1000 or unit == UNITS[-1]:
            break
        nbytes /= 1000
    return f"{nbytes:.0f} {unit}" if unit == "B" else f"{nbytes:.1f} {unit}"


def duration(seconds: float) -> str:
    """under a second, 20 s, 3 min, 3 min 20 s, 2 h 5 min."""
    if seconds < 1:
        return "under a second"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 else "")
    minutes = whole % 3600 // 60
    return f"{whole // 3600} h" + (f" {minutes} min" if minutes else "")


def about(seconds: float) -> str:
    """A duration that is an estimate: about 20 s."""
    return duration(seconds) if seconds < 1 else f"about {duration(seconds)}"


def times(tokens: int, train_length: int) -> str:
    """How often the trained length goes into a text: 2,422 x, 1.4 x, 0.03 x."""
    ratio = tokens / train_length
    return f"{ratio:,.0f} ×" if ratio >= 10 else f"{ratio:.1f} ×" if ratio >= 0.1 else f"{ratio:.1g} ×"


def unseen(turns: int, of: int) -> str:
    """How many of the turns above, if any, somebody has not seen: has not seen the 2 turns above."""
    if not turns:
        return ""
    if turns < of:
        return f"has not seen {turns:,} of the {of:,} turns above"
    return "has not seen the turn above" if turns == 1 else f"has not seen the {turns:,} turns above"


def of_trained(tokens: int, train_length: int) -> str:
    """A text's length: 2,464 tokens = 4.8 × the trained length."""
    return f"{tokens:,} tokens = {times(tokens, train_length)} the trained length"


def reach(method: Method, train_length: int) -> str:
    """How far a method reaches with this model, as a sentence."""
    tokens = method.reach(train_length)
    if tokens is None:
        return "Distances stay familiar at any length."
    return f"Distances stay familiar up to {tokens:,} tokens."
