"""On a Space that is lent a GPU for a call at a time: the same answers from a forked process, and a Stop that stops."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from analysis.diagnostics.measuring import ResultCache
from analysis.diagnostics.panels import PANELS
from analysis.runs import make_runs
from app.session import answers, zero_gpu
from app.session.answers import Answer, Speaker
from app.session.device_jobs import DeviceJob
from app.session.zero_gpu import LONGEST, UNKNOWN
from longsight.generation.decode import Sampling
from longsight.generation.text_encoding import encoder_of
from longsight.models.model import load
from tests.app.conftest import save_model
from tests.conftest import ROOT

LENT = Path(__file__).parent / "lent"
TEXT = "The grass is green. The sky is blue. The sun is yellow. " * 60
FORKED = ("chat", "stopped", "diagnostic", "grid", "odometer")


@pytest.fixture(scope="module")
def models_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    save_model(folder / "tiny")
    return folder


@pytest.fixture(scope="module")
def told(models_folder):
    """What a visit came to, in a process that takes itself for such a Space."""
    environment = {"SYSTEM": "spaces", "SPACES_ZERO_GPU": "true", "PYTHONPATH": f"{LENT}{os.pathsep}{ROOT}"}
    done = subprocess.run(
        [sys.executable, str(LENT / "visit.py"), str(models_folder)],
        cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def model(models_folder):
    """The model as it waits there for its GPU."""
    return load(models_folder / "tiny", device="cpu", dtype=torch.bfloat16)


def expected(model, questions, longest=6, methods=("lm-infinite", "window")):
    """The answers of a conversation in this process, whose caches stay."""
    chosen = [model.method(key, 900) for key in methods]
    speakers, said = [Speaker(method) for method in chosen], []
    for question in questions:
        cells = [Answer(run) for run in make_runs(chosen)]
        for speaker in speakers:
            speaker.free()
        sides = list(zip(speakers, cells, strict=True))
        text = encoder_of(model.tokenizer).encode(TEXT)
        list(answers.answer_steps(model, text, question, sides, Sampling(seed=0, max_new_tokens=longest)))
        said.append([cell.text for cell in cells])
    return said


def test_all_work_for_the_device_is_done_in_one_forked_process(told):
    assert len(told["calls"]) == 11
    assert {process for _, process in told["calls"]} != {told["mine"]}
    assert len({process for _, process in told["calls"]}) == 1, "it is kept for the next call"
    assert (told["name"], told["dtype"], told["waiting"]) == ("ZeroGPU", "torch.bfloat16", False)


def test_a_conversation_goes_on_without_its_caches_and_says_the_same(told, model):
    first, second = (told["chat"][turn] for turn in ("first", "second"))
    assert [[cell["text"] for cell in turn] for turn in (first, second)] == expected(model, ["Why?", "And then?"])
    assert {cell["state"] for cell in first + second} == {"done"}
    assert {cell["reused"] for cell in second} == {0}
    assert all(later["done"] > before["done"] for later, before in zip(second, first, strict=True)), "all of it is read"
    assert all(cell["cache"] > 0 for cell in first)
    assert told["chat"]["held"] == [0, 0]


def test_stop_ends_the_work_far_away_and_the_next_question_is_answered(told):
    cells = told["stopped"]["cells"]
    assert {cell["state"] for cell in cells} == {"stopped"}
    assert all(0 < cell["written"] < 1000 for cell in cells)
    assert told["stopped"]["busy"] is False
    assert {cell["state"] for cell in told["stopped"]["after"]} == {"done"}


def test_a_diagnostic_a_grid_with_its_trials_and_the_odometer_come_back_whole(told, model):
    text = encoder_of(model.tokenizer).encode(TEXT).ids
    assert told["diagnostic"]["states"] == ["done", "done"]
    assert told["diagnostic"]["drawn"]
    for key, nll in zip(("vanilla", "window"), told["diagnostic"]["nll"], strict=True):
        np.testing.assert_allclose(nll, model.nll(text[:300], model.method(key, 300)), atol=0.1)
    assert told["grid"]["finished"]
    assert told["grid"]["trial"]
    assert all(np.array(told["grid"]["said"]).ravel())
    assert told["odometer"]["tokens"] == 2000


def test_an_evaluation_lends_a_gpu_for_each_length_and_its_rows_come_back(told):
    assert [row[:3] for row in told["evaluation"]] == [
        [200, "vanilla", None], [200, "window", None], [300, "vanilla", None], [300, "window", None]
    ]  # fmt: skip
    assert all(0 < nll < 20 for *_, nll in told["evaluation"])


def test_a_gpu_is_asked_for_by_the_estimate_with_a_margin_and_never_for_longer_than_it_is_lent(told):
    too_long, short, unknown, own = told["refused"]
    assert too_long.startswith("This needs about 16 min 40 s of a GPU that this Space is lent for up to 1 min 20 s")
    assert short == zero_gpu.MOVING + 5 * zero_gpu.MARGIN
    assert unknown == UNKNOWN
    assert own == "This grid hides its keys in 'grass.txt'; choose that text again to go on.", "a refusal comes through"
    seconds = [seconds for seconds, _ in told["calls"]]
    assert seconds[0] == UNKNOWN
    assert all(zero_gpu.MOVING < each <= LONGEST for each in seconds)
    assert seconds[1] < UNKNOWN, "the first answer has told how fast it is"


def _steps(thing):
    thing.noted = 1
    yield thing
    thing.noted = 2
    raise RuntimeError("a fault of ours")


class Noting:
    def __init__(self):
        self.noted, self.way = 0, print


def test_elsewhere_the_function_is_itself_and_whatever_goes_wrong_is_one_sentence():
    assert zero_gpu._on_gpu is zero_gpu._work
    thing = Noting()
    steps = zero_gpu.lent_steps(DeviceJob(_steps, (thing,), changing=(thing,)), lambda: False, 1.0)
    assert next(steps).noted == 1
    assert (thing.noted, thing.way) == (1, print), "what it changed is told, and what cannot be sent stays"
    with pytest.raises(Exception, match="could not do it on a GPU that is lent to it: a fault of ours"):
        next(steps)


def test_what_both_processes_have_is_sent_by_its_name(model):
    there = zero_gpu._packed((PANELS["nll"], ResultCache(5)))
    panel, results = zero_gpu._unpacked(there)
    assert panel is PANELS["nll"]
    assert (results.most, results.nbytes) == (0, 0)
    assert len(zero_gpu._packed(model)) < 200
    with pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
        zero_gpu._packed(lambda: None)
