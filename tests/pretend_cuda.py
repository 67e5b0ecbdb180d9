"""A CUDA device on a machine that has none: tensors that say they are on cuda:0, and compute on the CPU.

    with pretend_cuda() as device:
        hf.to("cuda")
        ...
    device.waits  # what made the processor wait for the device

Within it torch has such a device. As with a real one, tensors of two devices do not mix, NumPy cannot read them, and
the only attention kernels are CUDA's, with what they ask of their arguments. What waits is what
`torch.cuda.set_sync_debug_mode` would tell of: numbers that are read, shapes that depend on numbers, and copies between
the two memories, unless they are `non_blocking`. What is copied so from the device is not there before an event has
been waited for: the device then had something else to do (`"busy"`), or it had not (`"idle"`). Not pretended: rounding,
speed, and inference mode, which is `no_grad` here.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any
from unittest.mock import patch

import torch
import torch.distributed.tensor  # or torch imports it itself when it first meets such tensors, which fails below them
import torch.nn.attention.varlen  # which registers its operation
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.backend_registration import _DummyDeviceGuard

from tests.varlen_reference import flash_attention

CUDA, CPU = torch.device("cuda", 0), torch.device("cpu")
INSIDE = torch.device("privateuseone", 0)
"""What torch's own code takes the device for: one that has no kernels, but whose tensors it can index and move."""
MEMORY = 80 * 2**30
aten = torch.ops.aten

WAITS = {
    aten._local_scalar_dense.default: "item",
    aten.equal.default: "equal",
    aten.allclose.default: "equal",
    aten.nonzero.default: "nonzero",
    aten.masked_select.default: "nonzero",
    aten.bincount.default: "bincount",
    aten._unique2.default: "unique",
    aten.unique_dim.default: "unique",
    aten.unique_consecutive.default: "unique",
    aten.repeat_interleave.Tensor: "repeat_interleave",
}
"""Operations that must know numbers before they can go on, and what waiting in them is called here."""
MOVING = (aten._to_copy.default, aten.copy_.default)
INDEXING = (aten.index.Tensor, aten.index_put.default, aten.index_put_.default)
COUNTED = {*WAITS, *MOVING, *INDEXING}

_guard = _DummyDeviceGuard()
torch._C._acc.register_python_privateuseone_device_guard(_guard)


class OnCuda(Tensor):
    """A tensor on the device; `numbers` holds what it is made of."""

    numbers: Tensor

    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, numbers: Tensor) -> "OnCuda":
        made = Tensor._make_wrapper_subclass(
            cls, numbers.shape, strides=numbers.stride(), storage_offset=numbers.storage_offset(),
            dtype=numbers.dtype, device=INSIDE,
        )  # fmt: skip
        made.numbers = numbers
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        raise RuntimeError(f"{func}: a tensor of the pretended device has left `pretend_cuda`")

    device = property(lambda self: CUDA)
    is_cuda = property(lambda self: True)

    def data_ptr(self) -> int:
        return self.numbers.data_ptr()

    def new_tensor(self, data: Any, *, dtype: torch.dtype | None = None) -> Tensor:
        return torch.tensor(data, dtype=dtype or self.dtype, device=CUDA)

    def tolist(self) -> Any:
        return self.cpu().tolist()

    def numpy(self, **options: Any) -> Any:
        raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to copy it first.")

    __array__ = numpy

    def __repr__(self, **options: Any) -> str:
        return f"OnCuda({self.numbers})"

    def __deepcopy__(self, memo: dict) -> "OnCuda":
        return self.clone()

    def __getitem__(self, index: Any) -> Tensor:
        return super().__getitem__(_indices(index))

    def __setitem__(self, index: Any, value: Any) -> None:
        value = torch.tensor(value, dtype=self.dtype) if isinstance(value, (bool, int, float)) else value
        super().__setitem__(_indices(index), value)

    @property
    def data(self) -> Tensor:
        return self.detach()

    @data.setter
    def data(self, value: "OnCuda") -> None:
        Tensor.data.__set__(self, value)
        self.numbers = value.numbers


def _indices(index: Any) -> Any:
    """With lists of numbers as tensors, which torch would fill below all that sees the device."""
    if isinstance(index, tuple):
        return tuple(map(_indices, index))
    return torch.tensor(index) if isinstance(index, list) else index


