"""Exact banded attention: the fast path, proven equal to `plain.py`.

Queries and keys are rotated once per band, blocks of queries go to the fused attention kernels with only the keys that
a band can show them, and the bands are merged exactly through their log-sum-exp. Nothing of size n x n is ever built.

Shapes: q (batch, head, query, channel); k, v (batch, key_head, key, channel), where `head` is a multiple of `key_head`;
i (query,) and j (key,) int64 positions. That of a single query is on the CPU, so that its plan asks the device nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from longsight.attention.edges import Edges, Window
from longsight.attention.encoding import Encoding, Table, rotate
from longsight.attention.kept_layer import Slices, joined
from longsight.attention.kernels import kernel, merge, windowed_kernel
from longsight.attention.transfer import sent
from longsight.attention.varlen import serves, unmasked_kernel
from longsight.methods import Method
from longsight.methods.bands import Band

BLOCK = 512  # queries handed to a kernel at once; smaller blocks waste calls, larger ones waste masked keys
FEW = 256  # queries, see `needs_no_masks`
WHOLE = 3 * BLOCK  # a band's keys up to this many go to the kernel in one masked piece


class Piece(NamedTuple):
    """One kernel call: which band, which queries, which of the band's keys, and what to hide (None: nothing), by a mask
    or by a window."""

    band: int
    queries: slice
    keys: slice
    mask: Tensor | None
    window: Window | None = None


@dataclass(frozen=True)
class BandKeys:
    """The stored keys one band shows to a chunk, and what its queries and those keys are turned by or biased with."""

    keys: slice
    q_table: Table | None
    k_table: Table | None
    q_bias: Tensor | None  # (head, query) float64
    k_bias: Tensor | None  # (head, 1, key) float64


@dataclass(frozen=True)
class Plan:
    """Everything about a chunk that depends on positions alone, made once and shared by all layers."""

    bands: dict[int, BandKeys]
    blocks: list[list[Piece]]
    scale: Tensor | None  # (query, 1)
    interleaved: bool


def needs_no_masks(q: Tensor, k: Tensor, v: Tensor) -> bool:
    """Whether there is a kernel here that does without masks, where the edges of a band allow it; for few queries on a
    CPU a masked call is the faster one."""
    return q.shape[2] >= FEW if q.device.type == "cpu" else serves(q, k, v)


def make_plan(i: Tensor, j: Tensor, method: Method, encoding: Encoding, like: Tensor, unmasked: bool = False) -> Plan:
    """Plan attention of consecutive queries `i` over keys at ascending positions `j`; `unmasked`: by windows, in bands
    that can do without masks."""
    used, blocks = {}, []
    for number, band in enumerate(method.bands):
        keys = key_range(j, band.span.first(i[:1]), band.span.last(i[-1:]))
        if keys.start < keys.stop:
            used[number] = band_keys(band, i, j[keys], keys, encoding, like)
    edges = {n: Edges.of(method.bands[n].span, i, j) for n in used} if unmasked else {}
    on_cpu = like.device.type == "cpu"
    edges = {n: each for n, each in edges.items() if not each.need_masks and not (on_cpu and each.narrow)}
    starts = {start for each in edges.values() for start in each.starts}
    if len(edges) < len(used):
        starts.update(range(0, len(i), BLOCK))
    for rows in (slice(*ends) for ends in pairwise([*sorted(starts), len(i)])):
        pieces = []
        for n, shown in used.items():
            if n in edges:
                pieces += _windowed(n, edges[n], rows, shown.keys)
            else:
                pieces += _pieces(n, method.bands[n], i, j, rows, shown.keys, like)
        blocks.append(pieces)
    scale = method.logit_scale(i)
    return Plan(used, blocks, None if scale is None else scale.to(like)[:, None], encoding.interleaved)


def band_keys(band: Band, i: Tensor, j: Tensor, keys: slice, encoding: Encoding, like: Tensor) -> BandKeys:
    """Rotations and biases of queries `i` and of the stored keys `keys`, which stand at `j`, inside one band."""
    q_position, k_position = band.q_position(i), band.k_position(j)
    origin = q_position[..., :1]  # only differences matter: near zero every angle and every bias is exact
    q_position, k_position = q_position - origin, k_position - origin
    q_bias, k_bias = encoding.bias(-q_position), encoding.bias(k_position)
    return BandKeys(
        keys,
        encoding.table(q_position, like),
        encoding.table(k_position, like),
        q_bias,
        None if k_bias is None else k_bias[:, None],
    )


def key_range(j: Tensor, first: Tensor, last: Tensor) -> slice:
    """The indices into ascending `j` of positions in [first, last)."""
    a, b = torch.searchsorted(j, torch.cat((first, last))).tolist()
    return slice(a, max(a, b))


def _pieces(number: int, band: Band, i: Tensor, j: Tensor, rows: slice, keys: slice, like: Tensor) -> list[Piece]:
    """Cut what a block of queries sees of a band into keys that all of them see, and edges that need a mask."""
    block = i[rows]
    outer = key_range(j, band.span.first(block[:1]), band.span.last(block[-1:]))
    inner = key_range(j, band.span.first(block[-1:]), band.span.last(block[:1]))
    if outer.start >= outer.stop:
        return []
    if inner.start >= inner.stop or outer.stop - outer.start <= WHOLE:
        cuts = [(outer.start, outer.stop, inner != outer)]
    else:
        cuts = [(outer.start, inner.start, True), (inner.start, inner.stop, False), (inner.stop, outer.stop, True)]
    pieces = []
    for a, b, masked in cuts:
        if a < b:
            mask = _hidden(~band.visible(block[:, None], j[None, a:b]), like) if masked else None
            pieces.append(Piece(number, rows, slice(a - keys.start, b - keys.start), mask))
    return pieces


def _windowed(number: int, edges: Edges, rows: slice, keys: slice) -> list[Piece]:
    """What queries of one run see of a band, in one piece without a mask."""
    found = edges.seen(rows)
    if found is None:
        return []
    seen, window = found
    return [Piece(number, rows, slice(seen.start - keys.start, seen.stop - keys.start), None, window)]


def _hidden(hidden: Tensor, like: Tensor) -> Tensor:
    """An additive mask. Finite, so that a row with nothing to see gets the weight exp(-huge) = 0, and not NaN."""
    huge = torch.finfo(like.dtype).min / 2
    return torch.zeros(hidden.shape, dtype=like.dtype, device=like.device).masked_fill_(hidden, huge)


def attend(
    q: Tensor, k: Tensor, v: Tensor, plan: Plan, scaling: float, softcap: float | None = None
) -> tuple[Tensor, Tensor]:
    """The fast path for a chunk -> (batch, head, query, channel) and log-sum-exp (batch, head, query)."""
    if plan.scale is not None:
        q = q * plan.scale
    turned = {
        number: (rotate(q, band.q_table, plan.interleaved), rotate(k[:, :, band.keys], band.k_table, plan.interleaved))
        for number, band in plan.bands.items()
    }

    def attend_block(block: list[Piece]) -> tuple[Tensor, Tensor]:
        return merge([_attend_piece(x, plan.bands[x.band], *turned[x.band], v, scaling, softcap) for x in block])

    if len(plan.blocks) == 1:
        return attend_block(plan.blocks[0])
    out, lse = q.new_empty(*q.shape[:3], v.shape[-1]), q.new_empty(q.shape[:3], dtype=torch.float32)
    for block in plan.blocks:
        rows = block[0].queries
        out[:, :, rows], lse[:, :, rows] = attend_block(block)
    return out, lse


def _attend_piece(
    piece: Piece, band: BandKeys, q: Tensor, k: Tensor, v: Tensor, scaling: float, softcap: float | None
) -> tuple[Tensor, Tensor]:
    mask, rows = piece.mask, piece.queries
    values = v[:, :, band.keys][:, :, piece.keys]
    if piece.window is not None:
        asked = q[:, :, rows], k[:, :, piece.keys], values
        if q.device.type == "cpu":
            return windowed_kernel(*asked, piece.window, scaling)
        return unmasked_kernel(*asked, piece.window, scaling)
    if band.k_bias is not None and band.q_bias is not None:  # counted from the block's first query: float32 is exact
        bias = (band.k_bias[:, :, piece.keys] + band.q_bias[:, rows.start, None, None]).to(q.device, torch.float32)
        mask = bias if mask is None else bias + mask
    out, lse = kernel(q[:, :, rows], k[:, :, piece.keys], values, mask, scaling, softcap)
    if band.q_bias is not None:
        lse = lse + (band.q_bias[:, rows] - band.q_bias[:, rows.start, None]).to(lse)
    return out, lse


@dataclass(frozen=True)
class Glance:
    """The plan of a single query: where the keys lie that it sees, and one rotation and one bias for each, by its
    distance."""

    seen: list[slice]
    k_table: Table | None
    bias: Tensor | None  # (head, 1, key)
    scale: Tensor | None
    interleaved: bool


def make_glance(i: Tensor, j: Tensor, slices: Slices, method: Method, encoding: Encoding, like: Tensor) -> Glance:
    """Plan attention of one query `i` (1,) over keys at positions `j`, which lie in `slices`, in any order."""
    spans = [band.span for band in method.bands]
    seen = joined(each for span in spans for each in slices(int(span.first(i)), int(span.last(i))))
    distance = method.distance(sent(i, j.device), taken(j, seen, 0))
    bias = encoding.bias(-distance)
    if bias is not None:
        bias = bias.to(like.device, torch.float32)[:, None]
    scale = method.logit_scale(i)
    scale = None if scale is None else sent(scale, like.device, like.dtype)[:, None]
    return Glance(seen, encoding.relative_table(distance, like), bias, scale, encoding.interleaved)


def taken(x: Tensor, slots: list[slice], dim: int) -> Tensor:
    """What lies in these slots along an axis; of a single slice a view."""
    parts = [x.narrow(dim, each.start, each.stop - each.start) for each in slots]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim)


def attend_one(
    q: Tensor, k: Tensor, v: Tensor, glance: Glance, scaling: float, softcap: float | None = None
) -> tuple[Tensor, Tensor]:
    """The fast path for a single query -> (batch, head, 1, channel) and log-sum-exp (batch, head, 1)."""
    if glance.scale is not None:
        q = q * glance.scale
    k, v = taken(k, glance.seen, 2), taken(v, glance.seen, 2)
    return kernel(q, rotate(k, glance.k_table, glance.interleaved), v, glance.bias, scaling, softcap)


def planned(
    i: Tensor, j: Tensor, slices: Slices | None, method: Method, encoding: Encoding, like: Tensor, unmasked: bool
) -> Callable:
    """The fast path for queries `i` on the CPU, ready for the q, k, v, scaling and softcap of any layer whose keys
    stand at `j`: in ascending order, or for a single query in `slices`."""
    if slices is not None:
        return partial(attend_one, glance=make_glance(i, j, slices, method, encoding, like))
    return partial(attend, plan=make_plan(sent(i, j.device), j, method, encoding, like, unmasked))
