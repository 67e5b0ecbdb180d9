"""Products of one row: most of the time of a token that is written on a CPU.

Such a token multiplies every weight once, which takes as long as they take to come from memory. A GGUF file has most of
them in four bits: 32 side by side lie on up to 16 evenly spaced steps (ggml's Q4_0, Q4_1, Q4_K). Texts are read with
dequantised weights, by a matrix unit that knows no others. For one row the steps are found again in these, and torch
multiplies by codes of four bits. Where steps lie is rounded to bfloat16, as each dequantised weight is.

For one row of any other weights torch's matrix by vector is faster than its matrix by matrix, and says the same. It
reads 64 bytes at a time, and weights that lie in a file as it is mapped into memory seldom begin where these do.
"""

import logging
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from longsight.models.module_patching import Shadowed, forward_of, replace_forward

log = logging.getLogger(__name__)

FILE = "steps.safetensors"
"""Where the steps that were found are kept, in the folder that a GGUF file was converted to."""

GROUP = 32
"""Weights of a row that share their steps."""

ROWS = 16
"""torch packs so many rows together."""

STEPS = range(15, 7, -1)
"""How many steps lie between the least and the greatest of a group; those of fewer are each second or third of more."""

MIDDLE = 8
"""The code of a weight that is what torch adds to all of a group."""

AT_ONCE = 2**20
"""Weights looked at together."""

LINE = 64
"""Bytes that a processor reads at once."""

KERNELS = ("AVX2", "AVX512")
"""Processors, as torch names them, for which it has the product that is meant here."""

Forward = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Steps:
    """Weights (row, column), each `(code - MIDDLE) * spacing + middle`."""

    codes: Tensor  # (row, column / 2) uint8: two codes in a byte, that of the even column in the lower four bits
    places: Tensor  # (column / GROUP, row, 2) bfloat16: spacing and middle

    @property
    def bytes(self) -> int:
        return self.codes.nbytes + self.places.nbytes

    def packed(self) -> Tensor:
        """The codes as torch's product on this processor takes them."""
        codes = torch.stack((self.codes & 15, self.codes >> 4), dim=-1).flatten(1)
        return torch._convert_weight_to_int4pack_for_cpu(codes.int(), 1)


def quicken(hf: PreTrainedModel, folder: Path | None) -> tuple[list[Shadowed], int]:
    """Let every `nn.Linear` of a model in bfloat16 on a CPU multiply one row in the fastest way; what `restore` takes
    to undo it, and the bytes that this holds beside the weights.

    `folder` is what a GGUF file was converted to (None: the model comes from none). Where what was found cannot be kept
    there, a logged sentence says so. Raises `ValueError` where what was kept is damaged.
    """
    if hf.device.type != "cpu" or hf.dtype != torch.bfloat16:
        return [], 0
    has_kernel = torch.backends.cpu.get_cpu_capability() in KERNELS
    found = _kept(hf, folder) if folder is not None and has_kernel else {}
    shadowed = [
        replace_forward(module, _by_steps(module, found[name]) if name in found else _by_vector(module))
        for name, module in _linear(hf)
    ]
    return shadowed, sum(steps.bytes for steps in found.values())


def _linear(hf: PreTrainedModel) -> Iterator[tuple[str, nn.Linear]]:
    return ((name, module) for name, module in hf.named_modules() if type(module) is nn.Linear)


def _is_one_row(x: Tensor) -> bool:
    return x.numel() == x.shape[-1] and x.dtype == torch.bfloat16 and x.device.type == "cpu"


def _by_vector(module: nn.Linear) -> Forward:
    if module.weight.data_ptr() % LINE:
        module.weight.data = module.weight.data.clone()
    return _for_one_row(module, lambda row: torch.mv(module.weight, row))


def _by_steps(module: nn.Linear, steps: Steps) -> Forward:
    packed, places = steps.packed(), steps.places  # and not the codes, which take as much again
    return _for_one_row(module, lambda row: torch._weight_int4pack_mm_for_cpu(row[None], packed, GROUP, places))


