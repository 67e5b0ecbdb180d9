"""Diagnostics, the pass key grid, evaluation and the page's answers, on a device that is only pretended: what they find
on the CPU."""

from functools import partial
from itertools import islice

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import _disable_current_modes

from analysis.diagnostics.options import DEFAULT
from analysis.diagnostics.panels import PANELS
from analysis.diagnostics.probing import measure
from analysis.evaluation.cell import EvaluationCell
from analysis.evaluation.endless.long_reader import LongReading
from analysis.evaluation.endless.long_text import LongText
from analysis.evaluation.endless.odometer_record import record_of
from analysis.evaluation.passkey_grid import fill_steps, make_case, new_grid
from analysis.evaluation.tasks import TASKS, Passkey, read_task
from analysis.evaluation.tracing import trace_steps
from analysis.evaluation.worker import run_cell, steps_on
from analysis.runs import make_runs
from app.session import answers, devices, zero_gpu
from app.session.answers import Answer, Speaker
from longsight.generation.decode import Sampling
from longsight.generation.text_encoding import encoder_of
from longsight.methods import METHODS
from longsight.models import model as models
from longsight.models.model import adopt, load
from longsight.progress import finish
from tests.app.conftest import save_model
from tests.device.placed import on_cuda
from tests.longsight import tiny
from tests.longsight.matrix import variants
from tests.longsight.matrix.variants import TRAINED

FETCHING = METHODS["lm-infinite"](window=TRAINED, starting=3, top_k=3, from_layer=1)
READING = [
    ("llama", FETCHING),
    ("llama", METHODS["infllm"](window=8, starting=2, block=4, top_k=2, representatives=2, queries=8)),
    ("llama", METHODS["dpe"].for_model(TRAINED, 64)),
    ("mpt, six heads", METHODS["self-extend"](group=4, window=8)),
    ("gpt_oss", METHODS["dynamic-ntk"].for_model(TRAINED, 64)),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny"
    save_model(folder)
    return folder


@pytest.fixture(scope="module")
def here(folder):
    """The model as it is on the CPU, read and proven without the device."""
    with _disable_current_modes():
        return load(folder, "cpu")


@pytest.fixture
def there(folder, monkeypatch):
    """The same on the device, in the same number format. Checkpoints are read without it, as they are on the CPU."""
    monkeypatch.setattr(models, "read_weights", _without_device(models.read_weights))
    return load(folder, "cuda", torch.float32)


def _without_device(read):
    def reading(*args):
        with _disable_current_modes():
            return read(*args)

    return reading


def check_equal(there, here):
    """Two records of the same, up to rounding."""
    for one, other in zip(there.columns(), here.columns(), strict=True):
        if np.issubdtype(other.values.dtype, np.floating):
            np.testing.assert_allclose(one.values, other.values, atol=2e-5, rtol=1e-4, err_msg=other.name)
        else:
            assert one.values.tolist() == other.values.tolist(), other.name


@pytest.mark.parametrize(("name", "method"), READING, ids=lambda each: getattr(each, "key", each))
def test_every_probe_measures_there_what_it_measures_here(name, method):
    probes = [make for panel in PANELS.values() for make in panel.probes(DEFAULT.only(panel.measures))]
    ids = tiny.distinct(44)
    found = [measure(model, ids, method, probes, chunk=20) for model in (on_cuda(name), variants.adopted(name))]
    for one, other in zip(*found, strict=True):
        check_equal(one, other)


def test_a_pass_key_grid_and_a_trial_of_it(there, here, monkeypatch):
    monkeypatch.setattr(Passkey, "room", 4)
    method = METHODS["lm-infinite"](window=32, starting=4, top_k=5, from_layer=1)
    grids, trials = [], []
    for model in (there, here):
        grid = new_grid(model, Passkey(), [method], [240], [0.5], trials=1, seed=7)
        grids.append(finish(fill_steps(model, grid, chunk=128)))
        case = make_case(model, grid, (0, 0, 0), None)
        trials.append(finish(trace_steps(model, method, Passkey(), case, chunk=128)))
    assert grids[0] == grids[1]
    assert grids[0].finished
    check_equal(*trials)


SMALL = {"passkey": "passkey:depths=2", "efficiency": "efficiency:decode=2"}


@pytest.mark.parametrize("key", TASKS)
def test_every_task_is_scored_alike(key, there, here, monkeypatch):
    rows, task = [], read_task(SMALL.get(key, key))
    monkeypatch.setattr(type(task), "room", 3, raising=False)
    for model in (there, here):
        cell = EvaluationCell("tiny", "", task, "self-extend", 300, 1, 0)
        rows.append(finish(steps_on(model, cell, partial(cell.task.cases, model, 300, 1, 0))))
    assert rows[0].refused == rows[1].refused
    assert rows[0].scores == pytest.approx(rows[1].scores, rel=1e-4)
    assert [case.said for case in rows[0].cases] == [case.said for case in rows[1].cases]
    assert rows[0].run.machine.device == "cuda"


def test_a_worker_loads_its_model_there(folder, monkeypatch):
    """In bfloat16, as the page and the commands do."""
    monkeypatch.setattr(models, "read_weights", _without_device(models.read_weights))
    row = run_cell(EvaluationCell(str(folder), "", TASKS["perplexity"](), "vanilla", 64, 1, 0), device="cuda")
    assert row.refused is None
    assert (row.model.dtype, row.run.machine.name) == ("torch.bfloat16", "pretended")


def test_the_pages_answers_are_the_same(there, here):
    said = []
    for model in (there, here):
        text = encoder_of(model.tokenizer).encode("The grass is green. The sky is blue. " * 6)
        methods = [METHODS[key].for_model(model.train_length, 400) for key in ("lm-infinite", "yarn")]
        cells, speakers = [], [Speaker(method) for method in methods]
        for question in ("Why?", "And then?"):
            now = [Answer(run) for run in make_runs(methods)]
            sampling = Sampling(max_new_tokens=3, stop=frozenset())
            sides = list(zip(speakers, now, strict=True))
            list(answers.answer_steps(model, text, question, sides, sampling, lambda: False))
            cells += now
        assert [cell.state for cell in cells] == [Answer.DONE] * 4, [cell.error for cell in cells]
        said.append([(cell.text, cell.reused, cell.cache_bytes) for cell in cells])
    assert said[0] == said[1]
    assert devices.name(there.device) == "pretended"


@pytest.mark.parametrize(("name", "method"), READING)
def test_a_model_that_waited_on_the_cpu_until_a_device_was_lent_to_it_reads_the_same_there(name, method):
    with _disable_current_modes():
        waited = adopt(variants.build(name), name=name)
    moved = zero_gpu._on_device(waited)
    assert moved is waited
    assert moved.device.type == "cuda"
    ids = tiny.ids(60)
    np.testing.assert_allclose(moved.nll(ids, method), on_cuda(name).nll(ids, method), rtol=1e-5, atol=1e-5)


def test_an_endless_reading_is_the_same_and_goes_on_there(there, here):
    ids = tiny.ids(200).numpy()

    def load_ids():
        yield ids

    found = []
    for model in (there, here):
        text = LongText("random", ids.nbytes, load_ids)
        methods = [model.method(key, 500) for key in ("lm-infinite", "streaming-llm")]
        begun, later = (LongReading(model, methods, [text], 500, chunk=64) for _ in range(2))
        list(islice(begun.steps(), 3))
        later.restore(begun.state())
        finish(later.steps())
        found.append(record_of(later, model.device.type).nll)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-4)
