"""The pretended device is as strict as a real one, and counts what would wait for it."""

from collections import Counter

import pytest
import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from tests.pretend_cuda import OnCuda, efficient_attention, pretend_cuda

HERE = torch.arange(12.0).reshape(3, 4)


def there():
    return HERE.clone().to("cuda")


def test_tensors_and_models_go_there_and_stay(device):
    x, layer = there(), nn.Linear(4, 2)
    moved = nn.Linear(4, 2).to("cuda")
    moved.load_state_dict(layer.state_dict())
    assert x.to("cuda") is x
    assert x.device == moved.weight.device == moved(x).device == torch.device("cuda:0")
    assert torch.zeros(2, device="cuda").is_cuda
    assert torch.tensor([1], device=x.device).is_cuda
    assert torch.equal(moved(x).cpu(), layer(HERE))
    assert not x.cpu().is_cuda


MIXED = {
    "sum": lambda x: x + HERE,
    "product": lambda x: x @ HERE.T,
    "cat": lambda x: torch.cat((x, HERE)),
    "stack with a single number": lambda x: torch.stack((x[0, 0], torch.tensor(1.0))),
    "index into what is here": lambda x: HERE[torch.tensor([0], device="cuda")],
    "index of a selection": lambda x: x.index_select(0, torch.tensor([0])),
    "written by index": lambda x: x.index_put_((torch.tensor([0]),), HERE[:1]),
    "mask": lambda x: x.masked_fill(HERE > 3, 0),
    "search": lambda x: torch.searchsorted(x[0], HERE[0]),
    "out": lambda x: torch.mul(x, 2, out=HERE.clone()),
    "in place": lambda x: torch.tensor(1.0).add_(x[0, 0]),
    "layer": lambda x: nn.Linear(4, 2)(x),
}


@pytest.mark.parametrize("mix", MIXED)
def test_two_devices_do_not_mix(mix):
    with pytest.raises(RuntimeError, match="same device"):
        MIXED[mix](there())


def test_numpy_cannot_read_it():
    with pytest.raises(TypeError, match="can't convert cuda:0 device type tensor to numpy"):
        there().numpy()


WAITING = {
    "item": (lambda x: int(x[0, 0]), {"item": 1}),
    "comparison": (lambda x: x[0, 0] > 3 or None, {"item": 1}),
    "place by a number of the device": (lambda x: x[x[0, 1].long()], {"item": 1}),
    "list of all": (lambda x: x.tolist(), {"to cpu": 1}),
    "back": (lambda x: x.cpu(), {"to cpu": 1}),
    "back without waiting": (lambda x: x.to("cpu", non_blocking=True), {}),
    "there": (lambda x: HERE.to("cuda"), {"to cuda": 1}),
    "there without waiting": (lambda x: HERE.to("cuda", non_blocking=True), {}),
    "there by likeness, without waiting": (lambda x: HERE.to(x, non_blocking=True), {}),
    "made of a list": (lambda x: torch.tensor([1, 2], device="cuda"), {"to cuda": 1}),
    "written from here": (lambda x: x.copy_(HERE), {"to cuda": 1}),
    "written from here into a part": (lambda x: x.__setitem__(slice(2), HERE[:2]), {"to cuda": 1}),
    "filled": (lambda x: x.__setitem__(slice(2), 1.0), {}),
    "made there": (lambda x: torch.full((3,), 7, device="cuda"), {}),
    "arithmetic": (lambda x: (x * 2 + torch.tensor(1.0)).sum(), {}),
    "indices": (lambda x: x[torch.zeros(1, dtype=torch.int64, device="cuda")], {}),
    "indices from here": (lambda x: x[torch.tensor([0, 1])], {"to cuda": 1}),
    "indices in a list": (lambda x: x[[0, 1]], {"to cuda": 1}),
    "slices": (lambda x: x[1:, ::2], {}),
    "mask": (lambda x: x[x > 3], {"nonzero": 1}),
    "number where a mask is": (lambda x: x.__setitem__(x > 3, 0.0), {}),
    "numbers where a mask is": (lambda x: x.__setitem__(x > 30, x[:0, 0]), {"nonzero": 1}),
    "where": (lambda x: torch.where(x > 3), {"nonzero": 1}),
    "unique": (lambda x: x.unique(), {"unique": 1}),
    "runs": (lambda x: x.flatten().unique_consecutive(return_counts=True), {"unique": 1}),
    "equality": (lambda x: torch.equal(x, x), {"equal": 1}),
    "near equality": (lambda x: torch.allclose(x, x), {"equal": 1}),
    "truth of all": (lambda x: bool((x < 30).all()), {"item": 1}),
}


@pytest.mark.parametrize("name", WAITING)
def test_what_waits_is_counted(name, device):
    x, (operate, waits) = there(), WAITING[name]
    device.waits.clear()
    operate(x)
    assert device.waits == Counter(waits)


def test_numbers_are_those_of_the_cpu():
    x, places = there(), torch.tensor([2, 0])
    for read in (
        lambda x: x[[0, 2], 1:], lambda x: x[places], lambda x: x[..., places], lambda x: x[x > 5], lambda x: x.mT @ x,
        lambda x: x.topk(2).indices, lambda x: x.new_tensor([1.0, 2.0]), lambda x: x.double().cumsum(0),
    ):  # fmt: skip
        torch.testing.assert_close(read(x).cpu(), read(HERE), atol=0, rtol=0)
    y = HERE.clone()
    for z in (x, y):
        z[[0, 1], 2] = -1.0
        z[1:].mul_(2)
        z[:, 0][z[:, 0] > 1] = 5.0
    assert torch.equal(x.cpu(), y)


def test_the_stock_models_attention_runs_there():
    q = torch.randn(1, 2, 3, 8)
    for options in ({}, {"is_causal": True}):
        there = scaled_dot_product_attention(*[q.to("cuda")] * 3, **options).cpu()
        torch.testing.assert_close(there, scaled_dot_product_attention(q, q, q, **options))


@pytest.mark.parametrize(
    ("q", "mask"),
    [
        (torch.zeros(1, 1, 5, 8), torch.zeros(1, 1, 5, 7)),
        (torch.zeros(1, 1, 5, 10), None),
        (torch.zeros(1, 1, 5, 16)[..., 1:-7], None),
    ],
    ids=["mask", "channels", "pointer"],
)
def test_the_kernel_is_particular(q, mask):
    with pytest.raises(AssertionError):
        efficient_attention(q, q, q, mask, True, scale=1.0)


def test_afterwards_there_is_no_device():
    with pretend_cuda():
        x = there()
    assert isinstance(x, OnCuda)


def test_what_stays_behind_cannot_be_used():
    x = there()
    with torch.utils._python_dispatch._disable_current_modes(), pytest.raises(RuntimeError, match="has left"):
        x + 1