def _is_cuda(device: Any) -> bool:
    return device is not None and torch.device(device).type in (CUDA.type, INSIDE.type)


class Event:
    """That all which the device was given before has been done."""

    def __init__(self, device: "PretendCuda") -> None:
        self.device, self.given, self.coming = device, device.given, device.coming
        device.coming = []

    def synchronize(self) -> None:
        self.device.waits["busy" if self.device.given > self.given else "idle"] += 1
        for there, numbers in self.coming:
            there.copy_(numbers)
        self.coming = []


class PretendCuda(TorchDispatchMode):
    """Runs every operation on the CPU, as the device would; `waits` counts what the processor waited for, `given` the
    operations, and `coming` is what was copied from the device and is not there yet, with its numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: Counter[str] = Counter()
        self.given = 0
        self.coming: list[tuple[Tensor, Tensor]] = []

    def record_event(self) -> Event:
        return Event(self)

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled here, and guarding against it takes longer than what is computed."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        given: list[Tensor] = []
        there: dict[int, Tensor] = {}

        def numbers(x: Any) -> Any:
            """Of what is there; this runs several thousand times per test, and torch's own trees are slow."""
            if isinstance(x, Tensor):
                given.append(x)
                if not isinstance(x, OnCuda):
                    return x
                there[id(x.numbers)] = x
                return x.numbers
            if isinstance(x, (list, tuple)):
                return type(x)([numbers(part) for part in x])
            return CPU if isinstance(x, torch.device) and _is_cuda(x) else x

        run = [numbers(x) for x in args], {name: numbers(x) for name, x in kwargs.items()}
        if there and len(there) < len(given):
            _check(func, args, given)
        if func in COUNTED:
            self._count(func, args, kwargs, bool(there))
        self.given += bool(there)
        out = (KERNELS.get(func, func) if there else func)(*run[0], **run[1])
        if func is aten._to_copy.default and kwargs.get("non_blocking") and there and not _is_cuda(kwargs["device"]):
            self.coming.append((out, out.clone()))
            out.fill_(-1)
        asked = kwargs.get("device")
        goes = bool(there) if asked is None else _is_cuda(asked)
        here = {id(x) for x in given if not isinstance(x, OnCuda)} if goes else ()

        def placed(x: Any) -> Any:
            if isinstance(x, (list, tuple)):
                return type(x)([placed(part) for part in x])
            if not isinstance(x, Tensor):
                return x
            if id(x) in there:
                return there[id(x)]
            return OnCuda(x) if goes and id(x) not in here else x

        return placed(out)

    def _count(self, func: Any, args: tuple, kwargs: dict, there: bool) -> None:
        if there and func in WAITS:
            self.waits[WAITS[func]] += 1
        elif there and func in INDEXING:
            self._count_indices(*args[:3])
        elif func in MOVING:
            self._count_move(func, args, kwargs)

    def _count_indices(self, x: Tensor, indices: Any, value: Tensor | None = None) -> None:
        """A mask becomes as many indices as it has ones, unless all that it marks is set to one number."""
        filled = value is not None and value.numel() == 1 and not isinstance(value, OnCuda)
        for each in indices:
            if each is not None and not isinstance(each, OnCuda):
                self.waits["to cuda"] += 1
            elif each is not None and each.dtype == torch.bool and not filled:
                self.waits["nonzero"] += 1

    def _count_move(self, func: Any, args: tuple, kwargs: dict) -> None:
        source = args[0] if func is aten._to_copy.default else args[1]
        before = isinstance(source, OnCuda)
        asked = kwargs.get("device", source.device)
        after = _is_cuda(asked) if func is aten._to_copy.default else isinstance(args[0], OnCuda)
        at_once = kwargs.get("non_blocking", args[2] if len(args) > 2 else False)
        if before != after and not at_once:
            self.waits["to cuda" if after else "to cpu"] += 1


def _check(func: Any, args: tuple, given: list[Tensor]) -> None:
    """RuntimeError for tensors of two devices, where CUDA would raise it: not for indices on the CPU, nor for single
    numbers beside tensors that they are computed with."""
    if func in MOVING:
        return
    if func in INDEXING and isinstance(args[0], OnCuda):
        given = [args[0], *args[2:3]]
    single = torch.Tag.pointwise in func.tags or func in (*INDEXING, aten.fill_.Tensor)
    written = args[0] if func._schema.is_mutable else None
    for x in given:
        if isinstance(x, Tensor) and not isinstance(x, OnCuda) and (x.dim() > 0 or not single or x is written):
            where = f"cuda:0 and {x.device} {tuple(x.shape)}"
            raise RuntimeError(f"{func}: Expected all tensors to be on the same device, but found {where}")


