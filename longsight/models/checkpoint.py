"""A checkpoint opened: its weights, its tokenizer, what its makers recommend, and where it is to run."""

import json
from dataclasses import fields
from pathlib import Path

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from longsight.errors import LongSightError
from longsight.methods import METHODS
from longsight.models.registry import Recommended, recommended
from longsight.models.text_inside import HOLDS_TEXT, PREFIXES, of_the_text
from longsight.models.unreadable import UNREADABLE, reason, understood

TOKENIZERS = (
    *("tokenizer.json", "tokenizer_config.json", "tokenizer.model"),
    *("spiece.model", "tekken.json", "vocab.json", "vocab.txt"),
)
"""Files of which one at least lies in a folder that has a tokenizer."""

COMPUTED = ("inv_freq", "masked_bias", ".attn.bias", ".attention.bias", ".causal_mask")
"""What older checkpoints keep beside their weights, though it follows from the config."""


def usable_device(asked: str | torch.device) -> torch.device:
    """The device; LongSightError when there is none of this name, or nothing can be computed on it."""
    try:
        device = torch.device(asked)
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError) as problem:  # an AssertionError where torch was built without CUDA
        raise LongSightError(f"The device {str(asked)!r} cannot be used: {reason(problem)}; 'cpu' works.") from problem
    return device


def read_weights(source: str | Path, config: PretrainedConfig, dtype: torch.dtype) -> PreTrainedModel:
    """The model with its weights, on the CPU; of one that reads images too, the text model alone. LongSightError when
    they are unreadable, or not all there."""
    try:
        inside = PretrainedConfig.get_config_dict(source)[0].get("model_type") in HOLDS_TEXT
        hf, found = AutoModelForCausalLM.from_pretrained(
            source, config=config, dtype=dtype, use_safetensors=True, trust_remote_code=False,
            output_loading_info=True, **({"key_mapping": PREFIXES} if inside else {}),
        )  # fmt: skip
    except UNREADABLE as problem:
        why = reason(problem).rstrip(".")
        lacks = "file named" in why and "safetensors" in why
        hint = "; pickled weights are never opened, so save them as safetensors" if lacks else ""
        raise LongSightError(f"{source} cannot be loaded: {why}{hint}.") from problem
    if missing := sorted(found["missing_keys"]):  # transformers would go on with random numbers in their place
        raise LongSightError(
            f"{source} cannot be loaded: {len(missing)} of its weights are missing, the first is {missing[0]}."
        )
    unexpected = of_the_text(found["unexpected_keys"], hf) if inside else found["unexpected_keys"]
    if spare := sorted(name for name in unexpected if not name.endswith(COMPUTED)):
        raise LongSightError(
            f"{source} cannot be loaded: its config describes another model; {len(spare)} of the weights have no place "
            f"in it, the first is {spare[0]}."
        )
    return hf


def load_tokenizer(source: str | Path) -> PreTrainedTokenizerBase | None:
    """The tokenizer beside the weights, or None when a folder has none; LongSightError when it cannot be read."""
    folder = Path(source)
    if folder.is_dir() and not any((folder / file).exists() for file in TOKENIZERS):
        return None
    with understood(f"The tokenizer of {source}"):
        return AutoTokenizer.from_pretrained(source, trust_remote_code=False)


def read_recommended(source: str | Path) -> Recommended:
    """Parameters per method that suit this model: those published, and those that its makers stored beside its weights
    (`longsight.json`), which come first."""
    path, found = Path(source) / "longsight.json", recommended(source)
    if not path.exists():
        return found
    try:
        beside = json.loads(path.read_text(encoding="utf-8"))["recommended"]
        for key, given in beside.items():
            if unknown := given.keys() - {spec.name for spec in fields(METHODS[key])}:
                raise ValueError(f"{key} has no parameter {min(unknown)!r}")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise LongSightError(
            f"{path} does not say which parameters are recommended ({reason(problem)}); remove it, or write "
            '{"recommended": {METHOD: {PARAMETER: VALUE}}}.'
        ) from problem
    return found | beside
