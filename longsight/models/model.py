"""Load a model, open its seams, prove that nothing changed, and run chunks of tokens through it."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from longsight.attention.block_memory import BlockMemory
from longsight.attention.kept_keys import slots
from longsight.attention.kv_cache import Cache
from longsight.attention.layer import describe, last_users
from longsight.attention.observer import AttentionStep, Observer
from longsight.attention.one_query import copies_of_keys
from longsight.errors import LongSightError
from longsight.methods import METHODS, Method
from longsight.methods.by_head import shares
from longsight.models.checkpoint import load_tokenizer, read_recommended, read_weights, usable_device
from longsight.models.families import train_length
from longsight.models.gguf_files import gguf_file, opened
from longsight.models.module_patching import check_language_model
from longsight.models.number_format import usual
from longsight.models.one_row import quicken
from longsight.models.registry import Recommended, completes, expanded, read_config
from longsight.models.seam import Seam, open_seam
from longsight.models.unreadable import understood
from longsight.progress import Report

Ids: TypeAlias = Sequence[int] | Tensor

SMALL = 10_000_000
"""Weights of a model up to which one thread is about as fast as several, and much faster beside other programs."""

MEDIUM = 200_000_000
"""The same while it writes: its products of one row are done before another thread has woken up."""

DEFAULT_THREADS = torch.get_num_threads()
"""Those that torch comes with; asked later, it says what the last model had."""


class Threads(NamedTuple):
    """How many threads torch has while a text is read, and while tokens are written one by one."""

    reading: int
    writing: int


@dataclass(frozen=True)
class Model:
    """A patched causal language model. The method is an argument of every call, never a state of the model."""

    hf: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase | None
    name: str
    train_length: int
    seam: Seam
    recommended: Recommended = field(default_factory=dict)
    completes: bool = False
    """Whether it answers better where a text is to be completed than where it is asked in a chat."""
    threads: Threads | None = None
    """How many threads torch has on a CPU while this model runs (None: as many as it has anyway)."""
    packed_bytes: int = 0
    """What its weights take once more, in four bits, by which tokens are written (see `one_row`)."""

    @property
    def position_encoding(self) -> str:
        """`"rope"` or `"alibi"`; `"none"` where the layers that a method acts on hear no positions."""
        return self.seam.encoding.kind

    @cached_property
    def weights(self) -> int:
        """How many it has."""
        return sum(weight.numel() for weight in self.hf.parameters())

    @property
    def device(self) -> torch.device:
        return self.hf.device

    @property
    def dtype(self) -> torch.dtype:
        return self.hf.dtype

    def method(self, key: str, target_length: int) -> Method:
        """The method `key` with its rule-of-thumb parameters, or better ones where this model's makers found them."""
        return suited(key, self.train_length, target_length, self.recommended)

    @property
    def acting(self) -> str:
        """Which layers a method acts on, in one sentence, where that is not all of them; otherwise nothing."""
        return describe(self.seam.layout)

    @cached_property
    def bytes_per_slot(self) -> tuple[int, ...]:
        """Bytes that the keys and values of one token take in each layer, or all its state, measured on one token."""
        return tuple(keys + values for keys, values in self._slot_sizes)

    @cached_property
    def _slot_sizes(self) -> tuple[tuple[int, int], ...]:
        cache = self.seam.new_cache(METHODS["vanilla"]())
        self.forward(torch.tensor([0]), cache)
        return tuple(layer.slot_bytes for layer in cache.layers)

    @cached_property
    def _queries(self) -> tuple[tuple[int, int, int], ...]:
        """Of each layer that attends: its number, its heads and their channels, measured on one token."""
        found = []

        class Shapes(Observer):
            def attention(self, step: AttentionStep) -> None:
                found.append((step.layer, step.q.shape[0], step.q.shape[2]))

        self.forward(torch.tensor([0]), self.seam.new_cache(METHODS["vanilla"]()), observer=Shapes())
        return tuple(found)

    def cache_bytes(self, method: Method, length: int, writing: bool = False, offload: bool = False) -> int:
        """Bytes that a cache holds on the device after `length` tokens under `method`; `writing`: and while it writes,
        with turned copies of its keys (room for more tokens than these not counted)."""
        rules, tokens = self.seam.rules(method), method.keeps(length)
        held = sum(self._layer_bytes(n, rule, tokens, writing, offload) for n, rule in enumerate(rules))
        return held + (0 if method.retrieval is None else self._block_bytes(rules, tokens))

    def _layer_bytes(self, n: int, rule: Method, tokens: int, writing: bool, offload: bool) -> int:
        """Bytes of keys and values, or of a state, in layer `n` under its `rule`."""
        layer, user, (keys, values), found = self.seam.layout[n], self._users[n], self._slot_sizes[n], Fraction(0)
        for each, share in shares(rule):
            count = slots(each, tokens, user, offload)
            copies = copies_of_keys(each, layer.encoding) if writing and layer.latent is None else 0
            found += share * (min(count, 1) if layer.recurrent else count) * (keys * (1 + copies) + values)
        return int(found)

    @cached_property
    def _users(self) -> list[int]:
        return last_users(self.seam.layout)

    def _block_bytes(self, rules: Sequence[Method], length: int) -> int:
        """What layers that fetch remember of the blocks of a text of `length` tokens."""
        size, found = max(self.dtype.itemsize, 4), 0
        for layer, heads, channels in self._queries:
            if (rule := rules[layer].retrieval_in(layer)) is not None:
                found += BlockMemory.bytes_of(rule, length, heads, channels, size)
        return found

    @torch.inference_mode()
    def forward(
        self, ids: Tensor, cache: Cache, *,
        retrieves: bool = False, logits_to_keep: int = 0, observer: Observer | None = None,
    ) -> Tensor:  # fmt: skip
        """Read `ids` (n,) after what `cache` holds; logits (n, vocab), or the last `logits_to_keep` of them."""
        if self.threads is not None:
            wanted = self.threads.writing if len(ids) == 1 else self.threads.reading
            if wanted != torch.get_num_threads():
                torch.set_num_threads(wanted)  # counts for the thread that calls, which may be another each time
        return self.seam.forward(ids, cache, retrieves=retrieves, logits_to_keep=logits_to_keep, observer=observer)

    def on_suited_threads(self) -> "Model":
        """This model on as many threads as suit its size: several would wait for each other most of the time while a
        small one runs, or a medium one writes.

        For a process of one's own: torch keeps to it for whatever the process does afterwards. Where OMP_NUM_THREADS is
        set, that is kept to.
        """
        if self.device.type != "cpu" or "OMP_NUM_THREADS" in os.environ:
            return self
        reading, writing = (1 if self.weights <= alone else DEFAULT_THREADS for alone in (SMALL, MEDIUM))
        return replace(self, threads=Threads(reading, writing))

    def check_ids(self, ids: Ids) -> Tensor:
        """`ids` as an int64 tensor (n,), or LongSightError when they are not token ids of this model."""
        tensor = torch.as_tensor(ids).cpu()
        if tensor.ndim != 1 or len(tensor) == 0:
            raise LongSightError(f"Expected a non-empty list of token ids, but got shape {tuple(tensor.shape)}.")
        if tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool:
            raise LongSightError(f"Token ids must be whole numbers, but {tensor.dtype} was given.")
        tensor = tensor.long()
        vocab = self.hf.get_input_embeddings().num_embeddings
        low, high = int(tensor.min()), int(tensor.max())
        if low < 0 or high >= vocab:
            raise LongSightError(f"Token ids must lie in 0 to {vocab - 1:,}, but {low:,} to {high:,} were given.")
        return tensor

    def logits(self, ids: Ids, method: Method, chunk: int | None = None) -> Tensor:
        """Logits (n, vocab), in one pass or in chunks of `chunk` tokens; NaN for tokens that `method` never reads.

        With retrieval, where only the last token of a text fetches, it is the last row, as at the end of a prompt.
        """
        ids = self.check_ids(ids)
        skipped = len(ids) - method.keeps(len(ids))
        parts = list(self._chunks(ids[skipped:], method, chunk or len(ids)))
        unread = parts[0].new_full((skipped, parts[0].shape[-1]), torch.nan)
        return torch.cat([unread, *parts])

    def nll(self, ids: Ids, method: Method, chunk: int = 2048, progress: Report | None = None) -> np.ndarray:
        """Negative log-likelihood [nats] (n - 1,) of each token after the first; NaN for tokens never read."""
        ids = self.check_ids(ids)
        skipped = len(ids) - method.keeps(len(ids))
        done, parts = skipped, [torch.full((skipped,), torch.nan)]
        for logits in self._chunks(ids[skipped:], method, chunk):
            targets = ids[done + 1 : done + 1 + len(logits)].to(logits.device)
            parts.append(F.cross_entropy(logits[: len(targets)].float(), targets, reduction="none").cpu())
            done += len(logits)
            if progress is not None:
                progress(done, len(ids))
        return torch.cat(parts).numpy()

    def _chunks(self, ids: Tensor, method: Method, size: int) -> Iterator[Tensor]:
        cache = self.seam.new_cache(method)
        cache.reserve(len(ids))
        start = 0
        while start < len(ids):
            part = ids[start : start + method.piece(start, size)]
            start += len(part)
            yield self.forward(part, cache, retrieves=start == len(ids))


