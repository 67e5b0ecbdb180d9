"""What would happen to a model, before anyone builds on it: `longsight doctor MODEL`."""

if __name__ == "__main__":  # before torch is imported
    from longsight.processor import wait_asleep

    wait_asleep()

import argparse
import sys
from collections.abc import Sequence

import torch

from longsight.errors import LongSightError
from longsight.generation.prompt import chat_ids
from longsight.methods import METHODS, Method
from longsight.models.model import Model, load
from longsight.models.registry import REGISTRY, Known, hub_id
from longsight.models.seam import TOLERANCE

LENGTHS = (4096, 32768, 131072)


def method_line(model: Model, key: str) -> str:
    """One row of the report: a method, whether it applies, and its cache at each of `LENGTHS`."""
    method = model.method(key, LENGTHS[-1])
    try:
        model.seam.check_method(method)
    except LongSightError as problem:
        return f"  {method.title:24}no: {problem}"
    sizes = "".join(f"{megabytes(model, model.method(key, n), n):>12,.1f}" for n in LENGTHS)
    return f"  {method.title:24}{sizes}   {model.method(key, LENGTHS[0]).describe()}"


def _compared(model: Model) -> str:
    """In which number format the patched model was compared to the stock one, where it runs in another."""
    proven = model.seam.proven_in
    return "" if proven == model.dtype else f", compared in {str(proven).removeprefix('torch.')}"


def _packed(model: Model) -> str:
    """What its weights take once more, where tokens are written by others than texts are read with."""
    return f", {model.packed_bytes / 1e6:,.1f} MB in four bits, by which tokens are written" * bool(model.packed_bytes)


def chat_line(model: Model) -> str:
    """Whether the model can be asked something, and how."""
    if model.tokenizer is None:
        return "no: there is no tokenizer"
    try:
        chat_ids(model.tokenizer, [{"role": "user", "content": "Hello"}])
    except LongSightError as problem:
        return f"no: {problem}"
    return "by its template" if model.tokenizer.chat_template is not None else "by a plain prompt, it has no template"


def megabytes(model: Model, method: Method, length: int) -> float:
    """Cache [MB] of one conversation of `length` tokens."""
    return model.cache_bytes(method, length) / 1e6


def report(source: str) -> str:
    """The whole report on a model that loads; LongSightError for one that does not."""
    model = load(source)
    weights = sum(p.nbytes for p in model.hf.parameters())
    config = model.hf.config
    switch = "".join(f", other frequencies in texts of more than {at:,} tokens" for at in model.seam.switches)
    lines = [
        f"{source}",
        f"  family              {config.model_type} ({type(model.hf).__name__})",
        f"  position encoding   {model.position_encoding}{switch}",
        f"  trained length      {model.train_length:,} tokens",
        *([f"  methods act on      {model.acting}"] if model.acting else []),
        f"  chat                {chat_line(model)}",
        f"  weights             {weights / 1e6:,.1f} MB in {str(model.dtype).removeprefix('torch.')}{_packed(model)}",
        f"  vanilla - stock     {model.seam.difference:.2g} (largest logit difference on a few tokens;"
        f" allowed {TOLERANCE[model.seam.proven_in]:g} of the largest logit{_compared(model)})",
        f"  {'cache [MB] at':24}" + "".join(f"{n:>12,}" for n in LENGTHS) + f"   parameters for {LENGTHS[0]:,} tokens",
    ]
    with torch.inference_mode():
        lines += [method_line(model, key) for key in METHODS]
    return "\n".join(lines)


def known_line(known: Known) -> str:
    """What the registry says about a model, in one line."""
    return (
        f"{known.source}: trained on {known.train_length:,} tokens, {known.billions:g} billion parameters "
        f"({known.bytes() / 1e9:.1f} GB in bfloat16), licence {known.licence}{', gated' * known.gated}."
    )


def main(arguments: Sequence[str] | None = None, prog: str = "python -m longsight.doctor") -> int:
    """Print the report; 1 and one sentence when the model cannot be used."""
    parser = argparse.ArgumentParser(prog=prog, description=__doc__)
    parser.add_argument("model", help="a folder, a .gguf file or a Hub id")
    source = parser.parse_args(arguments).model
    if (known := hub_id(source)) in REGISTRY:
        print(known_line(REGISTRY[known]))
    try:
        print(report(source))
    except LongSightError as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
