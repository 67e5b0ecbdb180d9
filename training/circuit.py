"""Initial weights in which a network can already copy: an induction circuit (Olsson et al. 2022, arXiv 2209.11895).

Small networks need far more than an hour of two CPU cores to find it by themselves (LOG.md). Training changes it at
will: it is a beginning, not a frozen part. For networks with rotary positions and the module names of Llama.

- Every embedding gets a part that all tokens have in common, by which a head can attend by position alone.
- Head 0 of layer 0 attends to the token before, and writes what it was into a subspace `before`.
- Head 0 of layer 1 looks for places whose `before` is the token that it stands on, and copies what is there.
"""

from __future__ import annotations

import dataclasses
import math

import torch
from transformers import PreTrainedModel

from training.recipe import RecipeError

COMMON = 0.7  # size of the common part, relative to an embedding
FAST_PAIRS = 7  # the fastest rotating pairs tell neighbours apart
PREVIOUS = 0.8  # scale of the query and key that look one token back
CARRY = 1.5  # how strongly the previous token is written, relative to an embedding
SLOW_FROM = 0.5  # pairs from this part on hardly turn within the window: they compare tokens at any distance
MATCH = 3.0  # scale of the queries and keys that compare tokens
COPY = 3.0  # how strongly the found token is written


@dataclasses.dataclass(frozen=True)
class Directions:
    """Orthonormal directions of the residual stream. `common`: (channel). `before`, `token`: (channel row)."""

    common: torch.Tensor
    before: torch.Tensor
    token: torch.Tensor


def write_induction(model: PreTrainedModel) -> None:
    """Write the circuit into a fresh model, in place. Uses torch's global random state.

    RecipeError for fewer than 2 layers or 3 heads: the subspaces `before` and `token` and the common part need room.
    """
    config = model.config
    width, size = config.hidden_size, config.hidden_size // config.num_attention_heads
    if config.num_hidden_layers < 2 or config.num_attention_heads < 3:
        raise RecipeError(
            f"induction = true needs at least 2 layers and 3 heads, found {config.num_hidden_layers} and "
            f"{config.num_attention_heads}; give more, or set induction = false"
        )
    basis = torch.linalg.qr(torch.randn(width, 1 + 2 * size))[0]  # (channel row), orthonormal
    directions = Directions(basis[:, 0], basis[:, 1 : 1 + size], basis[:, 1 + size :])
    embeddings = model.get_input_embeddings().weight  # (token channel)
    with torch.no_grad():
        norm = float(embeddings.std()) * math.sqrt(width)
        embeddings -= (embeddings @ directions.common)[:, None] * directions.common
        embeddings -= (embeddings @ directions.before) @ directions.before.T  # kept free for what head 0 writes
        embeddings += COMMON * norm * directions.common
        _attend_to_previous(model.model.layers[0].self_attn, directions, norm, config.rope_parameters["rope_theta"])
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
