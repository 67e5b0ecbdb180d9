"""Measure a trained model: `python -m training.evaluate assets/models/rope-small --corpus DIR [--card]`.

Inside the trained length: hidden facts asked for and answered by greedy decoding, and bits per byte. Past it: nll and
pass keys by depth, method by method, run by the library. On held-out texts, with fixed seeds.

With --card every part is written into the model's folder as soon as it is measured, and what stands there already,
of the same weights and as many cases, is not measured again: a command that was stopped goes on, and methods or lengths
can be added with another number of --cases. To begin anew, delete evaluation.json there.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from longsight.methods import METHODS
from longsight.models.model import load
from training import card, choose, inside, past
from training.corpus import read_corpus
from training.samples import samples

STAGES = ("inside", "choose", "past", "samples")
Figures = dict[str, Any]


def main() -> None:
    options = _options()
    if options.threads:
        torch.set_num_threads(options.threads)
    figures = card.read(options.model) if options.card else {}
    for part in measure(options, figures):
        figures |= part
        if options.card:
            card.write(options.model, figures)
    print(card.tables(figures))


def measure(options: argparse.Namespace, known: Figures) -> Iterator[Figures]:
    """The figures of the parts that were asked for, each as soon as it is measured, but for what is `known`.

    What is chosen is at once written beside the weights.
    """
    model = load(options.model)
    train, validation = read_corpus(options.corpus)
    if "inside" in options.only:
        if known.get("retrieval", {}).get("cases") != options.cases:
            yield {"retrieval": inside.retrieval(model, validation, options.cases)}
        passages = 10 * options.passages
        if {part["passages"] for part in known.get("prose", {}).values()} != {passages}:
            yield {"prose": inside.prose(model, train, validation, passages)}
    if "choose" in options.only:
        lengths = [n for n in (2 * model.train_length, 4 * model.train_length) if n <= max(options.lengths)]
        wanted = {"lengths": lengths, "each": len(past.DEPTHS) * max(1, options.cases // 50)}
        chosen = known.get("chosen")
        if chosen is None or any(chosen["chosen"][name] != value for name, value in wanted.items()):
            chosen = choose.choose(model, validation, wanted["lengths"], wanted["each"])
            choose.write(options.model, chosen)
            yield {"chosen": chosen}
        model = dataclasses.replace(model, recommended=chosen["recommended"])
    if "past" in options.only:
        rows = known.get("past", [])
        asked = options.methods, options.lengths, options.cases, options.passages
        for row in past.measure(model, validation, *asked, known=rows):
            rows = past.merge(rows, row)
            yield {"past": rows}
    if "samples" in options.only:
        yield {"samples": [dataclasses.asdict(sample) for sample in samples(model, validation)]}


def _options() -> argparse.Namespace:
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
    return options


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _words(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))


if __name__ == "__main__":
    main()
