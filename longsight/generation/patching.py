"""The monkey patch: `patch`, for anyone who only wants `hf_model.generate(...)` to work past its length."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any, NoReturn

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.cache_utils import Cache as TransformersCache
from transformers.cache_utils import DynamicCache
from transformers.utils import ModelOutput

from longsight.attention.kv_cache import Cache
from longsight.errors import LongSightError
from longsight.methods import METHODS, Method
from longsight.models.families import train_length
from longsight.models.model import suited
from longsight.models.module_patching import check_language_model, forward_of, replace_forward, shadow
from longsight.models.registry import recommended
from longsight.models.seam import Seam, open_seam

LENT = "longsight"
"""The attribute under which a cache of transformers that was passed in empty holds ours, whose layers it shows since: a
copy of the one has a copy of the other."""

DEFAULT_REACH = 4
"""How many trained lengths a method that is asked for by its key alone is to read."""


@dataclass(frozen=True)
class Calls:
    """What the calls of one patched model share."""

    seam: Seam
    method: Method
    offload: bool = False

    def __deepcopy__(self, memo: dict) -> NoReturn:
        raise LongSightError(
            "A patched model cannot be copied: its copy would run the original's weights. Unpatch it first."
        )

    @torch.compiler.disable
    def begin(
        self, tokens: Tensor | None, attention_mask: Tensor | None, position_ids: Tensor | None,
        given: TransformersCache | None,
    ) -> tuple[Cache, Tensor | None]:  # fmt: skip
        """The cache that a call goes on with, and which tokens so far are real (None: all); LongSightError for a call
        that asks for what cannot be honoured."""
        if tokens is None:
            raise LongSightError("Neither input_ids nor inputs_embeds was given, so there is nothing to read.")
        _check_kind(given)
        token_mask = _token_mask(attention_mask)
        cache = self._cache(given, token_mask)
        _check_length(attention_mask, cache.length, tokens.shape[1])
        _check_positions(position_ids, token_mask, cache.length, tokens.shape[1])
        return cache, token_mask

    def _cache(self, given: TransformersCache | None, token_mask: Tensor | None) -> Cache:
        """A padded batch keeps everything: its rows let go of tokens at different times."""
        cache = given if isinstance(given, Cache) or given is None else vars(given).get(LENT)
        if cache is not None:
            _check_cache(cache, self.method, token_mask)
            return cache
        if given is not None and given.get_seq_length():
            raise LongSightError(
                f"The cache given is a {type(given).__name__} that was filled before this model was patched; "
                "read the text again with the patched one."
            )
        cache = self.seam.new_cache(self.method, padded=token_mask is not None, offload=self.offload)
        if given is not None:  # so that whoever goes on with it finds in it what has been read
            given.layers = cache.layers
            setattr(given, LENT, cache)
        return cache


def patch(hf: PreTrainedModel, method: Method | str, *, offload: bool = False) -> PreTrainedModel:
    """Make every call of `hf`, and so its `generate`, read with `method`. In place; a second patch replaces the first.

    A key of METHODS stands for that method with the parameters recommended for the model, or its rule of thumb for four
    trained lengths. Batches may be padded on either side (with an attention mask); `generate` needs pads on the left,
    or it would go on from one. The cache that comes back is LongSight's, and so is what an empty cache of transformers
    holds after it was passed in. A method that fetches does so for the last token of every call: a prompt that is read
    in several calls, or anew at every step (`use_cache=False`), is not quite one that was read in one. A model with
    LongRoPE reads a text anew where `generate` makes a long one of it; rows of a padded batch that become long at
    different times are refused there. Raises LongSightError for models that are not understood, and for truncation,
    which is not attention. With `offload` a method that fetches keeps on the device what its bands can show, and
    everything in the memory beside it (see `Seam.new_cache`).
    """
    check_language_model(hf)
    method = _method(hf, method)
    if method.keeps(2**40) != 2**40:
        raise LongSightError(
            f"{method.title} changes the prompt and not the attention: "
            f"pass input_ids[:, -{method.keeps(2**40)}:] instead."
        )
    return _install(hf, method, offload)


@contextmanager
def patched(hf: PreTrainedModel, method: Method | str, *, offload: bool = False) -> Iterator[PreTrainedModel]:
    """`patch` for the length of a `with` block; raises what `patch` raises.

    Afterwards, also when an exception passes, `hf` is what it was before: stock, or patched with another method, whose
    caches can be gone on with.
    """
    before: Calls | None = vars(hf).get("longsight")
    try:
        yield patch(hf, method, offload=offload)
    finally:
        if before is None:
            unpatch(hf)
        else:
            _install(hf, before.method, before.offload)


def _method(hf: PreTrainedModel, asked: Method | str) -> Method:
    """The method asked for, by itself or by its key; LongSightError when it is neither."""
    if isinstance(asked, str):
        length = train_length(hf.config)
        return suited(asked, length, DEFAULT_REACH * length, recommended(hf.name_or_path))
    if isinstance(asked, type) and issubclass(asked, Method):
        raise LongSightError(
            f"{asked.__name__} is a kind of method, not one with parameters; pass {asked.__name__}(...), or the key "
            f"{asked.key!r} for its usual ones."
        )
    if not isinstance(asked, Method):
        raise LongSightError(f"{asked!r:.60} is no method; pass one, or a key: {', '.join(METHODS)}.")
    return asked


def _install(hf: PreTrainedModel, method: Method, offload: bool) -> PreTrainedModel:
    unpatch(hf)
    seam = open_seam(hf)
    try:
        seam.new_cache(method, offload=offload)  # what cannot be is refused here, and not by the first call
    except LongSightError:
        seam.close()
        raise
    original, calls = forward_of(hf), Calls(seam, method, offload)

    @torch.compiler.disable(recursive=False)  # the model is compiled, and not what is decided before it
    @wraps(original)
    def forward(
        input_ids: Tensor | None = None, attention_mask: Tensor | None = None, position_ids: Tensor | None = None,
        past_key_values: TransformersCache | None = None, inputs_embeds: Tensor | None = None,
        cache: TransformersCache | None = None, **kwargs: Any,
    ) -> ModelOutput:  # fmt: skip
        tokens, given = input_ids if input_ids is not None else inputs_embeds, _one_cache(cache, past_key_values)
        _check_weights(hf, kwargs.get("output_attentions"))
        ours, token_mask = calls.begin(tokens, attention_mask, position_ids, given)
        out = seam.call(
            original, ours, retrieves=True, token_mask=token_mask,
            input_ids=input_ids, inputs_embeds=inputs_embeds, **kwargs,
        )  # fmt: skip
        asked = kwargs.get("use_cache")
        uses_cache = hf.config.use_cache if asked is None else asked
        return out if uses_cache or given is not None else _without_cache(out, ours)

    prepare = hf.prepare_inputs_for_generation

    @wraps(prepare)
    def checked(input_ids: Tensor, *args: Any, attention_mask: Tensor | None = None, **kwargs: Any) -> dict:
        _check_side(attention_mask)
        return prepare(input_ids, *args, attention_mask=attention_mask, **kwargs)

    seam.forwards.append(shadow(hf, "prepare_inputs_for_generation", checked))
    seam.forwards.append(replace_forward(hf, forward))
    hf.longsight = calls
    return hf


def unpatch(hf: PreTrainedModel) -> PreTrainedModel:
    """Restore `hf` exactly; does nothing to a model that is not patched."""
    calls: Calls | None = vars(hf).pop("longsight", None)
    if calls is not None:
        calls.seam.close()
    return hf


def _token_mask(attention_mask: Tensor | None) -> Tensor | None:
    """Which tokens so far are real (batch, token) bool, on the CPU; None when all of them are."""
    if attention_mask is None:
        return None
    if not isinstance(attention_mask, Tensor) or attention_mask.ndim != 2:
        found = tuple(attention_mask.shape) if isinstance(attention_mask, Tensor) else type(attention_mask).__name__
        raise LongSightError(f"attention_mask is {found}; only a padding mask (batch, token) can be honoured.")
    token_mask = attention_mask.bool().cpu()
    return None if bool(token_mask.all()) else token_mask


def _check_side(attention_mask: object) -> None:
    """LongSightError for a batch that `generate` would go on with from a pad."""
    if isinstance(attention_mask, Tensor) and attention_mask.ndim == 2:
        real = attention_mask.bool()
        if bool((real.any(-1) & ~real[:, -1]).any()):
            raise LongSightError(
                "generate was given a batch with pads on the right, from which it would go on as if they were text; "
                "pad on the left (padding_side='left')."
            )


def _one_cache(cache: TransformersCache | None, past: TransformersCache | None) -> TransformersCache | None:
    """A cache has two names: `cache` from transformers 5.24 on, and `past_key_values`, its older one."""
    if cache is not None and past is not None and cache is not past:
        raise LongSightError("Two caches were given, as cache and as past_key_values; pass one.")
    return past if cache is None else cache


def _check_cache(cache: Cache, method: Method, token_mask: Tensor | None) -> None:
    if cache.method != method:
        raise LongSightError(f"The cache given was made by {cache.method.describe()}, not {method.describe()}.")
    if cache.padded and token_mask is None:
        raise LongSightError("The cache given holds a padded batch; pass its attention_mask with every call.")
    if token_mask is not None and not cache.padded:
        raise LongSightError("The cache given was made without padding, but attention_mask now has zeros.")


def _without_cache(out: ModelOutput | tuple, cache: Cache) -> ModelOutput | tuple:
    """What a caller who wants no cache gets, so that nobody goes on with one by mistake."""
    if isinstance(out, tuple):
        return tuple(part for part in out if part is not cache)
    return type(out)(**{name: part for name, part in out.items() if part is not cache})


def _check_weights(hf: PreTrainedModel, asked: bool | None) -> None:
    """LongSightError for a call that wants attention weights, which no fused kernel keeps."""
    if hf.config.output_attentions if asked is None else asked:
        raise LongSightError(
            "output_attentions=True cannot be honoured: attention weights are never kept; "
            "observe them with longsight.watch instead."
        )


def _check_kind(given: TransformersCache | None) -> None:
    """LongSightError for a cache whose layout is a promise that ours would break: fixed, quantised, offloaded."""
    if given is None or isinstance(given, Cache) or (type(given) is DynamicCache and not given.offloading):
        return
    raise LongSightError(
        f"The cache given is {'an offloading' if given.offloading else 'a'} {type(given).__name__}, which LongSight "
        "cannot fill; leave cache_implementation out, or pass a plain DynamicCache."
    )


def _check_length(attention_mask: Tensor | None, start: int, n: int) -> None:
    """LongSightError for a mask that does not cover exactly the tokens read so far and the new ones."""
    if attention_mask is not None and attention_mask.shape[1] != start + n:
        raise LongSightError(
            f"attention_mask covers {attention_mask.shape[1]:,} tokens, but {start:,} have been read and {n:,} are "
            "new; pass the cache with every call, and a mask over the whole text so far."
        )


def _check_positions(position_ids: Tensor | None, token_mask: Tensor | None, start: int, n: int) -> None:
    """Positions follow from the order of the real tokens; LongSightError for any others."""
    if position_ids is None:
        return
    position_ids = position_ids.cpu()
    if token_mask is None:
        same = bool((position_ids == torch.arange(start, start + n)).all())
    else:
        expected, counted = token_mask.cumsum(-1)[:, -n:] - 1, token_mask[:, -n:]
        same = bool((position_ids.expand_as(expected)[counted] == expected[counted]).all())
    if not same:
        raise LongSightError(
            "position_ids other than 0, 1, 2 ... over the real tokens cannot be honoured: "
            "the method decides the positions."
        )
