"""Random models that the library's tests share, and no gradients."""

import pytest
import torch

from tests.longsight import tiny


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


@pytest.fixture(scope="session", params=["multi-head", "grouped-query"])
def model(request):
    """A random Llama, with as many key heads as heads and with half of them. Tests leave it as they found it."""
    return tiny.model("llama", key_heads=4 if request.param == "multi-head" else 2)


@pytest.fixture(scope="session")
def grouped():
    """The random Llama with grouped queries, where the number of key heads makes no difference to a test."""
    return tiny.model("llama")
