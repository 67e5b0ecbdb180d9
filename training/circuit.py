"""Initial weights in which a network can already copy: an induction circuit (Olsson et al. 2022, arXiv 2209.11895).

Small networks need far more than an hour of two CPU cores to find it by themselves (LOG.md). Training changes it at
will: it is a beginning, not a frozen part.

With rotary positions (the module names of Llama):

- Every embedding gets a part that all tokens have in common, by which a head can attend by position alone.
- Head 0 of layer 0 attends to the token before, and writes what it was into a subspace `before`.
- Head 0 of layer 1 looks for places whose `before` is the token that it stands on, and copies what is there.

With ALiBi (the module names of MPT):

- The head of layer 0 with the steepest slope, left without queries and keys, attends by the bias alone: to its own
  token most, and to each earlier one less by the same factor. It writes this fading trail of tokens into `before`.
- The head of layer 1 with the flattest slope looks for places whose trail, without their own token, is the trail that
  it stands on, and copies what is there. So it compares several tokens, and not only the last one.
"""

from __future__ import annotations

import dataclasses
import math

import torch
from transformers import PreTrainedModel
from transformers.models.mpt.modeling_mpt import build_mpt_alibi_tensor

from training.recipe import RecipeError

COMMON = 0.7  # size of the common part, relative to an embedding
FAST_PAIRS = 7  # the fastest rotating pairs tell neighbours apart
PREVIOUS = 0.8  # scale of the query and key that look one token back
CARRY = 1.5  # how strongly the previous token is written, relative to an embedding
SLOW_FROM = 0.5  # pairs from this part on hardly turn within the window: they compare tokens at any distance
MATCH = 3.0  # scale of the queries and keys that compare tokens
COPY = 3.0  # how strongly the found token is written
TRAIL = 2.0  # how strongly the trail is written, relative to an embedding
QUIET = 0.1  # what MPT's wide GELU layers say at first, which would drown the embeddings otherwise
TRAIL_MATCH = 16.0  # logit of a place with the very same trail, apart from the bias


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
    theta = model.config.rope_parameters["rope_theta"]
    _attend_to_previous(model.model.layers[0].self_attn, directions, norm, theta)
    _attend_to_match(model.model.layers[1].self_attn, directions, norm)


def _attend_to_previous(attention: torch.nn.Module, directions: Directions, norm: float, theta: float) -> None:
    size = directions.token.shape[1]
    angles = theta ** (-torch.arange(0, size, 2) / size)
    fast = (torch.arange(size // 2) < FAST_PAIRS).float()
    query = torch.cat([fast, torch.zeros(size // 2)])
    key = torch.cat([fast * angles.cos(), fast * angles.sin()])  # turned ahead by one position
    attention.q_proj.weight[:size] += PREVIOUS * query[:, None] * directions.common
    attention.k_proj.weight[:size] += PREVIOUS * key[:, None] * directions.common
    attention.v_proj.weight[:size] = directions.token.T
    read = math.sqrt(size / (1 + COMMON**2))  # the norm of what head 0 reads from a normed embedding
    attention.o_proj.weight[:, :size] = directions.before * (CARRY * norm / read)


def _attend_to_match(attention: torch.nn.Module, directions: Directions, norm: float) -> None:
    width, size = directions.token.shape
    slow = (torch.arange(size // 2) >= SLOW_FROM * (size // 2)).float().repeat(2)[:, None]
    found = torch.linalg.qr(torch.randn(width, size))[0]
    attention.q_proj.weight[:size] = MATCH * slow * directions.token.T
    attention.k_proj.weight[:size] = MATCH * slow * directions.before.T
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
    write = TRAIL * norm / read
    first.out_proj.weight[:, steepest * size : (steepest + 1) * size] = directions.before * write

    own = (1 - fade) * write * math.sqrt(width) / norm  # what a token adds to its own trail, per unit of its embedding
    trail = (
        (1 - fade) ** 2 / (1 - fade**2) * (write * read) ** 2
    )  # squared norm of a whole trail, before layer 1 norms it
    normed = width / (norm**2 + trail)  # what the norm of layer 1 makes of a squared norm
    scale = math.sqrt(TRAIL_MATCH * math.sqrt(size) / (trail * normed * fade))
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
