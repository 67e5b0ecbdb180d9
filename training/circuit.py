"""Initial weights in which a network can already copy: an induction circuit (Olsson et al. 2022, arXiv 2209.11895).

Small networks need far more than an hour of two CPU cores to find it by themselves (LOG.md). Training changes it at
will: it is a beginning, not a frozen part.

With rotary positions (the module names of Llama):

- Every embedding gets a part that all tokens have in common, by which a head can attend by position alone.
- Head 0 of layer 0 attends to its own token and, less and less, to the ones before (the rotations add up to such a
  fall), and writes this fading trail of tokens into a subspace `before`.
- Head 0 of layer 1 looks for places whose trail, without their own token, is the one that it stands on, and copies what
  is there. So it compares several tokens, and not only the last one.

With ALiBi (the module names of MPT) the same, but without a common part: the head of layer 0 with the steepest slope,
left without queries and keys, attends by the bias alone. The head of layer 1 with the flattest slope compares.
"""

from __future__ import annotations

import dataclasses
import math

import torch
from transformers import PreTrainedModel
from transformers.models.mpt.modeling_mpt import build_mpt_alibi_tensor

from training.recipe import RecipeError

COMMON = 0.7  # size of the common part, relative to an embedding
FADE = 0.7  # how much less the logit of the trail's head is at each token further back
FAR = 9.0  # and how much less at most
NEAR = 12  # tokens back, up to which the fall is to be followed closely
SMOOTH = 10.0  # ridge of that fit: what keeps the keys small
SLOW_FROM = 0.5  # pairs from this part on hardly turn within the window: they compare tokens at any distance
COPY = 3.0  # how strongly the found token is written
TRAIL = 2.5  # how strongly the trail is written, relative to an embedding
FRESH = 0.15  # how strongly the place that looks asks for its own token, relative to a whole trail
RECALL = 0.6  # and for the trail before it
MATCH = 14.0  # logit of a place with the very same trail
ALIBI_TRAIL = 2.0  # the same as TRAIL and MATCH, for ALiBi
ALIBI_MATCH = 16.0  # apart from the bias
QUIET = 0.1  # what MPT's wide GELU layers say at first, which would drown the embeddings otherwise


@dataclasses.dataclass(frozen=True)
class Directions:
    """Orthonormal directions of the residual stream. `common`: (channel). `before`, `token`: (channel row)."""

    common: torch.Tensor
    before: torch.Tensor
    token: torch.Tensor


def write_induction(model: PreTrainedModel) -> None:
    """Write the circuit into a fresh model, in place. Uses torch's global random state.

    RecipeError for an architecture whose circuit is not known, and for fewer than 2 layers or 3 heads: the subspaces
    `before` and `token` and the common part need room.
    """
    config = model.config
    if config.model_type not in WRITERS:
        raise RecipeError(
            f"induction = true knows {' and '.join(WRITERS)} models, found model_type = {config.model_type!r}; "
            "choose one of them, or set induction = false"
        )
    if config.num_hidden_layers < 2 or config.num_attention_heads < 3:
        raise RecipeError(
            f"induction = true needs at least 2 layers and 3 heads, found {config.num_hidden_layers} and "
            f"{config.num_attention_heads}; give more, or set induction = false"
        )
    with torch.no_grad():
        WRITERS[config.model_type](model)


def _directions(model: PreTrainedModel) -> tuple[Directions, float]:
    """Random directions that the embeddings leave free as the circuit needs it, and the norm of an embedding."""
    width, size = model.config.hidden_size, model.config.hidden_size // model.config.num_attention_heads
    basis = torch.linalg.qr(torch.randn(width, 1 + 2 * size))[0]  # (channel row), orthonormal
    directions = Directions(basis[:, 0], basis[:, 1 : 1 + size], basis[:, 1 + size :])
    embeddings = model.get_input_embeddings().weight  # (token channel)
    norm = float(embeddings.std()) * math.sqrt(width)
    embeddings -= (embeddings @ directions.common)[:, None] * directions.common
    embeddings -= (embeddings @ directions.before) @ directions.before.T  # kept free for what layer 0 writes
    return directions, norm


def _write_rotary(model: PreTrainedModel) -> None:
    directions, norm = _directions(model)
    embeddings = model.get_input_embeddings().weight
    embeddings += COMMON * norm * directions.common
    theta, length = model.config.rope_parameters["rope_theta"], model.config.max_position_embeddings
    key, trail = falling(directions.token.shape[1], theta, length)
    _leave_a_trail(model.model.layers[0].self_attn, directions, norm, key)
    _attend_to_match(model.model.layers[1].self_attn, directions, norm, trail)


