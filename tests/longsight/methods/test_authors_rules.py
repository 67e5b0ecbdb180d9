"""Maps that were read out of authors' code with its slips mended, against the law and the fast path.

Where that code counts a key in two bands, the map is that of the same code with one key less in the first of them. The
last rows of a text are also those of its decoding.
"""

import re

import pytest
import torch

from longsight.methods import METHODS
from tests.longsight.methods.maps import HEARD, agrees, heard, law, read_maps


def string(shift, local):
    return METHODS["string"](shift=int(shift), local=int(local))


def dual_chunk(chunk, local):
    return METHODS["dual-chunk"](chunk=int(chunk), length=int(chunk), local=int(local))


def lampe(head, tail, use, length):
    return METHODS["lampe"](head=int(head), use=int(use), length=int(length), tail=int(tail or 0))


def dpe(window, groups, group):
    return METHODS["dpe"](groups=groups.replace(",", ""), window=int(window)), int(group)


RULES = {
    "distance_maps_dpe.json": (r"W=(\d+) scale_factors=\[([\d, ]+)\] group (\d+)", dpe),
    "distance_maps_lampe.json": (r"head=(\d+)(?: tail=(\d+))? use_length=(\d+) N=(\d+)", lampe),
    "distance_maps_dual_chunk.json": (r"chunk_size=(\d+) local_window=(\d+)", dual_chunk),
    "distance_maps_string.json": (r"STRING S=(\d+) W=(\d+)", string),
}
"""A file of maps -> how its names tell the parameters, and the method that takes them; with a group of frequencies."""

MAPS = [(file, name) for file in RULES for name in read_maps(file)]


@pytest.mark.parametrize(("file", "name"), MAPS)
def test_law_and_fast_path_give_the_authors_map(file, name):
    pattern, build = RULES[file]
    built = build(*re.search(pattern, name).groups())
    method, *group = built if isinstance(built, tuple) else (built,)
    theirs = torch.stack(read_maps(file)[name])
    queries, keys = range(theirs.shape[1] - len(theirs), theirs.shape[1]), range(theirs.shape[1])
    assert agrees(law(method, queries, keys, *group), theirs, 1e-6)
    assert agrees(heard(method, queries, keys, *group), theirs, HEARD)
