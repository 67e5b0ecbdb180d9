"""Distance maps: read out of published code, ours by the law, and ours as the fast path computes them."""

import json

import torch

from longsight.attention.fast import attend, attend_one, make_glance, make_plan
from longsight.attention.rope import Rotary
from longsight.methods.base import of_group
from tests.longsight.tiny import DATA, lying


def read_maps(file):
    """name -> the rows of a map, NaN where masked."""
    return {
        name: [torch.tensor([torch.nan if d is None else d for d in row], dtype=torch.float64) for row in rows]
        for name, rows in json.loads((DATA / file).read_text()).items()
    }


def whole(n):
    """All queries and all keys of a text of n tokens."""
    return [(range(n), range(n))]


def last(n):
    """A decode step: the last query of n tokens."""
    return [(range(n - 1, n), range(n))]


def law(method, i, j, group=-1):
    """Distances (query, key) by the method's own definition, NaN where hidden; of groups of frequencies one's."""
    i, j = torch.tensor(list(i))[:, None], torch.tensor(list(j))[None, :]
    shape = i.shape[0], j.shape[1]
    told = of_group(method.distance(i, j), group).expand(shape).double()
    return told.masked_fill(~method.visible(i, j).expand(shape), torch.nan)


HEARD = 0.05
"""How far a distance that is heard may be off [tokens]: acos loses digits near distance 0, where a single rounding of a
float32 log-sum-exp of 4 to 8 makes 0.014 of it, and every band that is merged rounds once."""

THETA = 0.05  # 16 tokens turn by less than half a circle, so that a logit names one distance


def heard(method, i, j, group=-1):
    """Distances (query, key) read out of the fast path: with unit queries and keys a logit is cos(distance * theta).

    There is a pair of channels for each group of frequencies, and queries and keys stand in that of the `group`. The
    values are unit vectors, so that attention returns its own weights, and its log-sum-exp turns these into logits.
    """
    i, j = torch.tensor(list(i)), torch.tensor(list(j))
    pairs = method.frequency_groups
    rotary, channels = Rotary(torch.full((pairs,), THETA, dtype=torch.float64)), max(len(j), 2 * pairs)
    unit = torch.eye(channels, dtype=torch.float64)[None, None]
    here = unit[:, :, group % pairs][:, :, None]
    q, k = (here.expand(-1, -1, n, -1) for n in (len(i), len(j)))
    if len(i) == 1:
        out, lse = attend_one(q, k, unit[:, :, : len(j)], make_glance(i, j, lying(j), method, rotary, q), 1.0)
    else:
        out, lse = attend(q, k, unit[:, :, : len(j)], make_plan(i, j, method, rotary, q), 1.0)
    weights = out[0, 0, :, : len(j)]
    logits = weights.log() + lse[0, 0, :, None].double()
    distances = logits.clamp(-1, 1).acos() / THETA
    return distances.masked_fill(weights < 1e-12, torch.nan)


def agrees(ours, theirs, allowed):
    """Whether two maps hide the same pairs and give all others the same distance."""
    return bool((((ours - theirs).abs() < allowed) | (ours.isnan() & theirs.isnan())).all())
