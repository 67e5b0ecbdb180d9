"""A GGUF file as a model: converted once, by transformers' own reader, into a folder that loads like any other.

That reader passes over what it does not know. So what a file says is compared with what came of it, and a file of which
something would be lost is refused: how RoPE is scaled, how text is split, weights without a place.
"""

import hashlib
import shutil
import struct
import tempfile
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub import cached_assets_path
from safetensors import SafetensorError
from safetensors.torch import save_model
from tokenizers import pre_tokenizers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    GgufConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)
from transformers.integrations.gguf import GgufHeader
from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS
from transformers.integrations.gguf.reader import read_gguf_metadata

from longsight.errors import LongSightError
from longsight.models.families import family_of, train_length
from longsight.models.registry import packaged
from longsight.models.unreadable import UNREADABLE, reason

ENDS_READ = 2**20
"""Bytes at either end of a file that tell it from others; its size and time count as well."""
NEEDED = ("gguf", "accelerate")
STOPS = ("eos_token_id", "eot_token_id", "eom_token_id")
"""What ends an answer: the end of a text, of a turn, of a message."""

# How text is split before tokens are made of it (llama.cpp, src/llama-vocab.cpp). Transformers takes what it does not
# know for GPT-2's.
LIKE_GPT2 = {"gpt-2", "phi-2", "olmo", "mpt", "jais"}
DIGITS_APART = {"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone"}


@dataclass(frozen=True)
class GgufFile:
    """A file, and what it says of itself before any weight is read."""

    path: Path

    @cached_property
    def header(self) -> GgufHeader:
        """Which weights it holds. LongSightError for what is no whole GGUF file."""
        try:
            header = GgufHeader.from_file(str(self.path))
        except (*UNREADABLE, struct.error, IndexError, OverflowError) as problem:
            raise self.error(f"it is no GGUF file, or only the beginning of one ({reason(problem)})") from problem
        ends = header.data_start + max((tensor.offset + tensor.nbytes for tensor in header.tensors), default=0)
        if ends > (size := self.path.stat().st_size):
            raise self.error(f"only {size:,} of its {ends:,} bytes are there; download it again")
        return header

    @cached_property
    def _metadata(self) -> dict[str, Any]:
        return read_gguf_metadata(self.header.path)[0]

    def says(self, key: str, otherwise: Any = None) -> Any:
        """What its metadata say; a list of strings is its length."""
        return self._metadata.get(key, otherwise)

    def of_model(self, key: str, otherwise: Any = None) -> Any:
        """What they say under the name of its architecture."""
        return self.says(f"{self.header.architecture}.{key}", otherwise)

    def of_tokenizer(self, key: str) -> Any:
        return self.says(f"tokenizer.ggml.{key}")

    def error(self, why: str) -> LongSightError:
        return LongSightError(f"{self.path} cannot be loaded: {why}.")


def gguf_file(source: str | Path) -> GgufFile | None:
    """The GGUF file that is meant: by its own name, by that of a folder in which it is the only one, or because a
    package brings it. None where the weights are safetensors. LongSightError where there is none of this name, or more
    than one in the folder."""
    path, brought = Path(source), packaged(source)
    if brought is not None:
        return None if brought.file is None else GgufFile(brought.file)
    if path.suffix.lower() == ".gguf" and not path.is_dir():
        if not path.is_file():
            raise LongSightError(f"{source} cannot be loaded: there is no such file.")
        return GgufFile(path)
    if not path.is_dir() or any(path.glob("*.safetensors*")):
        return None
    found = sorted(path.glob("*.gguf"))
    if len(found) > 1:
        listed = ", ".join(file.name for file in found)
        raise LongSightError(f"{source} holds {len(found)} GGUF files, {listed}; name one of them instead.")
    return GgufFile(found[0]) if found else None


def opened(source: str | Path, dtype: torch.dtype) -> str | Path:
    """What transformers can load: a folder, a Hub id, or the folder that a GGUF file has been converted to.

    Such folders lie in the cache of huggingface_hub (`HF_HOME`, `assets/longsight`), one for each file and dtype; they
    may be deleted at any time.
    """
    file = gguf_file(source)
    if file is None:
        brought = packaged(source)
        return source if brought is None else brought.hub
    kept = cached_assets_path("longsight", "gguf") / f"{file.path.stem}-{_digest(file.path, dtype)}"
    if not kept.is_dir():
        _keep(file, dtype, kept)
    return kept


def _digest(path: Path, dtype: torch.dtype) -> str:
    """Of the file, and of all else that decides what is made of it."""
    size, time = (found := path.stat()).st_size, found.st_mtime_ns
    made = hashlib.sha256(f"{size} {time} {dtype} {transformers.__version__} 2".encode())
    with path.open("rb") as file:
        made.update(file.read(ENDS_READ))
        file.seek(max(size - ENDS_READ, 0))
        made.update(file.read())
    return made.hexdigest()[:16]


