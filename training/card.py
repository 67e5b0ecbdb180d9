"""The model card: how the model was trained, and a report on it. Computes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from analysis.evaluation.report_parts import ReportTable, markdown_table

TRAINING = "training.json"
LIMITS = "limits.md"
HEADING = "###"

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
Questions are worded as in training; texts, names and numbers are new. The numbers of cases stand beside the
figures.

{measured}

## What it can and cannot do

{limits}

It knows nothing about the world, cannot reason, count or follow other instructions, and repeats the language and the
prejudices of books that are mostly a century old. Its prose sounds right and means little, and soon repeats itself when
it always takes the likeliest token.
"""


def write(folder: Path, measured: str) -> None:
    """Write the card as README.md into a model's folder, with what was `measured` of the model, in Markdown.

    What the card says of the model's limits is the author's: `limits.md` in the folder, if there is one.
    """
    about = json.loads((folder / TRAINING).read_text(encoding="utf-8"))
    phases = ReportTable(
        "",
        ("sequence length", "tokens", "repeated tokens", "conversation", "learning rate", "restating weighs"),
        tuple(map(_phase, about["phases"])),
    )
    limits = folder / LIMITS
    text = CARD.format(
        **{key: value for key, value in about.items() if key not in ("phases", "seconds", "tokens")},
        beginning=BEGUN.format(about["begin"]) if about.get("begin") else BEGINNINGS[about["induction"]],
        folder="/".join(folder.parts[-3:]),
        tokens=about["tokens"] / 1e6,
        minutes=about["seconds"] / 60,
        phases=markdown_table(phases),
        measured=measured,
        limits=limits.read_text(encoding="utf-8").strip() if limits.exists() else "Nobody has looked yet.",
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def _phase(phase: dict[str, Any]) -> tuple[str, ...]:
    def part(ends: list[float]) -> str:
        return f"{ends[0]:.0%}" if ends[0] == ends[1] else f"{ends[0]:.0%} to {ends[1]:.0%}"

    parts = (part(phase[name]) for name in ("runs", "tasks", "rates"))
    return (str(phase["length"]), f"{phase['tokens'] / 1e6:.1f} M", *parts, f"{phase['restated']:g}")
