"""A visit to the page where a GPU is lent (see the stand-in `spaces.py` beside this): what came of it, as JSON.

python visit.py FOLDER_OF_MODELS
"""

import spaces  # isort: skip  # before torch, as in app.py

import json
import os
import sys
from pathlib import Path

import torch

from analysis.diagnostics.options import PanelOptions
from analysis.diagnostics.panels import PANELS
from analysis.evaluation.results import read_rows
from analysis.evaluation.tasks.texts import PAPER
from analysis.runs import make_runs
from app.session import (
    device_sharing,
    devices,
    document_loading,
    evaluation_runs,
    evaluations,
    grid_runs,
    long_readings,
    measurements,
    model_catalogue,
    passkey_grids,
    questions,
    running,
    trials,
    zero_gpu,
)
from app.session.documents import Document
from app.session.evaluations import EvaluationSettings
from app.session.measurement_request import MeasurementRequest
from app.session.passkey_grids import GridSettings
from app.session.sessions import Session
from longsight.errors import LongSightError
from longsight.progress import finish

TEXT = "The grass is green. The sky is blue. The sun is yellow. " * 60


def visitor(model):
    session = Session()
    session.take(Document("grass.txt", TEXT, len(TEXT)))
    finish(document_loading.tokens_steps(session, model))
    return session


def asked(session, model, question, longest=6, methods=("lm-infinite", "window"), stop=lambda session: False):
    chosen = questions.check_question(question, [model.method(key, 900) for key in methods], longest, 0, 0)
    for _ in questions.ask_steps(session, model, chosen):
        if stop(session):
            running.stop(session)
    return [
        {"state": cell.state, "text": cell.text, "error": cell.error, "reused": cell.reused, "written": cell.written,
         "done": cell.done, "cache": cell.cache_bytes}
        for cell in session.turns[-1].cells
    ]  # fmt: skip


def chat(model):
    session = visitor(model)
    first, second = asked(session, model, "Why?"), asked(session, model, "And then?")
    held = [speaker.nbytes for speaker in session.speakers["tiny"]]
    return {"first": first, "second": second, "held": held}


def stopped(model):
    written = lambda session: any(cell.written > 3 for cell in session.turns[-1].cells)  # noqa: E731
    session = visitor(model)
    cells = asked(session, model, "Why?", longest=1000, stop=written)
    return {"cells": cells, "busy": session.busy.locked(), "after": asked(session, model, "And then?")}


def diagnostic(model):
    session, panel = visitor(model), PANELS["nll"]
    texts = measurements.read_texts(session, model, panel, 300, ())
    runs = make_runs([model.method(key, 300) for key in ("vanilla", "window")])
    views = list(measurements.measure_steps(session, MeasurementRequest(model, panel, texts, runs, PanelOptions())))
    sides = session.measurement.sides
    return {"states": [side.state for side in sides], "nll": [side.records[0].nll[1:].tolist() for side in sides],
            "drawn": views[-1].figures is not None}  # fmt: skip


def grid(model):
    session = visitor(model)
    settings = GridSettings("240, 400", "0, 100", 2, PAPER, 3)
    request = passkey_grids.make_request(session, model, [model.method("window", 400)], settings)
    finish(grid_runs.run_steps(session, request))
    opened = list(trials.open_steps(session, "tiny", "0:0:1:0"))
    found = session.grid.grid
    return {"said": found.said.tolist(), "finished": found.finished, "trial": "The model answered" in opened[-1].told}


def odometer(model):
    session = visitor(model)
    request = long_readings.make_request(session, model, [model.method("lm-infinite", 2000)], 2000)
    finish(long_readings.read_steps(session, request))
    return {"tokens": session.odometer.tokens, "nll": session.odometer.nll.tolist()}


def evaluation(model):
    session = visitor(model)
    asked = EvaluationSettings(["perplexity"], "200, 300", 1, 3)
    finish(evaluation_runs.run_steps(session, evaluations.make_request(session, model, "vanilla;window", asked)))
    rows = read_rows(session.results.content, "results")
    return [[row.length, row.method.text, row.refused, row.scores["nll"]] for row in rows]


def refused(model):
    session, line = visitor(model), []
    for left in (1000.0, 5.0, None):
        try:
            line.append(zero_gpu.seconds_for(left))
        except LongSightError as problem:
            line.append(str(problem))
    request = passkey_grids.make_request(
        session, model, [model.method("window", 400)], GridSettings("240", "0", 1, "own", 3)
    )
    try:
        finish(grid_runs.run_steps(session, passkey_grids.GridRequest(model, request.runs, request.grid, "Another.")))
    except LongSightError as problem:
        line.append(str(problem))
    return line


def main():
    torch.set_num_threads(1)
    model_catalogue.MODELS, model_catalogue.PACKAGED = Path(sys.argv[1]), {}
    model = model_catalogue.model("tiny")
    told = {part.__name__: part(model) for part in (chat, stopped, diagnostic, grid, odometer, evaluation, refused)}
    told |= {"calls": spaces.calls, "mine": os.getpid(), "name": devices.name(model.device), "dtype": str(model.dtype)}
    print(json.dumps(told | {"waiting": device_sharing.line_of(model.device).busy}))


if __name__ == "__main__":
    main()
