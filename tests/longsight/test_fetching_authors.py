"""InfLLM and ReAttention against outputs of their authors' own functions, without the slips that their docstrings
name: logits of a random Llama, and single layers with what each block of queries fetched.

The authors cut queries into blocks at the start of each call; ours are cut at fixed places. Where theirs were several
calls, the rule is asked with its blocks where their calls made them.
"""

import json
from dataclasses import dataclass, replace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from longsight.attention.block_memory import Hearing
from longsight.attention.fast import attend, make_plan
from longsight.attention.plain import plain
from longsight.attention.retrieval import FetchingRow
from longsight.attention.rope import Rotary
from longsight.methods import METHODS
from longsight.methods.base import LARGEST
from longsight.models.model import load
from tests.longsight.tiny import DATA

FILE = DATA / "fetching" / "authors.safetensors"
AUTHORS = load_file(FILE)
with safe_open(FILE, "pt") as opened:
    PARAMETERS = {name: json.loads(text) for name, text in opened.metadata().items()}

ENCODING = Rotary(1 / 10_000 ** (torch.arange(0, 16, 2, dtype=torch.float64) / 16))
SCALING = 0.25


@pytest.fixture(scope="module")
def llama():
    return load(DATA / "tiny_llama")


def close(ours, theirs):
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)


# Whole models


INFLLM = METHODS["infllm"](window=32, starting=4, block=8, top_k=2, representatives=2, queries=16)
IDS, LOGITS = AUTHORS["input_ids"], AUTHORS["infllm_logits"]
PROMPT = 248


@pytest.mark.parametrize("chunk", [None, 1, 40])
def test_infllm_reads_a_prompt_as_its_authors_do_whatever_the_chunk(llama, chunk):
    close(llama.logits(IDS[:PROMPT], INFLLM, chunk), LOGITS[:PROMPT])


def test_infllm_writes_as_its_authors_do_with_blocks_of_one_query(llama):
    """Their decoding cuts anew for every token: eight tokens are read one by one after a prompt."""
    cache = llama.seam.new_cache(INFLLM)
    llama.forward(IDS[:PROMPT], cache)
    cache.rules = tuple(replace(rule, queries=1) for rule in cache.rules)
    close(torch.cat([llama.forward(token[None], cache) for token in IDS[PROMPT:]]), LOGITS[PROMPT:])


# Single layers


@dataclass(frozen=True)
class CutInfLLM(METHODS["infllm"]):
    """InfLLM whose blocks of queries begin where the authors' did."""

    starts: tuple = ()

    def begin(self, i):
        starts = torch.tensor(self.starts)
        return starts[torch.searchsorted(starts, i, right=True) - 1]

    def _check_field(self, spec):
        if spec.name != "starts":
            super()._check_field(spec)


@dataclass(frozen=True)
class CutReAttention(METHODS["reattention"]):
    """ReAttention whose blocks of queries are the authors' calls, of which the first sees everything."""

    ends: tuple = ()

    def begin(self, i):
        edges = torch.tensor((0, *self.ends))
        return edges[torch.searchsorted(edges, i, right=True) - 1]

    def end(self, i):
        ends = torch.tensor(self.ends)
        own = ends[torch.searchsorted(ends, i, right=True).clamp(max=len(ends) - 1)]
        return torch.where(i < ends[0], 0, own)

    def _check_field(self, spec):
        if spec.name != "ends":
            super()._check_field(spec)


def read(method, q, k, v):
    """A layer's output by the fast path, and what each block of queries fetched."""
    q, k, v, i = q[None], k[None], v[None], torch.arange(q.shape[1])
    out, lse = attend(q, k, v, make_plan(i, i, method, ENCODING, q), SCALING)
    row = FetchingRow(method.retrieval, Hearing(ENCODING, SCALING, None), None, {}, (0, 0))
    fetched = row.read(q[0], k[0], v[0], i, out[0], lse[0])
    close(plain(q, k, v, i, i, method, ENCODING, scaling=SCALING), out)
    return out[0], {rows.start: found for rows, found in fetched}


@pytest.mark.parametrize("calls", ["one_call", "two_calls_then_decode"])
def test_infllm_fetches_the_authors_blocks(calls):
    known, theirs = PARAMETERS["infllm"], {n: AUTHORS[f"infllm.{calls}.{n}"] for n in (
        "out", "chunk_start_end", "chosen_blocks", "block_scores"
    )}  # fmt: skip
    starts = theirs["chunk_start_end"][:, 0].tolist()
    method = CutInfLLM(
        window=known["n_local"], starting=known["n_init"], block=known["block_size"], top_k=known["topk"],
        representatives=known["repr_topk"], queries=known["exc"], starts=tuple(starts),
    )  # fmt: skip
    out, fetched = read(method, *(AUTHORS[f"infllm.{name}"] for name in "qkv"))
    close(out, theirs["out"])
    for start, chosen, scores in zip(starts, theirs["chosen_blocks"], theirs["block_scores"], strict=True):
        blocks = chosen[chosen >= 0]
        if not len(blocks):
            assert start not in fetched
            continue
        first = method.starting + blocks[:, None] * method.block
        assert fetched[start].j[0].tolist() == (first + torch.arange(method.block)).flatten().tolist()
        scores = scores[scores.isfinite()]
        assert len(scores) == int(method.blocks_end(torch.tensor(start)) - method.starting) // method.block
    assert len(fetched) >= 8


@pytest.mark.parametrize("name", ["align1", "align8", "align8_clip6", "align8_gqa4x2"])
def test_reattention_recalls_the_authors_positions(name):
    known = PARAMETERS["reattention"][name]
    calls, attended = AUTHORS[f"{name}.calls"], AUTHORS[f"{name}.attended"]
    most = known["recall_clip"] if known["recall_clip"] >= 0 else LARGEST
    method = CutReAttention(
        local=known["local_size"], starting=known["global_size"], top_k=known["mid_size"], span=known["span_size"],
        most=most, queries=int(calls[1:].max()), align=known["align"], ends=tuple(calls.cumsum(0).tolist()),
    )  # fmt: skip
    out, fetched = read(method, *(AUTHORS[f"{name}.{each}"] for each in "qkv"))
    close(out, AUTHORS[f"{name}.out"])
    for end, count, theirs in zip(calls.cumsum(0).tolist(), calls.tolist(), attended, strict=True):
        theirs, start = theirs[theirs >= 0].tolist(), end - count
        if not theirs:
            assert start not in fetched
            continue
        recent = range(int(method.recent_from(torch.tensor(start))), end)
        assert [*fetched[start].j[0].tolist(), *recent] == theirs
    assert len(fetched) == int((attended >= 0).any(1).sum()) > 0