def _keep(file: GgufFile, dtype: torch.dtype, kept: Path) -> None:
    """Convert into a folder that nobody sees before it is whole."""
    config = read_gguf_config(file)
    tokenizer, hf = _read_tokenizer(file), _read_weights(file, config, dtype)
    try:
        made = Path(tempfile.mkdtemp(prefix=".", dir=kept.parent))
        try:
            tokenizer.save_pretrained(made)
            vars(hf.config).pop("quantization_config", None)  # it is none any more
            hf.config.save_pretrained(made)
            hf.generation_config.save_pretrained(made)
            save_model(hf, str(made / "model.safetensors"), metadata={"format": "pt"})
            made.rename(kept)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    except (OSError, SafetensorError) as problem:
        if not kept.is_dir():  # another process may have been first
            raise file.error(f"what it is converted to cannot be written to {kept.parent} ({problem})") from problem


def read_gguf_config(file: GgufFile) -> PretrainedConfig:
    """The config of a file that is understood; LongSightError, before any weight is read, for one that is not."""
    if lacking := [name for name in NEEDED if find_spec(name) is None]:
        raise file.error(f"GGUF files need the package {lacking[0]}; pip install {' '.join(lacking)}")
    _check_parts(file)
    try:
        config = AutoConfig.from_pretrained(file.path.parent, gguf_file=file.path.name)
    except UNREADABLE as problem:
        raise file.error(reason(problem).rstrip(".")) from problem
    setattr(config, family_of(config).train_length, file.of_model("context_length", 0))
    train_length(config)
    _check_rotation(file, config)
    return config


def _check_parts(file: GgufFile) -> None:
    """Raise LongSightError where a part is missing, or of a kind that would be passed over."""
    if (parts := file.says("split.count", 1)) > 1:
        raise file.error(f"it is one of {parts} parts; join them with llama-gguf-split --merge")
    if not file.of_tokenizer("tokens"):
        raise file.error("it has no tokenizer in it; take one that has, or the model's safetensors")
    split = file.of_tokenizer("pre")
    known = LIKE_GPT2 | DIGITS_APART | GGUF_PRE_TOKENIZER_SPLITS.keys()
    if file.of_tokenizer("model") == "gpt2" and split not in known:
        raise file.error(f"how its tokenizer splits text ({split!r}) is not known; take the model's safetensors")
    if file.of_model("attention.head_count_kv") is None:
        raise file.error("it does not say how many key heads there are; take a newer one, or the model's safetensors")


def _check_rotation(file: GgufFile, config: PretrainedConfig) -> None:
    """Raise LongSightError where attention would not be what the file says it is."""
    rope = getattr(config, "rope_parameters", None) or {}
    channels = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    rotated = int(channels * rope.get("partial_rotary_factor", 1))
    pairs = {
        "rope.scaling.type": "none",
        "rope.scaling.factor": 1,
        "rope.scale_linear": 1,
        "rope.dimension_count": rotated,
        "rope.freq_base": rope.get("rope_theta"),
        "attention.sliding_window": file.of_model("context_length"),
        **{name: getattr(config, name, None) for name in ("attn_logit_softcapping", "final_logit_softcapping")},
    }
    for key, read in pairs.items():
        if (said := file.of_model(key, read)) != read:
            raise file.error(f"its {key} is {said}, which transformers' reader leaves out; take its safetensors")


def _read_tokenizer(file: GgufFile) -> PreTrainedTokenizerFast:
    try:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(file.path.parent, gguf_file=file.path.name)
    except UNREADABLE as problem:
        raise file.error(f"its tokenizer is not understood ({reason(problem).rstrip('.')})") from problem
    if file.of_tokenizer("model") == "gpt2" and file.of_tokenizer("pre") in DIGITS_APART:
        digits, bytes_ = pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, bytes_])
    return tokenizer


def _read_weights(file: GgufFile, config: PretrainedConfig, dtype: torch.dtype) -> PreTrainedModel:
    """The model, dequantised, with everything that ends its answers."""
    try:
        hf, found = AutoModelForCausalLM.from_pretrained(
            file.path.parent, gguf_file=file.path.name, config=config, dtype=dtype, output_loading_info=True,
            quantization_config=GgufConfig(dequantize=True),  # else packed, where transformers can
        )  # fmt: skip
    except UNREADABLE as problem:
        raise file.error(reason(problem).rstrip(".")) from problem
    tied = {"output.weight"} if config.tie_word_embeddings else set()
    held = sum(prod(tensor.shape) for tensor in file.header.tensors if tensor.name not in tied)
    taken = sum(weight.numel() for weight in hf.parameters())
    if found["missing_keys"] or held != taken:
        raise file.error(f"it holds {held:,} weights, but a {config.model_type} model as it says has {taken:,}")
    stops = {file.of_tokenizer(name) for name in STOPS} - {None}
    hf.generation_config.eos_token_id = sorted(stops) or None
    return hf
