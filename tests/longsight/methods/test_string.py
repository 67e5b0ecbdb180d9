"""STRING: what is refused, the authors' defaults, and that it is of use inside the trained length."""

import pytest
import torch

from longsight.errors import LongSightError
from longsight.methods import METHODS


def test_the_authors_defaults_where_the_model_is_large_enough_for_them():
    assert METHODS["string"].for_model(131_072, 131_072) == METHODS["string"](shift=43_253, local=128)
    assert METHODS["string"].for_model(512, 2048) == METHODS["string"](shift=168, local=42)


def test_the_largest_distances_of_the_trained_length_are_no_longer_used():
    method = METHODS["string"].for_model(4096, 4096)
    i, j = torch.tensor([4095]), torch.arange(4096)
    assert int(method.distance(i, j).max()) == 4095 - method.shift + method.local
    assert method.reach(4096) == 4096 + method.shift - method.local


def test_a_local_value_that_would_skip_distances_is_refused():
    with pytest.raises(LongSightError, match="STRING: local = 8 is not below shift = 8; choose at most 7"):
        METHODS["string"](shift=8, local=8)
