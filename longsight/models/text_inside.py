"""The text model inside of one that reads images too: where its weights lie, and which are the others'."""

from collections.abc import Iterable

from transformers import PreTrainedModel

HOLDS_TEXT = frozenset({"gemma3", "gemma4", "llama4", "mistral3", "qwen3_5", "qwen3_5_moe"})
"""Model types that hold a text model of one of the families, of which nothing else is loaded."""

PREFIXES = {r"^language_model\.(model|lm_head)\.": r"\1.", r"^model\.language_model\.": "model."}
"""What the names of its weights begin with there, and what by themselves."""


def of_the_text(names: Iterable[str], hf: PreTrainedModel) -> list[str]:
    """Those of these weights that belong to the text model `hf`, or would if it had a place for them."""
    parts = [f"{outer}.{inner}." for outer, module in hf.named_children() for inner, _ in module.named_children()]
    ends = [f"{name}." for name, module in hf.named_children() if not list(module.children())]
    return [name for name in names if name.startswith((*parts, *ends))]
