"""A machine with a CUDA device that is only pretended, and no gradients."""

import pytest
import torch

from tests.pretend_cuda import pretend_cuda


@pytest.fixture(autouse=True)
def device():
    with torch.no_grad(), pretend_cuda() as device:
        yield device
