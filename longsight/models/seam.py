"""The seams through which a transformers model is patched: what the monkey patch takes hold of.

Attention goes through one function of ours, and every token is given position 0, at which every rotation is the
identity: so queries, keys and the cache stay unrotated without touching the rotary embedding (`no_rotation` also saves
the work). Which method runs is never state of the model: it travels with the call, inside a `Chunk`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, PreTrainedModel
from transformers.masking_utils import AttentionMaskInterface
from transformers.utils import ModelOutput

from longsight.attention.chunk import Chunk
from longsight.attention.encoding import Encoding
from longsight.attention.kv_cache import Cache
from longsight.attention.layer import Layer, acting, attending, last_users, limits, share_and_fetch
from longsight.attention.observer import Observer
from longsight.attention.state_layer import check_pads
from longsight.attention.transfer import sent
from longsight.errors import LongSightError
from longsight.methods import METHODS, Method
from longsight.methods.base import LARGEST
from longsight.methods.contract import check_contract
from longsight.models.attention_seam import NAME, attention_function, no_mask, shimmed
from longsight.models.families import Family, family_of, layers_of
from longsight.models.key_heads import KeyHeads, check_told_apart
from longsight.models.module_patching import Shadowed, cache_keyword, replace_forward, restore, shadow
from longsight.models.no_rotation import leave_rotation_out
from longsight.models.number_format import proven_exactly
from longsight.models.shims import Shim
from longsight.models.unreadable import understood

PROBE_TOKENS = 12
TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-4, torch.float16: 2e-2, torch.bfloat16: 1e-1}
"""Largest difference to the stock model allowed by the probe, as a share of its largest logit."""


@dataclass(frozen=True)
class Seam:
    """A model whose seams are open; `close` restores it exactly."""

    hf: PreTrainedModel
    family: Family
    layout: tuple[Layer, ...]  # what tells its layers apart
    attention: str  # the attention implementation it had
    forwards: list[Shadowed]
    heads: tuple[int, ...]  # of each layer, how many its keys have; 0 where they cannot be told apart
    difference: float = math.nan  # largest logit difference of vanilla to the stock model, on the probe's tokens
    proven_in: torch.dtype = torch.float32  # the number format of that comparison

    @property
    def layers(self) -> int:
        return self.hf.config.num_hidden_layers

    @cached_property
    def attending(self) -> tuple[int, ...]:
        """The layers that attend to keys."""
        return attending(self.layout)

    @cached_property
    def cache_name(self) -> str:
        return cache_keyword(self.hf)

    @property
    def shim(self) -> Shim | None:
        """The family's, unless this transformers goes through its attention interface (GPT-J does from 5.24 on)."""
        return None if self.hf._supports_attention_backend else self.family.shim

    @property
    def encoding(self) -> Encoding:
        """What the layers that a method acts on make of positions: nothing, if none of them hears any."""
        heard = [self.layout[n].encoding for n in acting(self.layout) or range(self.layers)]
        return next((encoding for encoding in heard if encoding.kind != "none"), heard[0])

    def rules(self, method: Method) -> tuple[Method, ...]:
        """What runs in each layer under `method`: those with their own window keep it. Raises as `in_layers` does."""
        told = method.in_layers(self.heads)
        sources = (n if layer.keys_of is None else layer.keys_of for n, layer in enumerate(self.layout))
        return tuple(layer.rule(told[source]) for layer, source in zip(self.layout, sources, strict=True))

    def check_method(self, method: Method) -> None:
        """Raise LongSightError when the method breaks its contract, or could have no effect on this model: nothing is
        ever silently undone."""
        name, found = type(self.hf).__name__, acting(self.layout)
        if method.needs not in (None, self.encoding.kind):
            raise LongSightError(
                f"{method.title} changes the frequencies of RoPE, but {name} uses {self.encoding.name}, not RoPE; "
                "choose one that changes visibility or distances."
            )
        check_contract(method)
        check_told_apart(method, self.layout, self.heads, name)
        self.encoding.under(method, method.length_at(torch.tensor(0)))  # refused when it has too few frequencies
        self._check_effect(method)
        retrieval = method.retrieval
        if retrieval is not None and retrieval.from_layer > found[-1]:
            whole = "" if found[-1] == self.layers - 1 else " that see everything"
            raise LongSightError(
                f"{method.title}: from_layer = {retrieval.from_layer}, but {name} has only layers 0 to "
                f"{found[-1]}{whole}, so nothing would be fetched; choose a smaller from_layer or top_k = 0."
            )

    def _check_effect(self, method: Method) -> None:
        """LongSightError where no layer could hear of the method, unless it is no change at all, or one of the text."""
        if method == METHODS["vanilla"]() or method.keeps(LARGEST) < LARGEST:
            return
        name = type(self.hf).__name__
        if not acting(self.layout):
            raise LongSightError(
                f"{method.title} can have no effect: every layer of this {name} sees no more than its "
                f"{' or '.join(limits(self.layout))} tokens, as it was trained to; vanilla reads any "
                "length with it. (SelfExtend's authors load Mistral with sliding_window=None.)"
            )
        if self.encoding.kind == "none" and not method.acts_without_positions:
            raise LongSightError(
                f"{method.title} can have no effect: it tells other distances, but the layers of {name} that see "
                "everything hear none; choose one that changes visibility."
            )

    def new_cache(self, method: Method, padded: bool = False, offload: bool = False) -> Cache:
        """An empty cache for `method`, checked.

        With `offload` layers that fetch keep on the device only what their bands can show, and everything in the memory
        beside it, from where what is fetched is brought in (a padded batch keeps all of it where it is). Raises
        `LongSightError` where keys are stored as one compressed vector (MLA).
        """
        self.check_method(method)
        if offload and any(layer.latent is not None for layer in self.layout):
            raise LongSightError(
                f"{type(self.hf).__name__} stores keys and values as one compressed vector, from which they are made "
                "anew; they are small, and cannot be offloaded."
            )
        recurrent = set(range(self.layers)) - set(self.attending)
        place = torch.device("cpu") if offload else None
        return Cache(method, self.rules(method), padded, last_users(self.layout), recurrent, place)

    @torch.compiler.disable(recursive=False)  # graphs begin in the model's own forward
    def call(
        self,
        forward: Callable,
        cache: Cache,
        *,
        retrieves: bool,
        token_mask: Tensor | None = None,
        observer: Observer | None = None,
        only_last: int = 0,
        **kwargs: Any,
    ) -> ModelOutput:
        """Run `forward` (the model's own) on new tokens after what `cache` holds, under the cache's method.

        Of what comes out, only the `only_last` last tokens are right; 0: all are.
        """
        if self.hf.training and self.hf.is_activation_checkpointing:
            raise LongSightError(
                f"{type(self.hf).__name__} is in training mode with gradient checkpointing, which takes the cache away "
                "from its layers; call model.eval() first."
            )
        if cache.spoilt:
            raise LongSightError("A call that failed left this cache half-read; read the text again from the start.")
        start = cache.length
        tokens = next(kwargs[name] for name in ("input_ids", "inputs_embeds") if kwargs.get(name) is not None)
        self._set_text(cache, start + tokens.shape[1], token_mask)
        if token_mask is not None and len(self.attending) < self.layers:
            check_pads(token_mask, tokens.shape[1], type(self.hf).__name__)
            kwargs["attention_mask"] = sent(token_mask.long(), tokens.device)
        keep = kwargs.get("logits_to_keep")  # for a number Gemma 4 hands layers that share keys only as many queries
        if isinstance(keep, int) and keep and share_and_fetch(self.layout, cache.rules):
            kwargs["logits_to_keep"] = torch.arange(-min(keep, tokens.shape[1]), 0, device=tokens.device)
        chunk = Chunk(self.layout, cache, retrieves, token_mask, observer, only_last)
        if self.shim is None:
            kwargs |= {"chunk": chunk, "position_ids": torch.zeros(1, 1, dtype=torch.int64, device=tokens.device)}
        cache.chunk = chunk
        cache.count(tokens.shape[1])
        try:
            out = forward(**{self.cache_name: cache}, **kwargs)
        except BaseException:
            cache.spoilt = cache.length != start
            raise
        finally:
            cache.chunk = None
        if len(chunk.reached) != len(self.attending):
            raise LongSightError(
                f"{type(self.hf).__name__}: the method reached {len(chunk.reached)} of {len(self.attending)} layers; "
                "the model cannot be used."
            )
        return out

    @cached_property
    def switches(self) -> set[int]:
        """The lengths of text [tokens] beyond which some layer hears all positions otherwise."""
        return {layer.encoding.switch for layer in self.layout if layer.encoding.switch is not None}

    def outgrown(self, cache: Cache, length: int) -> bool:
        """Whether a text of `length` tokens is heard otherwise than what `cache` holds of it was, so that it must be
        read anew."""
        return bool(cache.length) and any(cache.text <= switch < length for switch in self.switches)

    def _set_text(self, cache: Cache, length: int, token_mask: Tensor | None) -> None:
        """Tell the cache how long its text is now; LongSightError where what it holds was heard as a shorter one."""
        if cache.method.longest is not None:
            cache.method.check_length(length if token_mask is None else int(token_mask.sum(-1).max()))
        length = max(length, cache.announced, cache.text)
        outgrown = self.outgrown(cache, length)
        if token_mask is not None:  # each row is a text of its own
            before, after = token_mask[:, : cache.length].sum(-1), token_mask.sum(-1)
            outgrown = any(bool(((before > 0) & (before <= at) & (at < after)).any()) for at in self.switches)
        if outgrown:
            raise LongSightError(
                f"{type(self.hf).__name__} turns every token of a text by other frequencies once it is longer than "
                f"{min(self.switches):,} tokens, and this cache holds the beginning of one as if it were shorter; read "
                "it anew, or announce its length with cache.reserve before its first token."
            )
        cache.text = length

    def forward(
        self, ids: Tensor, cache: Cache, *,
        retrieves: bool = False, logits_to_keep: int = 0, observer: Observer | None = None,
    ) -> Tensor:  # fmt: skip
        """Read `ids` (n,) after what `cache` holds; logits (n, vocab), or the last `logits_to_keep` of them."""
        start, wants_hidden = cache.length, observer is not None and observer.wants_hidden
        out = self.call(
            self.hf, cache, retrieves=retrieves, observer=observer, input_ids=sent(ids[None], input_device(self.hf)),
            only_last=logits_to_keep if observer is None else 0, use_cache=True, logits_to_keep=logits_to_keep,
            output_hidden_states=wants_hidden,
        )  # fmt: skip
        if observer is not None:
            if wants_hidden:
                observer.hidden(start, tuple(state[0] for state in out.hidden_states))
            observer.logits(start + len(ids) - out.logits.shape[1], out.logits[0])
        return out.logits[0][-logits_to_keep:]

    def close(self) -> None:
        self.hf.config._attn_implementation_internal = self.attention
        for shadowed in self.forwards:
            restore(shadowed)


