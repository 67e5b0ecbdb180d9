"""What is measured: a model from a folder, or a random one of the embedded model's shape where there is none."""

import tomllib
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

ROOT = Path(__file__).parents[1]
DEFAULT = ROOT / "assets" / "models" / "rope-small"
RECIPE = ROOT / "training" / "recipes" / "small.toml"


def read_stock(source: str | Path) -> PreTrainedModel:
    """The unpatched model in `source`; a random one of the recipe's shape when the default folder is not there."""
    if Path(source) == DEFAULT and not DEFAULT.exists():
        return random_model().eval()
    return AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32, use_safetensors=True).eval()


def random_model() -> PreTrainedModel:
    """Untrained weights in the shape of the embedded model, which decides the speed."""
    recipe = tomllib.loads(RECIPE.read_text(encoding="utf-8"))
    torch.manual_seed(recipe["seed"])
    config = AutoConfig.for_model(**recipe["model"], vocab_size=recipe["tokenizer"]["vocab_size"])
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32)


def random_ids(hf: PreTrainedModel, n: int) -> torch.Tensor:
    """`n` token ids (n,); which ones makes no difference to speed or memory."""
    return torch.randint(hf.config.vocab_size, (n,), generator=torch.Generator().manual_seed(0))
