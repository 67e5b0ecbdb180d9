"""One cell of the matrix: a variant under a method, read in every way, against the plain definition.

The definition runs inside the very model: one pass over the whole text, in which every layer's attention is
`longsight.attention.plain` over all keys instead of plans, bands, kernels and what the cache keeps.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from longsight.attention.chunk import Chunk
from longsight.attention.encoding import Encoding
from longsight.attention.plain import plain
from longsight.generation.patching import patch, unpatch
from longsight.methods import Method
from longsight.models.model import Model
from tests.longsight import tiny
from tests.longsight.matrix import variants
from tests.longsight.matrix.variants import TEXT

TOLERANCE = 1e-4


@contextmanager
def by_definition() -> Iterator[None]:
    """Within it every patched model computes attention by the definition; texts must be read in one pass."""

    def attention(self: Chunk, layer: int, q: Tensor, k: Tensor, v: Tensor, scaling: float) -> Tensor:
        self.reached.add(layer)
        assert q.shape[2] == k.shape[2], "the definition reads in one pass"
        positions = torch.arange(q.shape[2])
        encoding = Encoding() if layer in self.nope_layers else self.encoding
        return plain(
            q, k, v, positions, positions, self.method, encoding, scaling=scaling, layer=layer, retrieves=self.retrieves
        )

    fast, Chunk.attention = Chunk.attention, attention
    try:
        yield
    finally:
        Chunk.attention = fast


def defined(model: Model, ids: Tensor, method: Method) -> Tensor:
    """Logits (n, vocab) by the definition."""
    with by_definition():
        return model.logits(ids, method)


def padded(rows: list[Tensor], left: bool) -> tuple[Tensor, Tensor]:
    """Texts of different lengths as one batch: ids and attention mask, (batch, token) each."""
    ids = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for b, row in enumerate(rows):
        place = slice(-len(row), None) if left else slice(len(row))
        ids[b, place], mask[b, place] = row, 1
    return ids, mask


def state(hf: nn.Module) -> dict:
    """Everything that a patch could leave behind: each module's attributes, by identity, and the config."""
    modules = {name: {key: id(value) for key, value in vars(module).items()} for name, module in hf.named_modules()}
    return {"modules": modules, "config": hf.config.to_dict(), "attention": hf.config._attn_implementation}


def check(name: str, method: Method) -> None:
    """One pass, chunks, token by token, and a batch padded on either side: all of them the definition."""
    model, text = variants.adopted(name), tiny.ids(TEXT)
    law = defined(model, text, method)
    close(model.logits(text, method), law, "one pass")
    close(model.logits(text, method, chunk=7), law, "chunks of 7")
    close(model.logits(text, method, chunk=1), law, "token by token")
    if method.keeps(TEXT) == TEXT:
        check_batch(name, method)


def check_batch(name: str, method: Method) -> None:
    """Rows of a padded batch are what each would be alone, and afterwards the model is what it was."""
    hf = variants.stock(name)
    rows = [tiny.ids(TEXT, seed=1), tiny.ids(5, seed=2), tiny.ids(30, seed=3)]
    laws = [defined(variants.adopted(name), row, method) for row in rows]
    before, calm = state(hf), hf(rows[1][None]).logits
    patch(hf, method)
    try:
        for left in (True, False):
            ids, mask = padded(rows, left)
            logits = hf(input_ids=ids, attention_mask=mask).logits
            for b, law in enumerate(laws):
                close(logits[b, mask[b].bool()], law, f"row {b}, padded on the {'left' if left else 'right'}")
    finally:
        unpatch(hf)
    assert state(hf) == before
    assert torch.equal(hf(rows[1][None]).logits, calm), "unpatched, the model computes something else"


def close(found: Tensor, law: Tensor, how: str) -> None:
    torch.testing.assert_close(
        found, law, atol=TOLERANCE, rtol=0, equal_nan=True, msg=lambda text: f"{how} is not the definition: {text}"
    )