def suited(key: str, train_length: int, target_length: int, recommended: Recommended) -> Method:
    """The method `key` with its rule-of-thumb parameters, or those that are recommended."""
    if key not in METHODS:
        raise LongSightError(f"There is no method {key!r}; there are {', '.join(METHODS)}.")
    method = METHODS[key].for_model(train_length, target_length)
    known = recommended.get(key, {})
    return type(method)(**{**vars(method), **known}) if known else method


def load(source: str | Path, device: str | torch.device | None = None, dtype: torch.dtype | None = None) -> Model:
    """Load a folder, a GGUF file or a Hub id: safetensors or GGUF only, never remote code.

    The device defaults to CUDA where there is one, the dtype to float32 on a CPU (bfloat16 for large models where it
    has AMX) and bfloat16 elsewhere. Raises LongSightError, naming the model, when it is not there, not understood, or
    changed by being patched, and for a device that this machine does not have.
    """
    where = usable_device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    source = expanded(source)
    place = opened(source, dtype or (torch.float32 if where.type == "cpu" else torch.bfloat16))
    config = read_config(place)
    with understood(source):
        train_length(config)  # before any weight is read: is this model understood?
        dtype = dtype or usual(where, config)
    hf = read_weights(place, config, dtype)
    model = adopt(hf.to(where), load_tokenizer(place), Path(source).name, read_recommended(source))
    with understood(source):
        more, packed_bytes = quicken(model.hf, Path(place) if gguf_file(source) is not None else None)
    model.seam.forwards.extend(more)
    return replace(model, completes=completes(source), packed_bytes=packed_bytes)


def adopt(
    hf: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase | None = None,
    name: str | None = None,
    found: Recommended | None = None,
) -> Model:
    """Patch a model that is already in memory, after proving that vanilla computes what it computed before."""
    check_language_model(hf)
    hf.eval()
    length = train_length(hf.config)
    return Model(hf, tokenizer, name or hf.config.model_type, length, open_seam(hf), found or {})
