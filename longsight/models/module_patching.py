"""The monkey patch itself: shadowing the forward of a module, and taking the shadow away again.

Where accelerate has put hooks in front of a forward (they move tensors between devices), ours goes behind them.
"""

import inspect
from collections.abc import Callable
from typing import Any

from torch import nn
from transformers import PreTrainedModel

from longsight.errors import LongSightError

Shadowed = tuple[dict[str, Any], str, object]
"""(a module's attributes, which of them was shadowed, what it was or None)."""


def cache_keyword(hf: nn.Module) -> str:
    """What the forward of a transformers model calls its cache: `cache` from transformers 5.24 on."""
    return "cache" if "cache" in inspect.signature(type(hf).forward).parameters else "past_key_values"


def forward_of(module: nn.Module) -> Callable:
    """What a shadow has to call: the module's forward without the hooks in front of it."""
    return vars(module).get("_old_forward", module.forward)


def replace_forward(module: nn.Module, forward: Callable) -> Shadowed:
    """Shadow a module's forward; `restore` undoes it exactly."""
    attributes = vars(module)
    name = "_old_forward" if "_old_forward" in attributes else "forward"
    before = attributes.get(name)
    attributes[name] = forward
    return attributes, name, before


def shadow(module: nn.Module, name: str, value: object) -> Shadowed:
    """Shadow a method or an attribute of a module by name; `restore` undoes it exactly."""
    attributes = vars(module)
    before = attributes.get(name)
    attributes[name] = value
    return attributes, name, before


def restore(shadowed: Shadowed) -> None:
    attributes, name, before = shadowed
    if before is None:
        del attributes[name]
    else:
        attributes[name] = before


def check_language_model(hf: object) -> None:
    """LongSightError for what is no causal language model of transformers by itself."""
    name = type(hf).__name__
    if not isinstance(hf, PreTrainedModel):
        inside = getattr(type(hf), "get_base_model", None)  # PEFT's wrappers
        way = "patch what it wraps, model.get_base_model()" if inside else "load one with AutoModelForCausalLM"
        raise LongSightError(f"This {name} is no language model of transformers; {way}.")
    if not hf.can_generate():
        raise LongSightError(f"This {name} has no head that predicts tokens; load it with AutoModelForCausalLM.")
