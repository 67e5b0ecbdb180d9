"""A traced trial says what the trial said, and where the model looked, against a calculation with whole matrices."""

import numpy as np
import pytest
import torch

from analysis.evaluation.tasks.passkey import Passkey
from analysis.evaluation.tracing import KeyWatch, TrialRecord, trace_steps
from longsight.attention.observer import Observer
from longsight.generation.decode import Sampling, decode
from longsight.generation.prefill import prefill, watch
from longsight.methods import METHODS
from longsight.progress import finish
from tests.longsight import tiny
from tests.longsight.matrix import variants

TASK = Passkey(depths=3)
LONG = 400


def trace(model, method, case, task=TASK):
    seen = []
    record = finish(trace_steps(model, method, task, case, chunk=90), lambda done, total: seen.append((done, total)))
    return record, seen


@pytest.fixture(scope="module")
def case(model):
    return TASK.cases(model, LONG, 1, 0)[1]


METHODS_TRIED = (
    METHODS["vanilla"](),
    METHODS["truncation"](length=32),
    METHODS["truncation"](length=300),
    METHODS["lm-infinite"](window=32, starting=4),
    METHODS["lm-infinite"](window=32, starting=4, top_k=5, from_layer=1),
    METHODS["self-extend"](group=8, window=16),
)


@pytest.mark.parametrize("method", METHODS_TRIED, ids=lambda method: method.describe())
def test_the_trace_is_of_the_very_trial(model, case, method):
    record, steps = trace(model, method, case)
    alone = list(decode(model, prefill(model, case.ids, method), Sampling(max_new_tokens=TASK.room)))
    assert record.answer == model.tokenizer.decode(alone, skip_special_tokens=True)
    assert "".join(record.token) == model.tokenizer.decode(case.ids)
    assert "".join(record.token[record.key]).replace(" ", "") == case.answers[0] * 2
    assert record.statement.sum() > record.key.sum() == len(case.facts.tokens)
    assert record.attention.shape == (max(len(alone), 1), 2, 4)
    assert steps[-1] == (method.keeps(len(case.ids)),) * 2


class Everything(Observer):
    """Whole rows of attention of the last query, layer by layer, fetched keys where they are."""

    def __init__(self):
        self.rows = []

    def attention(self, step):
        (block,) = step.blocks(rows=slice(len(step.i) - 1, None))
        logits, j = block.logits[:, 0], block.j.expand(len(block.logits), -1)
        _, fetched = step.parts[-1]
        if fetched is not None:
            logits = torch.cat((logits, fetched.logits[:, -1]), -1)
            j = torch.cat((j, fetched.j.expand(len(j), -1)), -1)
        row = torch.zeros(len(logits), 1 + int(step.i[-1]))
        self.rows.append(row.scatter_add(1, j, logits.softmax(-1)))


@pytest.mark.parametrize("method", METHODS_TRIED, ids=lambda method: method.describe())
def test_attention_on_the_key_is_what_whole_rows_say(model, case, method):
    record, _ = trace(model, method, case)
    ids = case.ids[len(case.ids) - method.keeps(len(case.ids)) :]
    unread = len(case.ids) - len(ids)
    watching = Everything()
    cache = model.seam.new_cache(method)
    model.forward(torch.tensor(ids), cache, retrieves=True, logits_to_keep=1, observer=watching)
    keys = [at - unread for at in case.facts.tokens if at >= unread]
    expected = np.stack([row[:, keys].sum(-1).numpy() for row in watching.rows])
    np.testing.assert_allclose(record.attention[0], expected, atol=1e-5)
    assert (record.fetched <= record.attention + 1e-6).all()


@pytest.mark.parametrize(("method", "said"), [
    (METHODS_TRIED[0], r"is visible under this method"),
    (METHODS_TRIED[1], r"never read: the method begins 344 tokens into the text"),
    (METHODS_TRIED[2], r"is visible under this method"),
    (METHODS_TRIED[3], r"is not visible under this method"),
    (METHODS_TRIED[4], r"is hidden, but can be fetched by content: "),
    (METHODS["window"](window=1000), r"is visible under this method"),
])  # fmt: skip
def test_whether_the_key_can_be_seen_is_said_of_each_method(model, case, method, said):
    record, _ = trace(model, method, case)
    assert said in record.sight


def test_a_method_that_fetches_is_seen_to_fetch(model, case):
    method = METHODS["lm-infinite"](window=32, starting=4, top_k=300, from_layer=1)
    record, _ = trace(model, method, case)
    assert (record.fetched[0, 0] == 0).all(), "not in the layers before from_layer"
    assert (record.fetched[0, 1] > 0).all()
    np.testing.assert_allclose(record.fetched[0, 1], record.attention[0, 1], atol=1e-6)
    assert "some head gives up to" in record.sight


def test_the_step_that_answers_is_the_first_digit(model, case, monkeypatch):
    """The tiny model says what it likes; what it says decides which step is looked at."""
    record, _ = trace(model, METHODS["vanilla"](), case)
    digits = [n for n, text in enumerate(record.said) if any(letter.isdigit() for letter in text)]
    assert record.answering == (digits[0] if digits else 0)


def test_a_record_that_contradicts_itself_is_refused(model, case):
    record, _ = trace(model, METHODS["vanilla"](), case)
    given = {spec.name: getattr(record, spec.name) for spec in (*TrialRecord.arrays(), *TrialRecord.values())}
    assert TrialRecord(**given) == record
    with pytest.raises(Exception, match="key has 3 along 'token', but token has 376"):
        TrialRecord(**given | {"key": np.zeros(3, bool)})


def test_a_model_whose_first_layer_keeps_a_state_is_watched_from_its_first_attention_on():
    model = variants.adopted("qwen3_next")
    watched = KeyWatch(torch.tensor([0, 1, 2]), model.seam.attending[0])
    list(watch(model, tiny.ids(3), METHODS["vanilla"](), watched, chunk=1))
    assert [len(step) for step in watched.steps] == [1, 1, 1]
    assert all(np.allclose(step[0][0], 1) for step in watched.steps)  # there are no other keys
