"""A machine with a CUDA device that is only pretended, and no gradients."""

import pytest
import torch

from longsight.attention.varlen import heads_first
from tests.pretend_cuda import pretend_cuda


@pytest.fixture(autouse=True, scope="package")
def _tried_anew():
    """What is found of the pretended device is not held of a real one."""
    heads_first.cache_clear()
    yield
    heads_first.cache_clear()


@pytest.fixture(autouse=True)
def device():
    with torch.no_grad(), pretend_cuda() as device:
        yield device
