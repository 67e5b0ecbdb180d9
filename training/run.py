"""Train a model by a recipe: `python -m training.run --recipe small --corpus DIR --out assets/models/rope-small`.

Kill it whenever you like: the same command goes on from the last checkpoint.
"""

from __future__ import annotations

if __name__ == "__main__":  # before torch is imported
    from longsight.processor import wait_asleep

    wait_asleep()

import argparse
import dataclasses
import json
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerFast

from training import card, loop, wording
from training.batches import Batches
from training.check import Check
from training.corpus import Corpus, read_corpus
from training.model import build, export
from training.recipe import Recipe, load_recipe
from training.tokenizer import train_tokenizer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", required=True, help="a file name in training/recipes, or a path to a .toml file")
    parser.add_argument("--corpus", required=True, help="a folder of .txt and .rst files, or hub:OWNER/DATASET")
    parser.add_argument("--out", type=Path, required=True, help="where the model goes")
    parser.add_argument(
        "--work", type=Path, help="where checkpoints and the log go (default: runs/ and the name of --out)"
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--tokenizer", type=Path, help="a model folder whose tokenizer is shared (default: a new one)")
    parser.add_argument("--threads", type=int, help="CPU threads (default: torch's choice)")
    parser.add_argument("--compile", action="store_true", help="use torch.compile")
    parser.add_argument("--save-every", type=int, default=100, help="steps between checkpoints")
    parser.add_argument(
        "--workers",
        type=int,
        default=8 if torch.cuda.is_available() else 0,
        help="processes that make batches ahead (a CPU that trains has none to spare)",
    )
    parser.add_argument("--export-only", action="store_true", help="write the model of the last checkpoint and stop")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    run(options, load_recipe(options.recipe), options.work or Path("runs") / options.out.name)


def run(options: argparse.Namespace, recipe: Recipe, work: Path) -> None:
    train_texts, held_out = read_corpus(options.corpus)
    tokenizer = _tokenizer(recipe, train_texts, work, options.tokenizer)
    trainer = loop.Trainer(recipe, build(recipe, tokenizer), torch.device(options.device), options.compile)
    resumed = trainer.restore(work)
    print(f"{recipe.name}: step {trainer.step} of {recipe.steps}{' (resumed)' if resumed else ''}", flush=True)
    if not options.export_only:
        batches = Batches(recipe, train_texts, tokenizer)
        loop.train(trainer, batches, work, Check(batches, held_out), options.save_every, workers=options.workers)
    export(trainer.model, tokenizer, options.out)
    about = describe(trainer, options, train_texts)
    (options.out / card.TRAINING).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {options.out}", flush=True)


def describe(trainer: loop.Trainer, options: argparse.Namespace, texts: Corpus) -> dict[str, Any]:
    """What the model card says about the training."""
    recipe = trainer.recipe
    families = Counter(document.family for document in texts.documents)
    threads = torch.get_num_threads()
    on_cpu = "one CPU thread" if threads == 1 else f"{threads} CPU threads"
    return {
        "name": options.out.name,
        "recipe": recipe.name,
        "architecture": recipe.model["model_type"],
        "train_length": recipe.train_length,
        "induction": recipe.induction,
        "begin": recipe.begin,
        "parameters": trainer.model.num_parameters() / 1e6,
        "vocab": trainer.model.config.vocab_size,
        "steps": trainer.step,
        "tokens": recipe.tokens_before(trainer.step),
        "seconds": trainer.seconds,
        "machine": torch.cuda.get_device_name() if trainer.device.type == "cuda" else on_cpu,
        "answer_weight": recipe.optimizer.answer_weight,
        "learning_rate": recipe.optimizer.learning_rate,
        "corpus": ", ".join(f"{count} {family}" for family, count in families.items())
        + f" ({texts.characters / 1e6:.0f} million characters)",
        "phases": [dataclasses.asdict(phase) for phase in recipe.phases],
    }


def _tokenizer(recipe: Recipe, train_texts: Corpus, work: Path, shared: Path | None) -> PreTrainedTokenizerFast:
    """The tokenizer of this run: learned or taken over at its first start, read at the next ones."""
    folder = work / "tokenizer"
    if not folder.exists():
        settings = recipe.tokenizer
        if shared:
            tokenizer = PreTrainedTokenizerFast.from_pretrained(shared)
        else:
            tokenizer = train_tokenizer(train_texts, settings.vocab_size, settings.sample_bytes, wording.everything())
        work.mkdir(parents=True, exist_ok=True)
        (work / ".gitignore").write_text("*\n", encoding="utf-8")  # checkpoints are not for the repository
        fresh = work / "tokenizer.new"
        tokenizer.save_pretrained(fresh)
        fresh.rename(folder)
    return PreTrainedTokenizerFast.from_pretrained(folder)


if __name__ == "__main__":
    main()