def input_device(hf: PreTrainedModel) -> torch.device:
    """Where token ids go. Weights that accelerate has offloaded are on no device; it moves their inputs by itself."""
    return torch.device("cpu") if hf.device.type == "meta" else hf.device


def open_seam(hf: PreTrainedModel) -> Seam:
    """Put our attention into `hf`, and prove that vanilla still computes what the model computed before.

    Raises LongSightError, with the model as it was, for one that is not understood or whose logits change.
    """
    family = family_of(hf.config)
    if hf.config._attn_implementation == NAME:
        raise LongSightError(
            f"This {type(hf).__name__} is patched by LongSight already; give its attention back first, "
            "with unpatch(hf_model) after patch, or with model.seam.close() after load or adopt."
        )
    AttentionInterface.register(NAME, attention_function)
    AttentionMaskInterface.register(NAME, no_mask)
    ids = torch.arange(PROBE_TOKENS) * 7 % hf.get_input_embeddings().num_embeddings
    with proven_exactly(hf), torch.inference_mode():
        with understood(f"This {type(hf).__name__}"):
            stock = hf(input_ids=ids[None].to(input_device(hf)), use_cache=False).logits[0].float()
        layout = layers_of(hf, family)
        seam = Seam(hf, family, layout, hf.config._attn_implementation, [], (0,) * len(layout))
        hf.config._attn_implementation_internal = NAME
        try:
            if family.given_up is not None:
                given_up = [module for module in hf.modules() if family.given_up in vars(module)]
                seam.forwards.extend(shadow(module, family.given_up, False) for module in given_up)
            if (shim := seam.shim) is not None:
                for block in getattr(hf.base_model, shim.blocks):
                    module = getattr(block, shim.attention)
                    seam.forwards.append(replace_forward(module, shimmed(module, shim)))
            else:
                seam.forwards.extend(leave_rotation_out(hf))
            difference, heads = check_unchanged(seam, ids, stock)
            proven = replace(seam, difference=difference, proven_in=hf.dtype, heads=heads)
        except BaseException:
            seam.close()
            raise
    return replace(proven, layout=layers_of(hf, family))  # what was compared has the frequencies that a cast rounded


def check_unchanged(seam: Seam, ids: Tensor, stock: Tensor) -> tuple[float, tuple[int, ...]]:
    """The largest difference of vanilla's logits for `ids` (n,) to the stock model's (n, vocab), and the heads of the
    keys of each layer; LongSightError when the difference is more than rounding."""
    cache, heads = seam.new_cache(METHODS["vanilla"]()), KeyHeads()
    logits = seam.forward(ids, cache, observer=heads).float()
    difference = float((logits - stock).abs().max())
    allowed = TOLERANCE[seam.hf.dtype] * float(stock.abs().max())
    if not difference <= allowed:  # also catches NaN
        raise LongSightError(
            f"{type(seam.hf).__name__}: patched, its logits differ from the stock model by {difference:.2g} "
            f"(allowed {allowed:.2g}); LongSight does not compute this model correctly and refuses it."
        )
    return difference, heads.count(cache, seam.layout)
