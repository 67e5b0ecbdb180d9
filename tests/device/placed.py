"""The same tiny model in two places, made once."""

from functools import cache

from transformers import PreTrainedModel

from longsight.models.model import Model, adopt
from tests.longsight.matrix import variants


@cache
def hf_on_cuda(name: str) -> PreTrainedModel:
    """A variant's stock model on the pretended device. Tests leave it as they found it."""
    return variants.build(name).to("cuda")


@cache
def on_cuda(name: str) -> Model:
    """Another one, adopted there; `variants.adopted` is its twin on the CPU."""
    return adopt(variants.build(name).to("cuda"), name=name)
