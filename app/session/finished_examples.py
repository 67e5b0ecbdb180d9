"""Finished examples: what each panel opens with until its visitor runs something.

They were recorded with one model, by `python -m app.record`, and are shown for that model alone: a model without a
recording has an empty panel, never the example of another.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

from analysis.evaluation.endless.odometer_record import OdometerRecord
from analysis.evaluation.passkey_grid import TrialGrid
from analysis.export.files import from_json
from app.assets import SAMPLES

FINISHED = SAMPLES / "finished"
"""A folder for each model that has any, called as the model is."""
CHAT, DIAGNOSTICS, PASSKEY, ODOMETER = "chat.json", "diagnostics.json", "passkey.json", "odometer.json"


def place(model_name: str, file: str) -> Path:
    """Where the example of a model lies, or is to lie."""
    return FINISHED / model_name / file


def view(model_name: str, file: str) -> Any:
    """What `file` of a model's examples shows; None for a model without."""
    return None if (path := _recorded(model_name, file)) is None else json.loads(path.read_text(encoding="utf-8"))


@cache
def grid(model_name: str) -> TrialGrid | None:
    """A finished grid of pass keys; None for a model without."""
    path = _recorded(model_name, PASSKEY)
    return None if path is None else from_json(TrialGrid, path.read_text(encoding="utf-8"))


@cache
def odometer(model_name: str) -> OdometerRecord | None:
    """What the command `odometer` recorded; None for a model without."""
    path = _recorded(model_name, ODOMETER)
    return None if path is None else from_json(OdometerRecord, path.read_text(encoding="utf-8"))


def _recorded(model_name: str, file: str) -> Path | None:
    """The name comes from a page, so it is looked for among those that are there."""
    known = {path.parent.name: path for path in FINISHED.glob(f"*/{file}")}
    return known.get(model_name)
