"""What queries fetch by definition: every score, every weight, nothing remembered. Part of `plain.py`.

Shapes as there, with one k per head; a text is read from its first token, which blocks need: what stands for one
follows from the attention of all queries.
"""

import torch
from torch import Tensor

from longsight.attention.encoding import Encoding
from longsight.methods.fetching import LAST, BestBlocks, BestKeys, BestSpans, Retrieval

Told = tuple[Tensor, Tensor]
"""Which keys a query fetches (batch, head, query, key) bool, and at which distance (batch, 1, query, key)."""


def blocks(rule: Retrieval, i: Tensor, retrieves: bool, ends: tuple[int, ...]) -> list[slice]:
    """The queries at `i` that fetch together, where reading ended before the positions `ends`, too."""
    if rule.queries == LAST:
        return [slice(len(i) - 1, len(i))] * retrieves
    starts = [n for n in range(len(i)) if n == 0 or rule.begin(i[n]) != rule.begin(i[n - 1]) or int(i[n]) in ends]
    return [slice(start, end) for start, end in zip(starts, [*starts[1:], len(i)], strict=True)]


def fetched(
    rule: Retrieval, q: Tensor, k: Tensor, i: Tensor, j: Tensor, encoding: Encoding, weights: Tensor, before: Tensor
) -> Told:
    """What queries at `i` fetch together; `weights` (batch, head, query, key) are those of the queries `before`."""
    fetchable = rule.middle(i[:, None], j[None])
    middle = fetchable.any(0).nonzero()[:, 0]
    chosen = torch.zeros(*q.shape[:2], len(j), dtype=torch.bool)
    if len(middle):
        if isinstance(rule.choice, BestKeys):
            scores = encoding.logits(q, k[:, :, middle], torch.full((1, 1), rule.distance), 1.0).mean(2)
            chosen_keys = middle[best(scores, rule.choice.count)]
            chosen.scatter_(-1, chosen_keys, True)
        elif isinstance(rule.choice, BestBlocks):
            for b in range(len(q)):
                chosen[
                    b, :, _best_blocks(rule.choice, rule.distance, q[b], k[b], middle, j, encoding, weights[b], before)
                ] = True
        else:
            for b in range(len(q)):
                chosen[b, :, _best_spans(rule.choice, q[b], k[b], middle)] = True
    told = torch.full((len(q), 1, len(i), len(j)), rule.distance or 0)
    if rule.distance is None and len(middle):
        chosen[:, :, : rule.always] = True
        rank = chosen[:, :1, None].long().flip(-1).cumsum(-1).flip(-1)  # how many from here to the end of the middle
        told = i[:, None] - (int(middle[-1]) + 1 - rank)
        fetchable = torch.ones_like(fetchable)
    return chosen[:, :, None] & fetchable, told


def _best_blocks(
    choice: BestBlocks, distance: int | None, q: Tensor, k: Tensor, middle: Tensor, j: Tensor, encoding: Encoding,
    weights: Tensor, before: Tensor,
) -> Tensor:  # fmt: skip
    cut = middle.reshape(-1, choice.size)
    if len(cut) <= choice.count:
        return middle
    recently = before[:, None] - j[None] < choice.recently
    drawn = (weights * recently).sum(1)[:, cut]  # (head, block, key)
    standing = cut[torch.arange(len(cut))[:, None], drawn.topk(choice.representatives).indices]
    means = torch.stack([k[head, standing[head]].double().mean(1) for head in range(len(q))])  # (head, block, channel)
    scores = encoding.logits(q[None].double(), means[None], torch.tensor([[distance]]), 1.0)[0].mean(1).sum(0)
    return cut[best(scores, choice.count)].flatten()


def _best_spans(choice: BestSpans, q: Tensor, k: Tensor, middle: Tensor) -> Tensor:
    counts: dict[int, int] = {}
    for key in middle[best(q @ k[:, middle].mT, choice.count)].flatten().tolist():
        counts[key] = counts.get(key, 0) + 1
    hits = sorted(counts, key=lambda key: (-counts[key], key))[: choice.most]
    around = {min(max(key + offset, int(middle[0])), int(middle[-1])) for key in hits for offset in choice.offsets}
    return torch.tensor(sorted(around))


def best(scores: Tensor, count: int) -> Tensor:
    """Where the highest are, of equal ones the earlier, along the last axis."""
    return scores.sort(dim=-1, descending=True, stable=True).indices[..., :count]
