"""Random models that the library's tests share, and no gradients."""

import pytest
import torch

from tests.longsight import tiny


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


@pytest.fixture(scope="session")
def grouped():
    """A random Llama with half as many key heads as heads. Tests leave it as they found it."""
    return tiny.model("llama")
