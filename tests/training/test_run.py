"""A run that is killed and started again ends with the very weights of one that was not, and what it writes loads."""

from __future__ import annotations

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
from training.loop import CHECKPOINT, LOG

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
    steps = [json.loads(line)["step"] for line in (tmp_path / "broken-work" / LOG).read_text().splitlines()]
    assert steps == list(range(10, recipe.steps + 1, 10))  # what was done twice is logged once


def test_the_loss_falls(trained):
    losses = [json.loads(line)["loss"] for line in (trained / "whole-work" / LOG).read_text().splitlines()]
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
