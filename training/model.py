"""A recipe's network, and a trained one as a folder that transformers loads. Knows nothing about data."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig, PreTrainedModel, PreTrainedTokenizerFast

from training.circuit import write_induction
from training.fused import fuse_attention
from training.recipe import Recipe


def build(recipe: Recipe, tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """The network before the first step, in float32; its weights are a function of the recipe alone."""
    torch.manual_seed(recipe.seed)
    if recipe.begin:
        return AutoModelForCausalLM.from_pretrained(recipe.begin, dtype=torch.float32)
    config = AutoConfig.for_model(
        **recipe.model,
        vocab_size=len(tokenizer),
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    if recipe.induction:
        write_induction(model)
    fuse_attention(model)
    return model


def export(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write weights (safetensors, bfloat16), configuration, generation settings and tokenizer."""
    half = copy.deepcopy(model).to(torch.bfloat16)
    half.generation_config = GenerationConfig(
        do_sample=False, max_new_tokens=64, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
    )
    folder.mkdir(parents=True, exist_ok=True)
    half.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
