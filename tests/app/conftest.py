"""A tiny random model with a real tokenizer, saved and loaded the way the page does it."""

import contextlib
import shutil
import tempfile
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from app.session import device_sharing, estimate, model_catalogue, uploads
from app.session.device_sharing import line_of
from app.session.documents import Document
from app.session.sessions import Session

TRAINED = 32
TEXT = (
    "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again. What is the pass key?\n"
)
TEMPLATE = (
    "{%- for m in messages -%}{{- '<|' + m['role'] + '|>' + m['content'] -}}"
    "{%- if m['role'] == 'assistant' -%}{{- '<|end|>' -}}{%- endif -%}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}"
)


def save_model(folder, seed=0):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|end|>", "<|user|>", "<|assistant|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([TEXT], trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|end|>", extra_special_tokens=special[1:], chat_template=TEMPLATE
    )
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=300, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=TRAINED, initializer_range=0.2, bos_token_id=None,
        eos_token_id=0,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    fast.save_pretrained(folder)


@pytest.fixture(autouse=True)
def _step_by_step(monkeypatch):
    """Every step is a slice of its own, and whoever waits looks up at once."""
    monkeypatch.setattr(device_sharing, "SLICE", 0)
    monkeypatch.setattr(device_sharing, "LOOK", 0.001)


@contextlib.contextmanager
def others_at(device):
    """Somebody else who holds the device."""
    line = line_of(device)
    with line.place(Session(), lambda: None) as place:
        assert line.take(place)
        yield place


@pytest.fixture(scope="session")
def models_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    save_model(folder / "tiny")
    return folder


@pytest.fixture
def model(models_folder, monkeypatch):
    """The tiny model, as the only one, on a machine that nothing is known of yet."""
    monkeypatch.setattr(model_catalogue, "MODELS", models_folder)
    monkeypatch.setattr(model_catalogue, "PACKAGED", {})
    monkeypatch.setattr(estimate, "_speeds", {})
    return model_catalogue.model("tiny")


@pytest.fixture
def document():
    return Document("grass.txt", TEXT * 20, len(TEXT) * 20)


@pytest.fixture
def session():
    return Session()


@pytest.fixture
def upload_folder():
    """Where a visitor's file arrives."""
    path = Path(tempfile.mkdtemp(dir=uploads.folder().path))
    yield path
    shutil.rmtree(path)
