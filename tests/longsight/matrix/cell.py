"""One cell of the matrix: a variant under a method, read in every way, against the plain definition.

The definition runs inside the very model: one pass over the whole text, in which every layer's attention is
`longsight.attention.plain` over all keys instead of plans, bands, kernels and what the cache keeps.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate

import torch
from torch import Tensor, nn

from longsight.attention.chunk import Chunk
from longsight.attention.plain import plain
from longsight.generation.patching import patch, unpatch
from longsight.methods import Method
from longsight.methods.fetching import LAST
from longsight.models.model import Model
from tests.longsight import tiny
from tests.longsight.matrix import variants
from tests.longsight.matrix.variants import TEXT

TOLERANCE = 1e-4
PIECES = (1, 1, 7, 7, 7, 7, 1, 1, 1)
"""How many tokens are read at a time, and then all the others: one by one and in chunks, before a cache that lets go of
tokens does so for the first time, across that, and after it."""


@contextmanager
def by_definition(ends: tuple[int, ...] = ()) -> Iterator[None]:
    """Within it every patched model computes attention by the definition; texts must be read in one pass, as if reading
    had ended before the positions `ends` too, where methods fetch."""

    def attention(self: Chunk, layer: int, q: Tensor, k: Tensor, v: Tensor, scaling: float, sinks=None) -> Tensor:
        self.reached.add(layer)
        assert q.shape[2] == k.shape[2], "the definition reads in one pass"
        positions = torch.arange(q.shape[2])
        rule, known = self.cache.rules[layer], self.layers[layer]
        return plain(
            q, k, v, positions, positions, rule, known.encoding.for_text(len(positions)), scaling=scaling, layer=layer,
            retrieves=self.retrieves, sinks=sinks, softcap=known.softcap, query_scale=known.query_scale, ends=ends,
        )  # fmt: skip

    fast, Chunk.attention = Chunk.attention, attention
    try:
        yield
    finally:
        Chunk.attention = fast


def defined(model: Model, ids: Tensor, method: Method, ends: tuple[int, ...] = ()) -> Tensor:
    """Logits (n, vocab) by the definition."""
    with by_definition(ends):
        return model.logits(ids, method)


def in_pieces(model: Model, ids: Tensor, method: Method) -> Tensor:
    """Logits (n, vocab) of the tokens that the method reads, by one cache that is gone on with."""
    places = tuple(accumulate(PIECES))
    parts = [part for part in ids[len(ids) - method.keeps(len(ids)) :].tensor_split(places) if len(part)]
    cache = model.seam.new_cache(method)
    cache.reserve(sum(map(len, parts)))
    return torch.cat([model.forward(part, cache, retrieves=part is parts[-1]) for part in parts])


def padded(rows: list[Tensor], left: bool, length: int = 0) -> tuple[Tensor, Tensor]:
    """Texts of different lengths as one batch, of `length` tokens at least: ids and attention mask, (batch, token)."""
    ids = torch.zeros(len(rows), max(length, *map(len, rows)), dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for b, row in enumerate(rows):
        place = slice(-len(row), None) if left else slice(len(row))
        ids[b, place], mask[b, place] = row, 1
    return ids, mask


def state(hf: nn.Module) -> dict:
    """Everything that a patch could leave behind: each module's attributes, by identity, and the config."""
    modules = {name: {key: id(value) for key, value in vars(module).items()} for name, module in hf.named_modules()}
    return {"modules": modules, "config": hf.config.to_dict(), "attention": hf.config._attn_implementation}


def check(name: str, method: Method) -> Tensor:
    """One pass, single tokens and chunks, and a batch padded on either side: all of them the definition, which comes
    back as logits (TEXT, vocab)."""
    model, text = variants.adopted(name), tiny.distinct(TEXT)
    law = defined(model, text, method)
    close(model.logits(text, method), law, "one pass")
    apart = law
    if method.retrieval is not None and method.retrieval.queries != LAST:
        close(model.logits(text, method, chunk=1), law, "one block of queries at a time")
        apart = defined(model, text, method, tuple(accumulate(PIECES)))
    close(in_pieces(model, text, method), apart[TEXT - method.keeps(TEXT) :], "single tokens and chunks")
    if method.keeps(TEXT) == TEXT:
        check_batch(name, method, text, law)
    return law


def check_batch(name: str, method: Method, text: Tensor, law: Tensor) -> None:
    """Rows of a padded batch are what each would be alone, and afterwards the model is what it was."""
    hf, short = variants.stock(name), tiny.ids(5, seed=2)
    calm, before = hf(short[None]).logits, state(hf)  # in this order: some models keep what their first call makes
    (left, left_mask), (right, right_mask) = padded([text, short], left=True), padded([short], left=False, length=TEXT)
    ids, mask = torch.cat((left, right)), torch.cat((left_mask, right_mask))
    patch(hf, method)
    try:
        logits = hf(input_ids=ids, attention_mask=mask).logits
    finally:
        unpatch(hf)
    alone = defined(variants.adopted(name), short, method)
    for row, real, expected in zip(logits, mask.bool(), (law, alone, alone), strict=True):
        close(row[real], expected, f"a row of {int(real.sum())} tokens, padded to {TEXT}")
    assert state(hf) == before
    assert torch.equal(hf(short[None]).logits, calm), "unpatched, the model computes something else"


def close(found: Tensor, law: Tensor, how: str) -> None:
    torch.testing.assert_close(
        found, law, atol=TOLERANCE, rtol=0, equal_nan=True, msg=lambda text: f"{how} is not the definition: {text}"
    )
