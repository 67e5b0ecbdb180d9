"""The training loop: steps, checkpoints and a log. Knows nothing about what the batches say."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm
from transformers import PreTrainedModel

from training.batches import Batch, Batches
from training.recipe import Optimizer, Recipe, between

CHECKPOINT = "checkpoint.pt"
LOG = "log.jsonl"


class Trainer:
    """A network, its optimizer and the number of the next step: all that a checkpoint holds."""

    def __init__(self, recipe: Recipe, model: PreTrainedModel, device: torch.device, compiled: bool = False) -> None:
        self.recipe = recipe
        self.device = device
        self.model = model.to(device)
        self.step = 0
        self.half = device.type == "cuda"  # arithmetic in bfloat16; the weights stay float32
        self.seconds = 0.0  # spent in training, over all restarts
        self.optimizer = adamw(model, recipe.optimizer)
        self._losses = torch.compile(self._forward) if compiled else self._forward

    def train_on(self, batch: Batch) -> dict[str, float]:
        """One step; returns the weighted loss [nat] and the mean loss of the tokens with the answers' weight."""
        ids = torch.from_numpy(batch.ids).to(self.device)
        weights = torch.from_numpy(batch.weights[:, 1:]).to(self.device)
        rate = learning_rate(self.recipe, self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        nll = self._losses(ids)  # (row token - 1)
        loss = (nll * weights).sum() / weights.sum().clamp(min=1.0)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.optimizer.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        answers = nll.detach()[weights == self.recipe.optimizer.answer_weight]
        return {"loss": loss.item(), "answer": answers.mean().item() if len(answers) else math.nan, "rate": rate}

    def _forward(self, ids: torch.Tensor) -> torch.Tensor:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            logits = self.model(input_ids=ids, use_cache=False).logits[:, :-1]
        flat = torch.nn.functional.cross_entropy(logits.flatten(0, 1).float(), ids[:, 1:].flatten(), reduction="none")
        return flat.view(len(ids), -1)

    def save(self, folder: Path) -> None:
        """Write the checkpoint so that a kill at any moment leaves either the old one or the new one."""
        state = {
            "recipe": repr(self.recipe),
            "step": self.step,
            "seconds": self.seconds,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        fresh = folder / f"{CHECKPOINT}.new"
        with fresh.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(folder / CHECKPOINT)

    def restore(self, folder: Path) -> bool:
        """Go back to the checkpoint, if there is one; ValueError if it was made by another recipe."""
        path = folder / CHECKPOINT
        if not path.exists():
            return False
        state = torch.load(path, map_location=self.device, weights_only=True)
        if state["recipe"] != repr(self.recipe):
            raise ValueError(
                f"{path} was made by another recipe than the one asked for.\n"
                f"  asked: {self.recipe!r}\n  found: {state['recipe']}\n"
                "Go on with the old recipe, or choose another --work folder."
            )
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]
        return True


def adamw(model: PreTrainedModel, settings: Optimizer) -> torch.optim.AdamW:
    """AdamW; vectors (the norms' gains) do not decay."""
    weights = list(model.parameters())
    groups = [
        {"params": [weight for weight in weights if weight.dim() >= 2], "weight_decay": settings.weight_decay},
        {"params": [weight for weight in weights if weight.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=settings.betas, fused=True)


def learning_rate(recipe: Recipe, step: int) -> float:
    """The learning rate at a step: a linear warm-up, and what the phases make of it."""
    phase, progress = recipe.phase_at(step)
    warm = min(1.0, (step + 1) / recipe.optimizer.warmup_steps)
    return recipe.optimizer.learning_rate * warm * between(phase.rates, progress)


def train(
    trainer: Trainer,
    batches: Batches,
    folder: Path,
    check: Callable[[PreTrainedModel], dict[str, float]],
    save_every: int = 100,
    log_every: int = 10,
    workers: int = 0,
) -> None:
    """Train from the trainer's step to the recipe's last, with a bar, a log and checkpoints in `folder`.

    After each checkpoint `check` measures the model, and the log says what it found. `workers` processes make batches
    ahead; with none, each is made when it is needed.
    """
    recipe = trainer.recipe
    bar = tqdm(
        total=recipe.tokens,
        initial=recipe.tokens_before(trainer.step),
        unit="tok",
        unit_scale=True,
        desc=recipe.name,
        mininterval=1.0 if sys.stderr.isatty() else 20.0,
    )
    begun, before = time.monotonic(), trainer.seconds
    _forget_after(folder / LOG, trainer.step)
    with bar, (folder / LOG).open("a", encoding="utf-8") as log:
        for batch in _upcoming(batches, trainer.step, workers):
            figures = trainer.train_on(batch)
            trainer.seconds = before + time.monotonic() - begun
            bar.set_postfix(loss=f"{figures['loss']:.3f}", answer=f"{figures['answer']:.3f}", refresh=False)
            bar.update(batch.ids.size)
            if trainer.step % log_every == 0 or trainer.step == recipe.steps:
                tokens = recipe.tokens_before(trainer.step)
                entry = {"step": trainer.step, "tokens": tokens, "seconds": round(trainer.seconds, 1), **figures}
                log.write(json.dumps(entry) + "\n")
                log.flush()
            if trainer.step % save_every == 0 or trainer.step == recipe.steps:
                trainer.save(folder)
                found = check(trainer.model)
                parts = ", ".join(f"{name} {part:.0%}" for name, part in found.items())
                bar.set_description(f"{recipe.name} ({parts})")
                log.write(json.dumps({"step": trainer.step, "check": found}) + "\n")
                log.flush()


def _forget_after(log: Path, step: int) -> None:
    """Drop what a killed run logged after its last checkpoint: those steps are done again."""
    if log.exists():
        lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
        whole = [line for line in lines if line.endswith("}\n")]
        log.write_text("".join(line for line in whole if json.loads(line)["step"] <= step), encoding="utf-8")


class _Steps(Dataset[Batch]):
    """The batches of a recipe by step."""

    def __init__(self, batches: Batches) -> None:
        self._batches = batches

    def __getitem__(self, step: int) -> Batch:
        return self._batches.at(step)


def _upcoming(batches: Batches, first: int, workers: int) -> Iterator[Batch]:
    """The batches of the steps from `first` to the last, in order."""
    steps = range(first, batches.recipe.steps)
    return iter(DataLoader(_Steps(batches), batch_size=None, sampler=steps, num_workers=workers))
