"""The models inside the repository: small, alike in their tokens, and able to do what their cards say."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from analysis.evaluation.tasks.passkey import Passkey
from longsight.generation.decode import Sampling, decode
from longsight.generation.prefill import prefill
from longsight.generation.prompt import chat_ids
from longsight.methods import METHODS
from longsight.models.model import load
from training import wording
from training.questions import Questions
from training.tokenizer import ASSISTANT, CHAT_TEMPLATE, USER

ASSETS = Path(__file__).resolve().parents[2] / "assets"
NAMES = sorted(path.parent.name for path in ASSETS.glob("models/*/config.json"))
VANILLA = METHODS["vanilla"]()
BOOK = str(ASSETS / "samples" / "hound.txt")
"""No model was trained on it. The key that is hidden in it is left out where it is read."""


@pytest.fixture(scope="module", params=NAMES)
def model(request):
    return load(ASSETS / "models" / request.param)


def test_there_is_one_of_each_kind():
    assert NAMES == ["alibi-small", "rope-small"]


def test_files_are_small(model):
    folder = ASSETS / "models" / model.name
    assert all(path.stat().st_size < 10_000_000 for path in folder.iterdir())
    assert (folder / "README.md").read_text().startswith("---\nlibrary_name: transformers")
    assert model.train_length == 512


def test_positions_are_what_the_name_says(model):
    assert model.name == f"{model.position_encoding}-small"
    assert model.hf.config.model_type == {"rope": "llama", "alibi": "mpt"}[model.position_encoding]


def test_all_unicode_round_trips(model):
    points = [chr(point) for point in range(sys.maxunicode + 1) if not 0xD800 <= point < 0xE000]
    for start in range(0, len(points), 20_000):
        text = "".join(points[start : start + 20_000])
        assert model.tokenizer.decode(model.tokenizer(text).input_ids) == text


def test_tokens_are_the_same_everywhere():
    files = [json.loads((ASSETS / "models" / name / "tokenizer.json").read_text()) for name in NAMES]
    assert all(file["model"] == files[0]["model"] for file in files)
    assert all(file["added_tokens"] == files[0]["added_tokens"] for file in files)


def test_the_chat_template_is_the_one_of_training(model):
    assert model.tokenizer.chat_template == CHAT_TEMPLATE
    messages = [{"role": "user", "content": "Hello"}]
    prompt = model.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert prompt == f"{USER}Hello{ASSISTANT}"


def test_recommended_parameters_are_valid(model):
    for key in model.recommended:
        assert model.method(key, 2048).key == key


def right(model, task, length, method=VANILLA, trials=1, seed=0):
    """How many of the cases are answered rightly."""
    cases = task.cases(model, length, trials, seed)
    outcomes = [step.result for step in task.steps(model, method, cases) if step.result]
    return sum(score for outcome in outcomes for score in outcome.scores.values())


def test_pass_keys_are_found_inside_the_trained_length(model):
    assert sum(right(model, Passkey(filler=BOOK, depths=2), length) for length in (200, 300, 512)) >= 5


@pytest.mark.parametrize("task", [Questions(kind=kind, text=BOOK) for kind in ("second-question", "no-such-name")])
def test_keys_are_told_apart_by_their_names(model, task):
    assert right(model, task, 400, trials=12) >= 9


def test_one_of_several_keys_is_found(model):
    assert right(model, Passkey(kind="several", filler=BOOK, depths=3), 400, trials=4) >= 9


def test_a_story_is_told_when_one_is_wanted(model):
    ids = chat_ids(model.tokenizer, [{"role": "user", "content": "Tell me a story."}])
    said = model.tokenizer.decode(list(decode(model, prefill(model, ids, VANILLA), Sampling(max_new_tokens=40))))
    assert said.startswith(wording.STORY_BEGINNING)
    assert len(said) > 2 * len(wording.STORY_BEGINNING)


def test_it_says_when_it_does_not_know(model):
    assert right(model, Questions(kind="no-key", text=BOOK), 400, trials=5) >= 4


def test_rotary_positions_fail_past_the_trained_length():
    """ALiBi's do not, at once: what falls with the distance falls on."""
    model = load(ASSETS / "models" / "rope-small")
    assert right(model, Passkey(filler=BOOK), 1536) <= 1


@pytest.mark.parametrize("key", ["lm-infinite", "self-extend"])
def test_far_keys_are_found_with_a_method(model, key):
    assert right(model, Passkey(filler=BOOK), 2048, model.method(key, 2048)) >= 4
