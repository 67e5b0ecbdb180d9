"""The model card, and the tables of an evaluation. Writes what was measured and computes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

TRAINING = "training.json"
EVALUATION = "evaluation.json"

BEGINNINGS = {
    True: "Its initial weights were not all random: they held two attention heads that copy (`training/circuit.py`).",
    False: "Its initial weights were random.",
}
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
is hidden in a text, and falls apart past {train_length} tokens as large models do past theirs, in seconds on a CPU.

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
{minutes:.0f} minutes on {machine}. The loss counts the tokens of an answer {answer_weight:g} times.
{beginning}

{phases}

Texts: {corpus}. Besides plain text it was trained on repeated random tokens
(copying is learned from them) and on conversations about a text: one user turn holds the text, a blank line and the
question. Tokens: byte-level BPE, {vocab:,} of them, every digit its own.

## What was measured

`python -m training.evaluate {folder} --corpus DIR`, on texts that it was not trained on, greedy decoding.
Keys and questions are worded as in training; texts, names and numbers are new.

{tables}

## What it can and cannot do

It answers "What is the pass key?" in a fixed phrase when the text states it in so many words. With several named
keys in the text, or at a second question, it often gives another one's value. To what it does not understand, a
greeting even, it says "I don't know. The text does not say." It continues prose with sentences that sound right and
mean little, and soon repeats itself when it always takes the likeliest token. It knows nothing about the world,
cannot reason, count or follow instructions, and repeats the language and the prejudices of books that are mostly a
century old. Past {train_length} tokens it produces nonsense unless something is done about it.
"""


def write(folder: Path, figures: dict[str, Any]) -> None:
    """Write the figures as JSON and the card as README.md into a model's folder."""
    about = json.loads((folder / TRAINING).read_text(encoding="utf-8"))
    (folder / EVALUATION).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    phases = table(
        ["sequence length", "tokens", "rows of repeated tokens", "rows of conversation"], map(_phase, about["phases"])
    )
    text = CARD.format(
        **{key: value for key, value in about.items() if key not in ("phases", "seconds", "tokens")},
        beginning=BEGINNINGS[about["induction"]],
        folder="/".join(folder.parts[-3:]),
        tokens=about["tokens"] / 1e6,
        minutes=about["seconds"] / 60,
        phases=phases,
        tables=tables(figures),
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def tables(figures: dict[str, Any]) -> str:
    """The figures of an evaluation as Markdown."""
    found, prose = figures["retrieval"], figures["prose"]
    trials = found["trials"]
    lengths = sorted({int(cell.split("/")[0]) for cell in found["pass_key"]})
    depths = sorted({float(cell.split("/")[1]) for cell in found["pass_key"]})
    grid = [
        [f"{length:,}", *(" + ".join(map(str, found["pass_key"][f"{length}/{depth}"])) for depth in depths)]
        for length in lengths
    ]
    bands = list(next(iter(prose.values()))["nll"])
    return "\n\n".join(
        [
            f"Pass keys found, of {trials} hidden in held-out text + {trials} in the papers' filler, by depth:",
            table(["tokens", *(f"{depth:.0%}" for depth in depths)], grid),
            f"Other questions at the trained length, answered right of {5 * trials}:",
            table(["question", "right"], [[name, str(right)] for name, right in found["others"].items()]),
            "Held-out text inside the trained length:",
            table(
                ["texts", "bits per byte", "gzip -9"],
                [
                    [name, f"{part['bits_per_byte']:.2f}", f"{part['gzip_bits_per_byte']:.2f}"]
                    for name, part in prose.items()
                ],
            ),
            "Mean nll (nat per token) by position in the sequence:",
            table(
                ["position", *prose],
                [[band, *(f"{part['nll'][band]:.2f}" for part in prose.values())] for band in bands],
            ),
        ]
    )


def table(head: list[str], rows: Any) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _phase(phase: dict[str, Any]) -> list[str]:
    def part(ends: list[float]) -> str:
        return f"{ends[0]:.0%}" if ends[0] == ends[1] else f"{ends[0]:.0%} to {ends[1]:.0%}"

    return [str(phase["length"]), f"{phase['tokens'] / 1e6:.1f} M", part(phase["runs"]), part(phase["tasks"])]
