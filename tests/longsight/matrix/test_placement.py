"""A patched model in other number formats, compiled, quantised, and spread over devices by accelerate."""

import logging

import pytest
import torch
from accelerate import cpu_offload, disk_offload, dispatch_model
from accelerate import logging as accelerate_logging
from torch import nn
from torch.nn import functional as F

from longsight.generation.patching import patch, unpatch
from longsight.methods import METHODS
from longsight.models.families import FAMILIES, layers_of
from longsight.models.model import adopt
from tests.longsight import tiny
from tests.longsight.matrix import cell, variants
from tests.longsight.matrix.variants import SEAMS, TEXT, TRAINED, VARIANTS

CPU = torch.device("cpu")
METHOD = METHODS["self-extend"](group=4, window=8)
LETTING_GO = METHODS["lm-infinite"](window=TRAINED, starting=3)


def share(found, law):
    """The largest difference as a share of the largest logit."""
    return float((found.float() - law.float()).abs().max() / law.abs().max())


def answers(hf, prompt, n=8):
    return hf.generate(prompt[None], max_new_tokens=n, do_sample=False, use_cache=True)[0, len(prompt) :].tolist()


FORMATS = [(name, *form) for name in SEAMS for form in ((torch.bfloat16, 0.08), (torch.float16, 0.01))]


@pytest.mark.parametrize(("name", "dtype", "rounding"), FORMATS)
def test_other_number_formats_differ_by_their_rounding_alone(name, dtype, rounding):
    """Positions keep their exactness: what is rounded is the model's own arithmetic, patched before or after."""
    text = tiny.ids(TEXT)
    early = patch(variants.build(name), METHOD).to(dtype)
    late = patch(variants.build(name).to(dtype), METHOD)
    assert torch.equal(early(input_ids=text[None]).logits, late(input_ids=text[None]).logits)
    assert early(input_ids=text[None]).logits.dtype == dtype
    assert share(late(input_ids=text[None]).logits[0], cell.defined(variants.adopted(name), text, METHOD)) < rounding
    short = text[None, :TRAINED]
    vanilla = patch(early, METHODS["vanilla"]())(input_ids=short).logits
    assert share(vanilla, unpatch(early)(input_ids=short).logits) < rounding / 2


class Int8Linear(nn.Module):
    """What quantisation leaves of a linear layer: int8 weights, a scale for each row, and no `weight` to look at."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        scale = linear.weight.abs().amax(1, keepdim=True) / 127
        self.register_buffer("scale", scale)
        self.register_buffer("quantised", (linear.weight / scale).round().to(torch.int8))
        self.bias = linear.bias

    def forward(self, x):
        return F.linear(x, self.quantised.to(x.dtype) * self.scale, self.bias)


def quantised(name):
    hf = variants.build(name)
    for parent in list(hf.modules()):
        for child, module in list(parent.named_children()):
            if isinstance(module, nn.Linear) and module is not hf.get_output_embeddings():
                setattr(parent, child, Int8Linear(module))
    return hf


@pytest.mark.parametrize("name", SEAMS)
def test_quantised_linear_layers(name):
    text, hf = tiny.ids(TEXT), quantised(name)
    assert sum(type(module) is Int8Linear for module in hf.modules()) >= 8
    before, calm = cell.state(hf), hf(input_ids=text[None, :TRAINED]).logits
    law = cell.defined(adopt(quantised(name)), text, METHOD)
    cell.close(patch(hf, METHOD)(input_ids=text[None]).logits[0], law, "the quantised model")
    assert (law - cell.defined(variants.adopted(name), text, METHOD)).abs().max() > 1e-3, "nothing was quantised"
    unpatch(hf)
    assert cell.state(hf) == before
    assert torch.equal(hf(input_ids=text[None, :TRAINED]).logits, calm)


def spread(hf, folder):
    """Blocks in turn on the CPU and on disk, so that every hook of accelerate is there and states move."""
    blocks = next(child for child, module in hf.base_model.named_children() if isinstance(module, nn.ModuleList))
    prefix = hf.base_model_prefix
    places = {f"{prefix}.{child}": "cpu" for child, _ in hf.base_model.named_children() if child != blocks}
    places |= {f"{prefix}.{blocks}.{n}": ("disk", "cpu")[n % 2] for n in range(hf.config.num_hidden_layers)}
    dispatch_model(hf, {**places, "lm_head": "cpu"}, main_device="cpu", offload_dir=folder, force_hooks=True)


PLACES = {
    "weights in memory, fetched layer by layer": lambda hf, folder: cpu_offload(hf, CPU),
    "weights on disk": lambda hf, folder: disk_offload(hf, folder, CPU),
    "a device map over memory and disk": spread,
}


@pytest.fixture
def _quiet_accelerate():
    logger = accelerate_logging.get_logger("accelerate.big_modeling").logger
    before = logger.level
    logger.setLevel(logging.ERROR)
    yield
    logger.setLevel(before)


@pytest.mark.usefixtures("_quiet_accelerate")
@pytest.mark.parametrize(
    ("name", "place"),
    [(name, place) for name in SEAMS for place in PLACES if name in ("llama", "mpt") or "map" in place],
)
def test_accelerate_may_place_the_weights_anywhere(name, place, tmp_path):
    text, hf = tiny.ids(TEXT), variants.build(name)
    PLACES[place](hf, tmp_path)
    assert any(parameter.is_meta for parameter in hf.parameters()), "nothing was offloaded"
    before, calm = cell.state(hf), hf(input_ids=text[None, :TRAINED]).logits
    for method in (LETTING_GO, METHOD):
        patch(hf, method)
        cell.close(hf(input_ids=text[None]).logits[0], cell.defined(variants.adopted(name), text, method), place)
    assert answers(hf, text[:20]) == answers(patch(variants.build(name), METHOD), text[:20])
    unpatch(hf)
    assert cell.state(hf) == before
    assert torch.equal(hf(input_ids=text[None, :TRAINED]).logits, calm)
    cell.close(adopt(hf).logits(text, METHOD, 7), cell.defined(variants.adopted(name), text, METHOD), "adopted")


@pytest.mark.parametrize("name", VARIANTS)
def test_a_cast_does_not_round_frequencies(name):
    """transformers' own are rounded to 16 bits by `model.to`, and then wrong by whole turns far out."""
    rounded = layers_of(variants.build(name).to(torch.bfloat16), FAMILIES[VARIANTS[name][0]])
    for layer, exact in zip(rounded, variants.adopted(name).seam.layout, strict=True):
        if exact.encoding.kind == "rope":
            assert torch.equal(layer.encoding.inv_freq, exact.encoding.inv_freq)
