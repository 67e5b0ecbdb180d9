"""The matrix on other devices, in float32 and bfloat16, against the definition on the CPU in float32.

Where CUDA is, every way into a model under every method; everywhere, a few on the CPU, so that the tests
themselves are tested.
"""

from functools import cache

import pytest
import torch

from longsight.attention.alibi import Alibi, slopes
from longsight.attention.fast import attend, attend_one, make_glance, make_plan
from longsight.attention.plain import plain
from longsight.attention.rope import Rotary
from longsight.attention.varlen import serves
from longsight.generation.patching import patch
from longsight.methods import METHODS
from longsight.models.model import adopt
from tests.longsight import tiny
from tests.longsight.matrix import cell, variants
from tests.longsight.matrix.variants import SEAMS, TEXT, TRAINED

FORMATS = {torch.float32: 1e-4, torch.bfloat16: 0.1}
"""Largest difference allowed, as a share of the largest logit: rounding, and what the layers make of it."""
PLACES = [("cpu", torch.bfloat16)]  # on the CPU in float32 it is the matrix itself
CASES = [(*PLACES[0], name) for name in ("llama", "mpt")]
SHAPES = [(20, 2, 2)]
"""(channels, key heads, batch): heads that share keys, and of an odd width."""
if torch.cuda.is_available():
    PLACES += [("cuda", dtype) for dtype in FORMATS]
    CASES += [(*place, name) for place in PLACES[1:] for name in SEAMS]
    SHAPES += [(16, 4, 1)]
cases = pytest.mark.parametrize(
    ("device", "dtype", "name"), CASES, ids=[f"{device}-{str(dtype)[6:]}-{name}" for device, dtype, name in CASES]
)

FETCHING = METHODS["lm-infinite"](window=TRAINED, starting=3, top_k=3, from_layer=1)


@cache
def placed(name, device, dtype):
    """A variant's model elsewhere, unpatched."""
    return variants.build(name).to(device, dtype)


@cache
def law(name, method, n, seed):
    return cell.defined(variants.adopted(name), tiny.ids(n, seed), method)


def close(found, law, dtype, how):
    difference = float((found.cpu().float() - law).nan_to_num().abs().max() / law.nan_to_num().abs().max())
    assert difference < FORMATS[dtype], f"{how}: {difference:.2g} of the largest logit away from the definition"


@cases
@pytest.mark.parametrize("key", METHODS)
def test_every_way_of_reading_is_the_definition(device, name, key, dtype):
    method, text = variants.method(key), tiny.ids(TEXT)
    if not variants.applies(name, method) or (method.retrieval is not None and dtype != torch.float32):
        return  # what is fetched is a choice, and rounding makes another
    model = adopt(placed(name, device, dtype))
    try:
        expected = law(name, method, TEXT, 0)
        close(model.logits(text, method), expected, dtype, "one pass")
        read = expected[TEXT - method.keeps(TEXT) :]
        close(cell.in_pieces(model, text, method), read, dtype, "single tokens and chunks")
    finally:
        model.seam.close()


@cases
def test_a_model_moved_after_it_was_patched_reads_a_padded_batch_by_the_definition(device, name, dtype):
    hf = patch(variants.build(name), FETCHING).to(device, dtype)
    ids, mask = cell.padded([tiny.ids(TEXT), tiny.ids(21, 1)], left=True)
    logits = hf(input_ids=ids.to(device), attention_mask=mask.to(device)).logits
    close(logits[0], law(name, FETCHING, TEXT, 0), dtype, "the longer row")
    close(logits[1, -21:], law(name, FETCHING, 21, 1), dtype, "the shorter row")


LONG, HEADS = 2600, 4


@pytest.mark.parametrize("key", METHODS)
@pytest.mark.parametrize("kind", ["rope", "alibi"])
@pytest.mark.parametrize(("channels", "key_heads", "batch"), SHAPES)
@pytest.mark.parametrize(("device", "dtype"), PLACES)
def test_attention_over_many_blocks_is_the_definition(device, channels, key_heads, batch, kind, key, dtype):
    """Long enough for blocks that see their keys without a mask."""
    n, method = (LONG if device == "cuda" else 300), METHODS[key].for_model(256, LONG)
    if method.needs not in (None, kind) or method.retrieval is not None:
        return
    frequencies = 1 / 10_000 ** (torch.arange(0, 16, 2, dtype=torch.float64) / 16)
    encoding = Rotary(frequencies) if kind == "rope" else Alibi(slopes(HEADS))
    make = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(batch, h, n, channels, generator=make) for h in (HEADS, key_heads, key_heads))
    q, k, v, i = q.to(device, dtype), k.to(device, dtype), v.to(device, dtype), torch.arange(n, device=device)
    expected = plain(q.float(), k.float(), v.float(), i, i, method, encoding, scaling=0.3)
    for run in method.runs(i):
        here = encoding.under(method, method.length_at(i[run.start]))
        for unmasked in {False, kind == "rope" and serves(q, k, v)}:
            out, _ = attend(q[:, :, run], k, v, make_plan(i[run], i, method, here, q, unmasked), 0.3)
            close(out, expected[:, :, run].cpu(), dtype, f"queries {run.start} to {run.stop}, {unmasked=}")
    out, _ = attend_one(q[:, :, -1:], k, v, make_glance(i[-1:].cpu(), i, tiny.lying(i), method, here, q), 0.3)
    close(out, expected[:, :, -1:].cpu(), dtype, "the last query alone")
