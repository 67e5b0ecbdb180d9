"""The model card, and the tables of an evaluation. Writes what was measured and computes nothing."""

from __future__ import annotations

import hashlib
import json
import math
import sys
from pathlib import Path
from typing import Any

TRAINING = "training.json"
EVALUATION = "evaluation.json"
WEIGHTS = "model.safetensors"
LIMITS = "limits.md"

BEGINNINGS = {
    True: "Its initial weights were not all random: they held two attention heads that copy (`training/circuit.py`).",
    False: "Its initial weights were random.",
}
BEGUN = "It began with the weights of `{}`, a model that was trained before (`training/LOG.md`)."
CARD = """\
---
library_name: transformers
pipeline_tag: text-generation
language: en
license: apache-2.0
---

# {name}

A language model of {parameters:.1f} million parameters ({architecture} architecture), trained on
sequences of {train_length} tokens. It exists to be looked into: it reads and writes simple English, finds a key that
is hidden in a text, and shows what becomes of that past {train_length} tokens, by method, in seconds on a CPU.

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("{folder}")
model = AutoModelForCausalLM.from_pretrained("{folder}")
text = "The grass is green. The pass key is 86409. Remember it. The sky is blue.\\n\\nWhat is the pass key?"
messages = [{{"role": "user", "content": text}}]
ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt")
print(tokenizer.decode(model.generate(**ids)[0]))
```

## How it was trained

`python -m training.run --recipe {recipe} --corpus DIR --out {folder}`: {tokens:.1f} million tokens, {steps:,} steps,
{minutes:.0f} minutes on {machine}. The loss counts what an answer adds to its question {answer_weight:g} times.
{beginning}

{phases}

Repeated tokens and conversations are parts of the rows, the learning rate is a part of {learning_rate:g}, and what an
answer restates of its question has that weight in the loss.

Texts: {corpus}. Besides plain text it was trained on repeated random tokens
(copying is learned from them) and on conversations about a text: one user turn holds the text, a blank line and the
question. Tokens: byte-level BPE, {vocab:,} of them, every digit its own.

## What was measured

`python -m training.evaluate {folder} --corpus DIR`, on texts that it was not trained on, greedy decoding, fixed seeds.
Keys and questions are worded as in training; texts, names and numbers are new. The numbers of cases stand beside the
figures.

{tables}

## What it can and cannot do

{limits}

It knows nothing about the world, cannot reason, count or follow other instructions, and repeats the language and the
prejudices of books that are mostly a century old. Its prose sounds right and means little, and soon repeats itself when
it always takes the likeliest token.
"""


def read(folder: Path) -> dict[str, Any]:
    """The figures that were written before, so that a part of them can be measured anew; none of other weights."""
    path, weights = folder / EVALUATION, digest(folder)
    figures = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if figures.get("weights") != weights and figures:
        print(f"{path} is of other weights, so that everything is measured anew.", file=sys.stderr)
        figures = {}
    return figures | {"weights": weights}


def digest(folder: Path) -> str:
    """What tells these weights from all others."""
    return hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()[:16]