def _for_one_row(module: nn.Linear, product: Callable[[Tensor], Tensor]) -> Forward:
    """The forward of `module`, with another product of its weights and one row (column,).

    A bias is added by itself: without AVX512 torch's `addmv` takes four times as long as both.
    """
    many = forward_of(module)

    def forward(x: Tensor) -> Tensor:
        if not _is_one_row(x):
            return many(x)
        out = product(x.reshape(-1).contiguous())
        return (out if module.bias is None else out + module.bias).view(*x.shape[:-1], -1)

    return forward


def _kept(hf: PreTrainedModel, folder: Path) -> dict[str, Steps]:
    """By the name of its module, the steps of every matrix that has some: as they were kept, or found now and kept."""
    file = folder / FILE
    if file.is_file():
        try:
            held = load_file(file)
        except SafetensorError as problem:
            raise ValueError(f"{file} is damaged, delete it ({problem})") from problem
        return {name: Steps(held[f"{name}.codes"], held[f"{name}.places"]) for name in _names(held)}
    each = ((name, find_steps(module.weight.detach())) for name, module in _linear(hf))
    found = {name: steps for name, steps in each if steps is not None}
    try:
        _keep(found, file)
    except (OSError, SafetensorError) as problem:  # they serve all the same
        log.warning("%s cannot be kept, and will be found again each time: %s", file, problem)
    return found


def _keep(found: dict[str, Steps], file: Path) -> None:
    held = {f"{name}.codes": steps.codes for name, steps in found.items()}
    held |= {f"{name}.places": steps.places for name, steps in found.items()}
    with tempfile.TemporaryDirectory(dir=file.parent) as made:  # so that nobody sees half of it
        save_file(held, Path(made) / FILE)
        (Path(made) / FILE).replace(file)


def _names(held: dict[str, Tensor]) -> set[str]:
    return {name.rpartition(".")[0] for name in held}


def find_steps(weight: Tensor) -> Steps | None:
    """The steps on which weights (row, column) lie to within their own rounding; None where they lie on none, or torch
    has no product for this shape."""
    rows, columns = weight.shape
    if rows % ROWS or columns % GROUP:
        return None
    codes, places = [], []
    for some in weight.split(max(1, AT_ONCE // columns)):
        found = _steps_of(some.float().reshape(-1, GROUP), torch.finfo(weight.dtype).eps)
        if found is None:
            return None
        its_codes, its_places = found
        its_codes = its_codes.view(-1, columns // 2, 2)
        codes.append(its_codes[..., 0] | its_codes[..., 1] << 4)
        places.append(its_places.view(-1, columns // GROUP, 2).transpose(0, 1))
    return Steps(torch.cat(codes), torch.cat(places, dim=1).contiguous())


def _steps_of(groups: Tensor, eps: float) -> tuple[Tensor, Tensor] | None:
    """Codes (group, GROUP) uint8, and spacings and middles (group, 2) bfloat16, of weights (group, GROUP) float32 that
    were rounded to `eps` of themselves; None where one of these groups lies on no steps."""
    low, high = groups.aminmax(dim=-1, keepdim=True)
    rounding = eps * torch.maximum(-low, high)
    codes, left = torch.zeros_like(groups), torch.arange(len(groups))
    for steps in STEPS:
        some, begin = groups[left], low[left]
        spacing = (high[left] - begin) / steps
        found = ((some - begin) / spacing).nan_to_num_().round_()  # 0 / 0 where all are equal
        fits = ((begin + found * spacing - some).abs() <= rounding[left]).all(-1)
        codes[left[fits]] = found[fits]
        left = left[~fits]
        if not len(left):
            places = _places(groups, codes)
            return (codes.byte(), places) if places.isfinite().all() else None
    return None


def _places(groups: Tensor, codes: Tensor) -> Tensor:
    """The spacing and the middle (group, 2) bfloat16 with the least squared error, once the spacing is rounded."""
    middle, away = groups.mean(-1, keepdim=True), codes - codes.mean(-1, keepdim=True)
    spread = away.square().sum(-1, keepdim=True).clamp_min_(torch.finfo(torch.float32).tiny)
    spacing = ((away * (groups - middle)).sum(-1, keepdim=True) / spread).bfloat16()
    offset = middle - spacing.float() * (codes.mean(-1, keepdim=True) - MIDDLE)
    return torch.cat((spacing, offset.bfloat16()), dim=-1)
