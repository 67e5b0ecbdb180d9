"""A run that is killed and started again ends with the very weights of one that was not, and what it writes loads."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from training import run
from training.batches import Batches
from training.check import KINDS
from training.loop import CHECKPOINT, LOG, Trainer
from training.model import build
from training.recipe import Phase, load_recipe

ROOT = Path(run.__file__).resolve().parents[1]


def kill_half_way(options: list[str], log: Path) -> None:
    process = subprocess.Popen([sys.executable, "-m", "training.run", *options], cwd=ROOT, stderr=subprocess.DEVNULL)
    limit = time.monotonic() + 120
    while time.monotonic() < limit and process.poll() is None:
        if log.exists() and '"step": 100,' in log.read_text():
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.005)
    assert process.wait() == -signal.SIGKILL, "the run ended before it could be killed"


def test_killed_and_resumed_equals_undisturbed(trained, tmp_path, arguments, recipe, train, capsys):
    options = arguments(tmp_path, "broken")
    kill_half_way(options, tmp_path / "broken-work" / LOG)
    step = torch.load(tmp_path / "broken-work" / CHECKPOINT, weights_only=True)["step"]
    assert 0 < step < recipe.steps
    train(options)
    assert f"micro: step {step} of {recipe.steps} (resumed)" in capsys.readouterr().out
    whole, broken = (load_file(path / "model.safetensors") for path in (trained / "whole", tmp_path / "broken"))
    assert whole.keys() == broken.keys()
    assert all(torch.equal(whole[name], broken[name]) for name in whole)
    states = [
        torch.load(p / CHECKPOINT, weights_only=True)["model"]
        for p in (trained / "whole-work", tmp_path / "broken-work")
    ]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    log = [json.loads(line) for line in (tmp_path / "broken-work" / LOG).read_text().splitlines()]
    steps = [entry["step"] for entry in log if "loss" in entry]
    assert steps == list(range(10, recipe.steps + 1, 10))  # what was done twice is logged once


def logged(trained: Path) -> list[dict]:
    return [json.loads(line) for line in (trained / "whole-work" / LOG).read_text().splitlines()]


def test_each_checkpoint_is_checked(trained, recipe):
    checks = {entry["step"]: entry["check"] for entry in logged(trained) if "check" in entry}
    assert list(checks) == [*range(7, recipe.steps, 7), recipe.steps]
    assert all(set(check) == set(KINDS) and max(check.values()) <= 1 for check in checks.values())


def test_the_loss_falls(trained):
    losses = [entry["loss"] for entry in logged(trained) if "loss" in entry]
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])


def test_the_model_loads_and_writes(trained):
    folder = trained / "whole"
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert model.dtype == torch.bfloat16
    assert model.config.max_position_embeddings == 128
    assert model.config.tie_word_embeddings
    assert {weight.dtype for weight in load_file(folder / "model.safetensors").values()} == {torch.bfloat16}
    ids = tokenizer.apply_chat_template(
        [{"role": "user", "content": "What is the pass key?"}], add_generation_prompt=True, return_tensors="pt"
    )
    out = model.generate(**ids, max_new_tokens=5)
    assert ids.input_ids.shape[1] < out.shape[1] <= ids.input_ids.shape[1] + 5
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id


def test_another_recipe_does_not_resume(trained, tmp_path, recipe_file, arguments, train):
    changed = tmp_path / "changed.toml"
    changed.write_text(recipe_file.read_text().replace("seed = 3", "seed = 4"))
    options = arguments(trained, "whole", changed)
    with pytest.raises(ValueError, match="was made by another recipe than the one asked for"):
        train(options)


@pytest.mark.parametrize("name", ["small", "small-cpu", "alibi"])
@pytest.mark.parametrize("half", [False, True])
def test_shipped_recipes_take_their_first_steps(name, half, corpus, tokenizer):
    """In float32 as on a CPU, and in bfloat16 as on a GPU."""
    recipe = load_recipe(name)
    phases = (Phase(128, 768, 256, (0.5, 0.5), (0.5, 0.5)), Phase(512, 512, 512, (0.0, 0.0), (1.0, 1.0)))
    optimizer = dataclasses.replace(recipe.optimizer, warmup_steps=1)
    recipe = dataclasses.replace(recipe, phases=phases, optimizer=optimizer)
    trainer = Trainer(recipe, build(recipe, tokenizer), torch.device("cpu"))
    trainer.half = half
    batches = Batches(recipe, corpus, tokenizer)
    before = trainer.train_on(batches.at(0))["loss"]
    trainer.step = 0
    assert trainer.train_on(batches.at(0))["loss"] < before  # the same batch once more is known better
    trainer.step = 3
    assert 0 < trainer.train_on(batches.at(3))["loss"] < 10


def test_shipped_recipes_fit_into_10_megabytes(tokenizer):
    for name in ("small", "small-cpu", "alibi"):
        recipe = load_recipe(name)
        own = build(recipe, tokenizer).num_parameters()
        width = recipe.model.get("hidden_size") or recipe.model["d_model"]
        assert 2 * (own + (recipe.tokenizer.vocab_size - len(tokenizer)) * width) < 9.9e6


def test_weights_may_begin_with_those_of_a_model(trained, recipe, tokenizer):
    begun = build(dataclasses.replace(recipe, begin=str(trained / "whole")), tokenizer).state_dict()
    shipped = load_file(trained / "whole" / "model.safetensors")
    assert all(torch.equal(begun[name], weight.float()) for name, weight in shipped.items())


def test_a_tokenizer_can_be_shared(trained, arguments, train, tmp_path):
    options = [*arguments(tmp_path, "other"), "--tokenizer", str(trained / "whole"), "--workers", "1"]
    train(options)
    mine, shared = (AutoTokenizer.from_pretrained(folder) for folder in (tmp_path / "other", trained / "whole"))
    assert mine.get_vocab() == shared.get_vocab()
    assert mine.chat_template == shared.chat_template
    ours, theirs = (load_file(path / "model.safetensors") for path in (tmp_path / "other", trained / "whole"))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)  # batches made ahead are the same batches
