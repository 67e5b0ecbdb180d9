"""How long a text a method can take: as far as its distances are familiar, and as far as it sees all of it."""

import torch

from longsight.methods import Method


def sight(method: Method, most: int) -> int | None:
    """The longest text [tokens] whose last token sees or can fetch every other; None when it is no shorter than `most`.

    For truncation it is its length; for a window, the window; for SelfExtend there is none, only a `Method.reach`.
    """
    if sees_all(method, most):
        return None
    low, high = 1, most  # sees_all(low) and not sees_all(high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if sees_all(method, middle) else (low, middle)
    return low


def sees_all(method: Method, n: int) -> bool:
    """Whether the last token of a text of `n` tokens sees or can fetch all of it."""
    if method.keeps(n) < n:
        return False
    query, keys = torch.tensor(n - 1), torch.arange(n)
    seen = method.visible(query, keys)
    if method.retrieval is not None:
        seen = seen | method.retrieval.fetchable(query, keys)
    return bool(seen.all())