def falling(size: int, theta: float, length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A key that makes the attention of one constant query fall with the distance, and that attention.

    (channel,) and (distance,). A query of ones and zeros meets the key (u, v) at a distance d with the logit
    sum u cos(angle d) + v sin(angle d): least squares finds the u and v whose sum falls by FADE a token.
    """
    angles = theta ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)
    distance = torch.arange(length, dtype=torch.float64)
    turns = distance[:, None] * angles
    waves = torch.cat([turns.cos(), turns.sin(), torch.ones(length, 1)], 1)  # (distance, channel and a constant)
    wanted = (-FADE * distance).clamp(min=-FAR)
    weights = torch.where(distance < NEAR, 10.0, 1.0)[:, None] * waves
    ridge = SMOOTH * torch.eye(size + 1, dtype=torch.float64)
    ridge[-1, -1] = 0
    solved = torch.linalg.solve(weights.T @ weights + ridge, weights.T @ (weights[:, -1] * wanted))
    return solved[:-1].float(), torch.softmax(waves @ solved, 0).float()


def _leave_a_trail(attention: torch.nn.Module, directions: Directions, norm: float, key: torch.Tensor) -> None:
    width, size = directions.token.shape
    query = torch.cat([torch.ones(size // 2), torch.zeros(size // 2)])
    seen = width * COMMON**2 / (1 + COMMON**2)  # squared norm of the common part of a normed embedding
    scale = math.sqrt(math.sqrt(size) / seen)  # the logits are what the fit says
    balance = math.sqrt(float(key.norm() / query.norm()))  # between the two matrices
    attention.q_proj.weight[:size] += scale * balance * query[:, None] * directions.common
    attention.k_proj.weight[:size] += scale / balance * key[:, None] * directions.common
    attention.v_proj.weight[:size] = directions.token.T
    read = math.sqrt(size / (1 + COMMON**2))  # the norm of what head 0 reads from a normed embedding
    attention.o_proj.weight[:, :size] = directions.before * (TRAIL * norm / read)


def _attend_to_match(attention: torch.nn.Module, directions: Directions, norm: float, trail: torch.Tensor) -> None:
    width, size = directions.token.shape
    slow = (torch.arange(size // 2) >= SLOW_FROM * (size // 2)).float().repeat(2)[:, None]
    token = directions.token.T * math.sqrt(width / size)  # reads a token as the trail says it
    wanted = RECALL * trail  # (distance,): what the query asks for of the tokens up to its own
    wanted[0] += FRESH
    same = TRAIL**2 * float(trail[1:] @ wanted[:-1])  # of two places with the same trail
    normed = width / (1 + COMMON**2 + TRAIL**2 * float(trail @ trail))  # what the norm of layer 1 makes of a square
    scale = math.sqrt(MATCH * math.sqrt(size) / (same * normed * float(slow.mean()))) * TRAIL
    attention.q_proj.weight[:size] = scale * slow * (RECALL / TRAIL * directions.before.T + FRESH * token)
    attention.k_proj.weight[:size] = scale * slow * (directions.before.T / TRAIL - trail[0] * token)
    found = torch.linalg.qr(torch.randn(width, size))[0]
    attention.v_proj.weight[:size] = found.T
    attention.o_proj.weight[:, :size] = found * (COPY * norm / 4)


def _write_alibi(model: PreTrainedModel) -> None:
    directions, _ = _directions(model)
    norm = float(model.get_input_embeddings().weight.norm(dim=-1).mean())
    for block in model.transformer.blocks:
        block.ffn.down_proj.weight *= QUIET
    heads, width = model.config.n_heads, model.config.d_model
    slopes = build_mpt_alibi_tensor(heads, 2, model.config.attn_config.alibi_bias_max).diff()[:, 0, 0]  # (head,)
    steepest, flattest = int(slopes.argmax()), int(slopes.argmin())
    fade = float(torch.exp(-slopes[steepest]))
    first, second = (block.attn for block in model.transformer.blocks[:2])

    size = width // heads
    q, k, v = _rows(first, steepest, size)
    q.zero_()
    k.zero_()
    v.copy_(directions.token.T)
    read = math.sqrt(size / (1 - size / width))  # the norm of what is read from a normed embedding
    write = ALIBI_TRAIL * norm / read
    first.out_proj.weight[:, steepest * size : (steepest + 1) * size] = directions.before * write

    own = (1 - fade) * write * math.sqrt(width) / norm  # what a token adds to its own trail, per unit of its embedding
    trail = (
        (1 - fade) ** 2 / (1 - fade**2) * (write * read) ** 2
    )  # squared norm of a whole trail, before layer 1 norms it
    normed = width / (norm**2 + trail)  # what the norm of layer 1 makes of a squared norm
    scale = math.sqrt(ALIBI_MATCH * math.sqrt(size) / (trail * normed * fade))
    q, k, v = _rows(second, flattest, size)
    q.copy_(scale * directions.before.T)
    k.copy_(scale * (directions.before - own * directions.token).T)
    found = torch.linalg.qr(torch.randn(width, size))[0]
    v.copy_(found.T)
    second.out_proj.weight[:, flattest * size : (flattest + 1) * size] = found * (COPY * norm / 4)


def _rows(attention: torch.nn.Module, head: int, size: int) -> tuple[torch.Tensor, ...]:
    """The rows (channel of the head, channel) of MPT's fused matrix that make one head's queries, keys and values."""
    return tuple(part[head * size : (head + 1) * size] for part in attention.Wqkv.weight.chunk(3))


WRITERS = {"llama": _write_rotary, "mpt": _write_alibi}
"""`model_type` -> how its circuit is written."""
