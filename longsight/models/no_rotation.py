"""Attention modules that leave out their rotation, which at position 0 is the identity and still costs ten launches in
every layer, and two copies of all queries and keys.

A module's forward is run as it is, but finds a stand-in under the name of the function that it rotates by. Functions
are taken for what they do, not for what they are called: one that is not the identity, such as those that also reorder
channels, is left in its place.
"""

import inspect
from collections.abc import Callable, Iterator
from functools import cache
from types import FunctionType, MethodType

import torch
from torch import Tensor, nn

from longsight.models.module_patching import Shadowed, forward_of, replace_forward

CALLED = "apply_rotary_pos_emb"
"""What transformers calls such a function, in every family that has one."""


def leave_rotation_out(hf: nn.Module) -> Iterator[Shadowed]:
    """Shadow the forward of every module of `hf` whose rotation does nothing at position 0."""
    if any(scaled(module) for module in hf.modules()):
        return
    for module in hf.modules():
        if (forward := unrotated(module)) is not None:
            yield replace_forward(module, forward)


def scaled(module: nn.Module) -> bool:
    """Whether a rotary embedding multiplies queries and keys by a factor of its own (YaRN, LongRoPE)."""
    return any(value != 1 for name, value in vars(module).items() if name.endswith("attention_scaling"))


def unrotated(module: nn.Module) -> MethodType | None:
    """The forward of a module without its rotation; None where there is none to be left out."""
    forward = inspect.unwrap(getattr(forward_of(module), "__func__", forward_of(module)))
    names = getattr(forward, "__globals__", {})
    if CALLED not in names or CALLED not in forward.__code__.co_names:
        return None
    stand_in = identity_for(names[CALLED])
    if stand_in is None:
        return None
    own = FunctionType(
        forward.__code__, names | {CALLED: stand_in}, forward.__name__, forward.__defaults__, forward.__closure__
    )
    own.__kwdefaults__ = forward.__kwdefaults__
    return MethodType(own, module)


@cache
def identity_for(rotate: Callable) -> Callable | None:
    """What can stand in for a function that rotates queries and keys, or one of them, by cosines of 1 and sines of 0;
    None for one that then makes anything else of them."""
    names = list(inspect.signature(rotate).parameters)
    cos, sin = torch.ones(1, 3, 8), torch.zeros(1, 3, 8)
    q, k = torch.arange(48.0).view(1, 2, 3, 8), torch.arange(24.0).view(1, 1, 3, 8)
    if names[:4] == ["q", "k", "cos", "sin"]:
        return _both if all(map(torch.equal, rotate(q, k, cos, sin), (q, k))) else None
    if names[:3] == ["x", "cos", "sin"]:
        return _one if torch.equal(rotate(q, cos, sin), q) else None
    return None


def _both(q: Tensor, k: Tensor, *rest: object, **more: object) -> tuple[Tensor, Tensor]:
    return q, k


def _one(x: Tensor, *rest: object, **more: object) -> Tensor:
    return x
