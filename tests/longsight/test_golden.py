"""Logits of the authors' own implementations for a random Llama, matched through `Model.logits` and through `patch`."""

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from longsight.generation.decode import decode
from longsight.generation.patching import patch, unpatch
from longsight.generation.prefill import prefill
from longsight.methods import METHODS
from longsight.models.model import load
from tests.longsight.tiny import DATA

FOLDER = DATA / "tiny_llama"
GOLDEN = load_file(FOLDER / "golden_logits.safetensors")
IDS = GOLDEN["input_ids"][0]

TOP_K = METHODS["lm-infinite"](window=64, starting=4, top_k=5, from_layer=1, insert_at=32)
AUTHORS = {
    "vanilla": METHODS["vanilla"](),
    "lm_infinite": METHODS["lm-infinite"](window=64, starting=4),
    "self_extend": METHODS["self-extend"](group=4, window=16),
}


@pytest.fixture(scope="module")
def golden():
    return load(FOLDER)


@pytest.fixture(scope="module")
def stock():
    return AutoModelForCausalLM.from_pretrained(FOLDER).eval()


def close(ours, theirs):
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)


def test_every_golden_tensor_is_used():
    assert set(GOLDEN) == {"input_ids", "lm_infinite_topk_last", *AUTHORS}


@pytest.mark.parametrize("name", AUTHORS)
def test_logits_are_the_authors_in_one_pass_in_chunks_and_token_by_token(golden, name):
    close(golden.logits(IDS, AUTHORS[name]), GOLDEN[name][0])
    cache = golden.seam.new_cache(AUTHORS[name])
    logits = [golden.forward(part, cache) for part in IDS.split([len(IDS) - 28, 7, *[1] * 21])]
    close(torch.cat(logits), GOLDEN[name][0])


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
        close(stock(input_ids=IDS[None]).logits, GOLDEN[name])
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
    close(read.logits, GOLDEN[name][0, -1])
    assert next(decode(golden, read)) == int(GOLDEN[name][0, -1].argmax())
