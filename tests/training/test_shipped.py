"""The models inside the repository: small, alike in their tokens, and able to do what their cards say."""

from __future__ import annotations

import json
import sys
from itertools import chain
from pathlib import Path

import pytest

from longsight.methods import METHODS
from longsight.models.model import load
from training import questions, wording
from training.corpus import Corpus, CorpusText
from training.inside import answer, right
from training.past import pass_keys
from training.questions import fit
from training.tokenizer import ASSISTANT, CHAT_TEMPLATE, USER

ASSETS = Path(__file__).resolve().parents[2] / "assets"
NAMES = sorted(path.parent.name for path in ASSETS.glob("models/*/config.json"))
VANILLA = METHODS["vanilla"]()


@pytest.fixture(scope="module", params=NAMES)
def model(request):
    return load(ASSETS / "models" / request.param)


@pytest.fixture(scope="module")
def books() -> Corpus:
    """Books that no model was trained on, in which nothing is hidden."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(ASSETS.glob("samples/*.txt"))]
    cut = [text[: text.index("The pass key is ")] for text in texts if "The grass is green" not in text]
    return Corpus([CorpusText(f"book {place}", text) for place, text in enumerate(cut)])


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


def test_pass_keys_are_found_inside_the_trained_length(model, books):
    asked = [
        fit(model.tokenizer, lambda rng, size, d=depth: questions.pass_key(rng, books, size, d), length, seed)
        for seed, (length, depth) in enumerate([(200, 0.1), (300, 0.9), (400, 0.5), (512, 0.0), (512, 0.4), (512, 1.0)])
    ]
    assert sum(right(model, asked, VANILLA)) >= 5


@pytest.mark.parametrize("ask", [questions.named_key, questions.second_turn, questions.absent_name])
def test_keys_are_told_apart_by_their_names(model, books, ask):
    asked = [fit(model.tokenizer, lambda rng, size: ask(rng, books, size), 400, seed) for seed in range(12)]
    assert sum(right(model, asked, VANILLA)) >= 9


def test_a_story_is_told_when_one_is_wanted(model):
    said = answer(model, [{"role": "user", "content": "Tell me a story."}], VANILLA)
    assert said.startswith(wording.STORY_BEGINNING)
    assert len(said) > 2 * len(wording.STORY_BEGINNING)


def test_it_says_when_it_does_not_know(model, books):
    asked = [
        fit(model.tokenizer, lambda rng, size: questions.absent_key(rng, books, size), 400, seed) for seed in range(5)
    ]
    assert sum(right(model, asked, VANILLA)) >= 4


def test_rotary_positions_fail_past_the_trained_length(books):
    """ALiBi's do not, at once: what falls with the distance falls on."""
    model = load(ASSETS / "models" / "rope-small")
    assert sum(right(model, list(chain(*pass_keys(model, books, 1536, 5))), VANILLA)) <= 1


@pytest.mark.parametrize("key", ["lm-infinite", "self-extend"])
def test_far_keys_are_found_with_a_method(model, books, key):
    asked = list(chain(*pass_keys(model, books, 2048, 5)))
    assert sum(right(model, asked, model.method(key, 2048))) >= 4