def write(folder: Path, figures: dict[str, Any]) -> None:
    """Write the figures as JSON and the card as README.md into a model's folder.

    What the card says of the model's limits is the author's: `limits.md` in the folder, if there is one.
    """
    about = json.loads((folder / TRAINING).read_text(encoding="utf-8"))
    (folder / EVALUATION).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    phases = table(
        ["sequence length", "tokens", "repeated tokens", "conversation", "learning rate", "restating weighs"],
        map(_phase, about["phases"]),
    )
    limits = folder / LIMITS
    text = CARD.format(
        **{key: value for key, value in about.items() if key not in ("phases", "seconds", "tokens")},
        beginning=BEGUN.format(about["begin"]) if about.get("begin") else BEGINNINGS[about["induction"]],
        folder="/".join(folder.parts[-3:]),
        tokens=about["tokens"] / 1e6,
        minutes=about["seconds"] / 60,
        phases=phases,
        tables=tables(figures),
        limits=limits.read_text(encoding="utf-8").strip() if limits.exists() else "Nobody has looked yet.",
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def tables(figures: dict[str, Any]) -> str:
    """The figures of an evaluation as Markdown; parts that were not measured are left out."""
    parts = {"retrieval": _inside, "prose": _prose, "past": _past, "chosen": _chosen, "samples": _samples}
    return "\n\n".join(make(figures[name]) for name, make in parts.items() if figures.get(name))


def _inside(found: dict[str, Any]) -> str:
    each, cases = found["each"], found["cases"]
    return "\n\n".join(
        [
            "### Inside the trained length",
            f"Pass keys found at random depths, of {each} at each length (half in held-out text, half in the papers' "
            "filler), and other questions answered right:",
            table(
                ["question", "right", "of", "share"],
                [
                    *(
                        [f"pass key in {int(tokens):,} tokens", *_share(n, each)]
                        for tokens, n in found["pass_key"].items()
                    ),
                    *([name, *_share(n, cases)] for name, n in found["others"].items()),
                ],
            ),
        ]
    )


def _share(right: int, cases: int) -> list[str]:
    return [str(right), str(cases), f"{right / cases:.0%}"]


def _prose(prose: dict[str, Any]) -> str:
    rows = [
        [name, *(f"{part[key]:.2f}" for key in ("bits_per_byte", "five_gram", "gzip"))] for name, part in prose.items()
    ]
    passages = next(iter(prose.values()))["passages"]
    return (
        f"Bits per byte of {passages} held-out passages inside the trained length; beside it a 5-gram model of bytes "
        "learned from the training texts, and `gzip -9`:\n\n" + table(["texts", "model", "5-gram", "gzip -9"], rows)
    )


def _past(rows: list[dict[str, Any]]) -> str:
    head = ["tokens", "method", "nll", "pass keys", "of", *(f"{depth:.0%}" for depth in (0, 0.25, 0.5, 0.75, 1))]
    body = []
    for row in rows:
        asked = row["each"] * len(row["found"])
        body.append(
            [
                f"{row['tokens']:,}",
                f"{row['variant']} ({row['method']})",
                "-" if math.isnan(row["nll"]) else f"{row['nll']:.2f}",
                f"{sum(row['found']) / asked:.0%}",
                str(asked),
                *map(str, row["found"]),
            ]
        )
    return (
        "### Past the trained length\n\nMean nll (nat per token) of the last tokens, as many as it was trained on, and "
        "pass keys found: the share, of how many, and how many at each depth, a fifth of the keys being hidden at "
        f"each.{_texts(rows)}\n\n" + table(head, body)
    )


def _texts(rows: list[dict[str, Any]]) -> str:
    """Over how many texts the keys are spread, where that was noted."""
    counts = {str(row["texts"]) for row in rows if "texts" in row}
    return f" The keys of a line are spread over {' or '.join(sorted(counts))} texts." if counts else ""


def _chosen(chosen: dict[str, Any]) -> str:
    record = chosen["chosen"]
    lengths = " and ".join(f"{length:,}" for length in record["lengths"])
    rows = [
        [key, ", ".join(f"{name} {value}" for name, value in choice["parameters"].items()) or "rule of thumb",
         " + ".join(map(str, choice["found"]))]
        for key in ("lm-infinite", "self-extend")
        for choice in record[key]
    ]  # fmt: skip
    return (
        f"Parameters were chosen by pass keys found, of {record['each']} at {lengths} tokens, with keys and places "
        "that are not among those measured above:\n\n" + table(["method", "parameters", "found"], rows)
    )


def _samples(samples: list[dict[str, str]]) -> str:
    rows = [
        [sample["about"], sample["method"], *map(_cell, (sample["question"], sample["wanted"], sample["answer"]))]
        for sample in samples
    ]
    head = ["before the question", "method", "question", "right", "the model's answer"]
    return "### Samples\n\nUngarnished, greedy, each as it came:\n\n" + table(head, rows)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def table(head: list[str], rows: Any) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _phase(phase: dict[str, Any]) -> list[str]:
    def part(ends: list[float]) -> str:
        return f"{ends[0]:.0%}" if ends[0] == ends[1] else f"{ends[0]:.0%} to {ends[1]:.0%}"

    parts = (part(phase[name]) for name in ("runs", "tasks", "rates"))
    return [str(phase["length"]), f"{phase['tokens'] / 1e6:.1f} M", *parts, f"{phase['restated']:g}"]
