"""Checkpoints that are odd, as people have them: what was found and what would work, in one sentence of the doctor."""

import json
import re
import shutil
from pathlib import Path

import pytest

from longsight import doctor
from longsight.models.model import load
from tests.app.conftest import save_model


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A tiny model with a tokenizer and a template."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    save_model(folder)
    return folder


@pytest.fixture
def folder(whole, tmp_path):
    """A copy to break."""
    return shutil.copytree(whole, tmp_path / "tiny")


def complaint(source, capsys):
    """The doctor's one sentence."""
    assert doctor.main([str(source)]) == 1
    return [line for line in capsys.readouterr().err.splitlines() if not re.search(r"\| \d+/\d+ \[", line)][-1]


CONFIGS = {
    "a factor that is a text": (
        {"rope_scaling": {"type": "yarn", "factor": "4.0"}, "rope_parameters": None},
        "This llama config says factor='4.0' of its RoPE, which is no number; mend config.json.",
    ),
    "no base": (
        {"rope_parameters": {"rope_type": "default", "rope_theta": None}},
        "This llama config says rope_theta=None of its RoPE, which is no number; mend config.json.",
    ),
    "no layers": ({"num_hidden_layers": 0}, "This llama config says num_hidden_layers=0; it must be 1 to 10,000."),
    "a dtype that is none": (
        {"dtype": "float8"},
        "one of its files says what transformers cannot use (AttributeError: ",
    ),
    "no heads": ({"num_attention_heads": 0}, "one of its files says what transformers cannot use (ZeroDivisionError: "),
    "no key heads": ({"num_key_value_heads": 0}, "one of its files says what transformers cannot use (ZeroDivision"),
}


@pytest.mark.parametrize("what", CONFIGS)
def test_a_config_that_cannot_be_is_one_sentence(what, folder, capsys):
    said, sentence = CONFIGS[what]
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **said}))
    assert sentence in complaint(folder, capsys)


@pytest.mark.parametrize("file", ["tokenizer_config.json", "tokenizer.json"])
def test_a_tokenizer_that_is_a_list_is_one_sentence(file, folder, capsys):
    (folder / file).write_text("[]")
    said = complaint(folder, capsys)
    assert said.startswith(
        f"The tokenizer of {folder} cannot be loaded: one of its files says what transformers cannot"
    )


def test_a_pointer_of_git_lfs_is_called_that(folder, capsys):
    (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 2690\n")
    assert complaint(folder, capsys) == (
        f"{folder} cannot be loaded: its model.safetensors is a pointer of Git LFS and not the file; fetch it with "
        "`git lfs pull`."
    )


@pytest.mark.parametrize("file", ["model.safetensors", "config.json"])
def test_a_file_is_sent_to_its_folder(file, folder, capsys):
    said = complaint(folder / file, capsys)
    assert said == f"{folder / file} cannot be loaded: it is a file; give the folder that it lies in, {folder}."


def test_an_adapter_is_sent_to_its_model(folder, capsys):
    (folder / "config.json").rename(folder / "adapter_config.json")
    assert "it holds an adapter (adapter_config.json) and no model; load both with PEFT, merge" in complaint(
        folder, capsys
    )


ADDRESSES = {
    "https://huggingface.co/Qwen/Qwen2.5-0.5B/tree/main": "give its id on the Hub, 'Qwen/Qwen2.5-0.5B'.",
    "https://huggingface.co": "give an id on the Hub or a folder.",
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_is_told_its_id(address, capsys):
    assert complaint(address, capsys) == f"{address} cannot be loaded: it is an address; {ADDRESSES[address]}"


def test_a_tilde_is_the_home_folder(folder, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(folder.parent))
    assert load("~/tiny").name == load(Path("~/tiny")).name == "tiny"
    assert complaint("~/other", capsys) == f"{folder.parent / 'other'} cannot be loaded: there is no such folder."


TEMPLATES = {
    "{{ raise_exception('Only assistants here.') }}": "Only assistants here.",
    "{% for x in %}": "Expected an expression, got 'end of statement block'.",
    "{{ messages[7]['content'] + 1 }}": "list object has no element 7.",
}


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_that_raises_is_one_line_of_the_report(template, folder, capsys):
    (folder / "chat_template.jinja").write_text(template)
    assert doctor.main([str(folder)]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("  chat   "))
    assert "no: The chat template of this model cannot be used: " in line
    assert TEMPLATES[template] in line


def test_a_template_that_works_is_said(folder, capsys):
    assert doctor.main([str(folder)]) == 0
    assert "  chat                by its template\n" in capsys.readouterr().out