def efficient_attention(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, compute_log_sumexp: bool, dropout: float = 0.0,
    is_causal: bool = False, *, scale: float | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """CUDA's memory-efficient kernel: all rows begin at 16 bytes, a mask is of the queries' format and covers every
    head, and the log-sum-exp comes filled up to blocks of 32 queries."""
    assert compute_log_sumexp
    assert not dropout
    assert not is_causal
    assert q.dtype == k.dtype == v.dtype
    assert q.shape[:2] == k.shape[:2] == v.shape[:2]
    for x in (q, k, v):
        assert_aligned(x)
    if mask is not None:
        assert mask.dtype == q.dtype
        assert mask.shape == (*q.shape[:3], k.shape[2])
        assert_aligned(mask)
    logits = (q.float() @ k.float().mT) * (q.shape[-1] ** -0.5 if scale is None else scale)
    logits = logits if mask is None else logits + mask.float()
    lse = logits.logsumexp(-1)
    out = (logits - lse[..., None]).exp() @ v.float()
    filled = torch.full((*lse.shape[:2], -(-lse.shape[2] // 32) * 32), torch.nan)
    filled[:, :, : lse.shape[2]] = lse
    return out.to(q.dtype), filled, torch.zeros(()), torch.zeros(())


def assert_aligned(x: Tensor) -> None:
    """Every row begins at a multiple of 16 bytes."""
    assert x.stride(-1) == 1
    assert x.data_ptr() % 16 == 0
    assert all(stride * x.element_size() % 16 == 0 for stride in x.stride()[:-1])


KERNELS: dict[Any, Callable] = {
    aten._scaled_dot_product_efficient_attention.default: efficient_attention,
    torch.ops.torch_attn._varlen_attn.default: flash_attention,
    aten.histc.default: lambda x, *bins: torch.histc(x.float(), *bins).to(x),
}
"""What CUDA has and a CPU has not."""


@contextmanager
def pretend_cuda() -> Iterator[PretendCuda]:
    """A machine with one CUDA device, for the thread that enters it; tensors and models on it stay behind."""
    tensor, as_tensor, to = torch.tensor, torch.as_tensor, Tensor.to

    def moved(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        args = tuple(INSIDE if isinstance(x, (str, torch.device)) and _is_cuda(x) else x for x in args)
        return to(x, *args, **{n: INSIDE if n == "device" and _is_cuda(x) else x for n, x in kwargs.items()})

    def made(make: Callable) -> Callable:
        def there(data: Any, *args: Any, device: Any = None, **kwargs: Any) -> Tensor:
            if not _is_cuda(device):
                return make(data, *args, device=device, **kwargs)
            return moved(make(data, *args, **kwargs), CUDA)

        return there

    def no_grad(mode: torch.inference_mode) -> None:
        mode._inference_mode_context = torch.no_grad()
        mode._inference_mode_context.__enter__()

    device = PretendCuda()
    facts = {
        "current_stream": lambda device_=None: device,
        "is_available": lambda: True, "device_count": lambda: 1, "current_device": lambda: 0,
        "_lazy_init": lambda: None,
        "get_device_name": lambda device=None: "pretended", "get_device_capability": lambda device=None: (9, 0),
        "mem_get_info": lambda device=None: (MEMORY, MEMORY),
        "memory_allocated": lambda device=None: 0, "max_memory_allocated": lambda device=None: 0,
        "reset_peak_memory_stats": lambda device=None: None, "empty_cache": lambda: None,
    }  # fmt: skip
    with ExitStack() as stack:
        stack.enter_context(patch.dict(sys.modules, {f"torch.{INSIDE.type}": ModuleType(INSIDE.type)}))
        stack.enter_context(patch.multiple(torch.cuda, **facts))
        stack.enter_context(patch.multiple(torch, tensor=made(tensor), as_tensor=made(as_tensor)))
        stack.enter_context(patch.object(Tensor, "to", moved))
        stack.enter_context(patch.object(torch.inference_mode, "__enter__", no_grad))
        yield stack.enter_context(device)
