"""What a model says, ungarnished: twenty conversations for its card, always the same ones."""

from __future__ import annotations

import dataclasses

import numpy as np

from longsight.generation.prompt import Message
from longsight.methods import METHODS
from longsight.models.model import Model
from training.corpus import Corpus
from training.inside import answer
from training.past import variants
from training.questions import absent_key, absent_name, fit, named_key, pass_key, second_turn

GREETINGS = ("Hello", "What can you do?", "Who are you?", "Tell me a story.", "What is the capital of France?")
LONG = 2048  # tokens, past any trained length here
STORY_ROOM = 80  # tokens


@dataclasses.dataclass(frozen=True)
class CardSample:
    """`about`: what was given, in words. `wanted`: the value that would be right, if there is one."""

    about: str
    method: str
    question: str
    wanted: str
    answer: str


def samples(model: Model, corpus: Corpus) -> list[CardSample]:
    """Talk, stories, answers and refusals inside the trained length; keys and a story past it, by method."""
    vanilla = METHODS["vanilla"]()
    inside = model.train_length
    taken = [_talk(model, text) for text in GREETINGS]
    passage = corpus.opening(np.random.default_rng(11), 900)
    taken += [_story(model, f"the opening of a passage of {len(passage)} characters", passage, "vanilla")]
    kinds = (
        ("a pass key half-way into", lambda rng, size: pass_key(rng, corpus, size, 0.5), (21,)),
        ("four named keys in", lambda rng, size: named_key(rng, corpus, size), (23, 24)),
        ("a second question about", lambda rng, size: second_turn(rng, corpus, size), (25,)),
        ("no key in", lambda rng, size: absent_key(rng, corpus, size), (26,)),
        ("three other keys in", lambda rng, size: absent_name(rng, corpus, size), (27,)),
    )
    for about, ask, seeds in kinds:
        for seed in seeds:
            question = fit(model.tokenizer, ask, inside, seed)
            said = answer(model, question.messages, vanilla)
            taken.append(_sample(f"{about} {inside:,} tokens", "vanilla", question.messages, question.value, said))
    asked = fit(model.tokenizer, lambda rng, size: pass_key(rng, corpus, size, 0.5), LONG, 28)
    for name, method in _shown(model).items():
        said = answer(model, asked.messages, method)
        taken.append(_sample(f"a pass key half-way into {LONG:,} tokens", name, asked.messages, asked.value, said))
    passage = corpus.passage(np.random.default_rng(12), 6 * inside)
    for name in ("vanilla", "lm-infinite", "self-extend"):
        taken.append(_story(model, f"a passage of {len(passage):,} characters, about twice the length", passage, name))
    return taken


def _shown(model: Model) -> dict[str, object]:
    return variants(model, ("vanilla", "window", "lm-infinite", "self-extend"), LONG)


def _talk(model: Model, text: str) -> CardSample:
    said = answer(model, [{"role": "user", "content": text}], METHODS["vanilla"](), STORY_ROOM)
    return CardSample("nothing", "vanilla", text, "", said)


def _story(model: Model, about: str, passage: str, name: str) -> CardSample:
    messages = [{"role": "user", "content": f"{passage}\n\nContinue the story."}]
    method = variants(model, (name,), LONG)[name]
    return _sample(about, name, messages, None, answer(model, messages, method, STORY_ROOM))


def _sample(about: str, method: str, messages: list[Message], value: str | None, said: str) -> CardSample:
    question = messages[-1]["content"].rpartition("\n")[-1]
    return CardSample(about, method, question, value or "", said)
