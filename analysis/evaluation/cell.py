"""A cell: one model, one method, one task, one length; what is run at once and has one row of results."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from longsight.models.registry import packaged

from .tasks import Task

WEIGHTS_READ = 2**20
"""Bytes of a large file that its digest is made of; size and name count as well."""
IDENTIFYING = ("*.safetensors", "*.gguf", "config.json", "longsight.json", "tokenizer*.json", "chat_template.jinja")


@dataclass(frozen=True)
class EvaluationCell:
    """What is run: `model` a folder, a GGUF file or a Hub id, `digest` of its files, `method` as text
    (`analysis.runs`), `length` [tokens], `trials` how many cases, `seed` what they are drawn from."""

    model: str
    digest: str
    task: Task
    method: str
    length: int
    trials: int
    seed: int

    @property
    def key(self) -> str:
        """What tells this cell from every other; the place of the model's folder does not count."""
        model = Path(self.model).name if self.digest else self.model
        named = vars(self) | {"model": model, "task": self.task.describe()}
        return hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()[:16]


def digest(source: str) -> str:
    """A digest of a model's folder or file, so that other weights are other cells; "" for what is not on this disk."""
    brought = packaged(source)
    place = Path(source) if brought is None else brought.file
    if place is None or not place.exists():
        return ""
    made = hashlib.sha256()
    found = [place] if place.is_file() else {path for pattern in IDENTIFYING for path in place.glob(pattern)}
    for path in sorted(found):
        with path.open("rb") as file:
            made.update(f"{path.name} {path.stat().st_size} ".encode() + file.read(WEIGHTS_READ))
    return made.hexdigest()[:16]
