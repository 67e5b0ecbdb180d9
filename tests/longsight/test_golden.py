"""Logits of the authors' own implementations for a random Llama, matched through `Model.logits` and through `patch`."""

import math

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from longsight.generation.decode import Sampling, decode
from longsight.generation.patching import patch, unpatch
from longsight.generation.prefill import prefill
from longsight.methods import METHODS
from longsight.models.model import load
from tests.longsight.tiny import DATA

FOLDER = DATA / "tiny_llama"
GOLDEN = load_file(FOLDER / "golden_logits.safetensors")
IDS = GOLDEN["input_ids"][0]

ROWS = torch.arange(0, len(IDS), 5)
"""Of which positions the files beside it hold logits."""
MORE = {name: logits for file in sorted(FOLDER.glob("golden_*.safetensors")) if file.name != "golden_logits.safetensors"
        for name, logits in load_file(file).items()}  # fmt: skip

FACTOR = (0.1 * math.log(2) + 1) ** 2
"""By which the authors of STRING and LaMPE multiply all logits (`_af`)."""

TOP_K = METHODS["lm-infinite"](window=64, starting=4, top_k=5, from_layer=1, insert_at=32)
AUTHORS = {
    "vanilla": METHODS["vanilla"](),
    "lm_infinite": METHODS["lm-infinite"](window=64, starting=4),
    "self_extend": METHODS["self-extend"](group=4, window=16),
    "dca_c40_w20": METHODS["dual-chunk"](chunk=40, length=64, local=20),
    "dca_c48_w8": METHODS["dual-chunk"](chunk=48, length=64, local=8),
    "dpe_W16_g2-8-4-16": METHODS["dpe"](groups="2 8 4 16", window=16),
    "dpe_W24_g4-1-8": METHODS["dpe"](groups="4 1 8", window=24),
    "lampe_sw_h16_U40": METHODS["lampe"](head=16, use=40, length=256),
    "lampe_sw_h16_U40_af": METHODS["lampe"](head=16, use=40, length=256, logit_factor=FACTOR),
    "lampe3_h16_U40_t40": METHODS["lampe"](head=16, use=40, length=256, tail=40),
    "string_S21_W8": METHODS["string"](shift=21, local=8),
    "string_S21_W8_af": METHODS["string"](shift=21, local=8, logit_factor=FACTOR),
    "string_S40_W12": METHODS["string"](shift=40, local=12),
}


@pytest.fixture(scope="module")
def golden():
    return load(FOLDER)


@pytest.fixture(scope="module")
def stock():
    return AutoModelForCausalLM.from_pretrained(FOLDER).eval()


def close(ours, theirs):
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)


def close_to_authors(ours, name):
    """Logits of all positions (256, vocabulary), where the authors' are known."""
    if name in MORE:
        close(ours[ROWS], MORE[name])
    else:
        close(ours, GOLDEN[name][0])


def authors_last(name):
    return MORE[name][-1] if name in MORE else GOLDEN[name][0, -1]


def test_every_golden_tensor_is_used():
    assert {*GOLDEN, *MORE} == {"input_ids", "lm_infinite_topk_last", *AUTHORS}


@pytest.mark.parametrize("name", AUTHORS)
def test_logits_are_the_authors_in_one_pass_in_chunks_and_token_by_token(golden, name):
    close_to_authors(golden.logits(IDS, AUTHORS[name]), name)
    cache = golden.seam.new_cache(AUTHORS[name])
    logits = [golden.forward(part, cache) for part in IDS.split([len(IDS) - 28, 7, *[1] * 21])]
    close_to_authors(torch.cat(logits), name)


@pytest.mark.parametrize("chunk", [None, 64])
def test_the_last_position_with_retrieval_is_the_authors(golden, chunk):
    close(golden.logits(IDS, TOP_K, chunk)[-1:], GOLDEN["lm_infinite_topk_last"])


def test_retrieval_changes_the_last_position_and_no_other(golden):
    unaided, aided = golden.logits(IDS, AUTHORS["lm_infinite"]), golden.logits(IDS, TOP_K)
    close(aided[:-1], unaided[:-1])
    assert float((aided[-1] - unaided[-1]).abs().max()) > 0.1


@pytest.mark.parametrize("name", AUTHORS)
def test_a_patched_transformers_model_gives_the_authors_logits(stock, name):
    patch(stock, AUTHORS[name])
    try:
        close_to_authors(stock(input_ids=IDS[None]).logits[0], name)
    finally:
        unpatch(stock)


def test_a_patched_transformers_model_retrieves_as_the_authors_do(stock):
    patch(stock, TOP_K)
    try:
        close(stock(input_ids=IDS[None]).logits[:, -1], GOLDEN["lm_infinite_topk_last"])
    finally:
        unpatch(stock)


@pytest.mark.parametrize("name", AUTHORS)
def test_prefill_ends_on_the_authors_last_logits_and_decode_begins_with_their_argmax(golden, name):
    read = prefill(golden, IDS, AUTHORS[name], chunk=100)
    close(read.logits, authors_last(name))
    assert next(decode(golden, read, Sampling(stop=frozenset()))) == int(authors_last(name).argmax())
