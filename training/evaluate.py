"""Measure a trained model: `python -m training.evaluate assets/models/rope-small --corpus DIR [--card]`.

Inside the trained length: hidden facts asked for and answered by greedy decoding, and bits per byte. Past it: nll and
pass keys by depth, method by method, run by the engine. On held-out texts, with fixed seeds.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

import torch

from engine.methods import METHODS
from engine.models import load
from training import card, choose, inside, past
from training.corpus import read_corpus
from training.samples import samples

STAGES = ("inside", "choose", "past", "samples")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument(
        "--corpus", required=True, help="what it was trained on (see training.run); the validation part is used"
    )
    parser.add_argument("--cases", type=int, default=200, help="questions of each kind, and pass keys per cell")
    parser.add_argument("--passages", type=int, default=8, help="texts that nll is measured on, per length and method")
    parser.add_argument(
        "--lengths", type=_numbers, default=past.LENGTHS, help="tokens past the trained length: 1024,2048"
    )
    parser.add_argument("--methods", type=_words, default=tuple(METHODS), help="keys of methods: vanilla,lm-infinite")
    parser.add_argument("--only", type=_words, default=STAGES, help=f"a part of it: {','.join(STAGES)}")
    parser.add_argument("--threads", type=int, help="CPU threads (default: torch's choice)")
    parser.add_argument(
        "--card", action="store_true", help="write the figures and the model card into the model's folder"
    )
    options = parser.parse_args()
    if unknown := sorted(set(options.only) - set(STAGES)):
        parser.error(f"--only knows {', '.join(STAGES)}, found {', '.join(unknown)}")
    if options.threads:
        torch.set_num_threads(options.threads)
    figures = card.read(options.model) if options.card else {}
    figures |= measure(options)
    print(card.tables(figures))
    if options.card:
        card.write(options.model, figures)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """The figures of the parts that were asked for. What is chosen is at once written beside the weights."""
    model = load(options.model)
    train, validation = read_corpus(options.corpus)
    figures: dict[str, Any] = {}
    if "inside" in options.only:
        figures["retrieval"] = inside.retrieval(model, validation, options.cases)
        figures["prose"] = inside.prose(model, train, validation, 10 * options.passages)
    if "choose" in options.only:
        lengths = [
            length for length in (2 * model.train_length, 4 * model.train_length) if length <= max(options.lengths)
        ]
        chosen = choose.choose(model, validation, lengths, max(5, options.cases // 10))
        choose.write(options.model, chosen)
        figures["chosen"] = chosen
        model = dataclasses.replace(model, recommended=chosen["recommended"])
    if "past" in options.only:
        figures["past"] = past.measure(
            model, validation, options.methods, options.lengths, options.cases, options.passages
        )
    if "samples" in options.only:
        figures["samples"] = [dataclasses.asdict(sample) for sample in samples(model, validation)]
    return figures


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _words(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))


if __name__ == "__main__":
    main()
