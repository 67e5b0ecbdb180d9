"""What a model can do inside its trained length: answers to questions, and bits per byte of held-out text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from tqdm import tqdm

from longsight.generation.decode import Sampling, decode
from longsight.generation.prefill import Prefilled, prefill
from longsight.generation.prefix_sharing import prefill_shared
from longsight.generation.prompt import Message, chat_ids
from longsight.methods import METHODS, Method
from longsight.models.model import Model
from training import questions
from training.baselines import Bytes, gzip_bits
from training.corpus import Corpus
from training.questions import ANSWER_ROOM, Ask, TrainingQuestion, fit

PARTS = (1 / 8, 1 / 4, 1 / 2, 3 / 4, 1)  # of the trained length
KINDS = {
    "one of four named keys": questions.named_key,
    "the key of a second question": questions.second_turn,
    "who, where and what, one of three": questions.who_where_what,
    '"I don\'t know", no key in the text': questions.absent_key,
    '"I don\'t know", three other keys in the text': questions.absent_name,
}
BASELINE_CHARACTERS = 8_000_000  # of the training texts, for the 5-gram baseline


def answer(model: Model, messages: Iterable[Message], method: Method, tokens: int | None = None) -> str:
    """The greedy answer to a conversation, read with a method; at most `tokens` tokens, or what an answer may take."""
    tokens = tokens or ANSWER_ROOM
    prefilled = prefill(model, chat_ids(model.tokenizer, list(messages)), method)
    return model.tokenizer.decode(list(decode(model, prefilled, Sampling(max_new_tokens=tokens))))


def right(model: Model, asked: Sequence[TrainingQuestion], method: Method, tokens: int | None = None) -> list[bool]:
    """Which questions are answered rightly, greedily and in at most `tokens` tokens (or what an answer may take).

    What their prompts have in common is read once.
    """
    found = [False] * len(asked)
    prompts = [chat_ids(model.tokenizer, list(question.messages)) for question in asked]
    for part in prefill_shared(model, prompts, method):
        if part.result is not None:
            question, read = asked[part.result.number], part.result.prefilled
            found[part.result.number] = question.is_answered_by(_said(model, read, question, tokens or ANSWER_ROOM))
    return found


def _said(model: Model, prefilled: Prefilled, question: TrainingQuestion, tokens: int) -> str:
    """The answer, or the beginning of one that cannot become right any more."""
    said, text = [], ""
    for token in decode(model, prefilled, Sampling(max_new_tokens=tokens)):
        said.append(token)
        text = model.tokenizer.decode(said)
        if question.is_lost_by(text):
            break
    return text


def retrieval(model: Model, corpus: Corpus, cases: int) -> dict[str, Any]:
    """Answers right of `cases` of each kind: pass keys by length (at random depths), the others at all lengths."""
    vanilla = METHODS["vanilla"]()
    lengths = [int(model.train_length * part) for part in PARTS]
    found = {}
    for length in tqdm(lengths, desc="pass keys inside"):
        each = [_pass_key(model, corpus, length, seed) for seed in range(cases // len(lengths))]
        found[str(length)] = sum(right(model, each, vanilla))
    others = {}
    for name, ask in tqdm(KINDS.items(), desc="other questions"):
        each = [_any_length(model, corpus, ask, seed) for seed in range(cases)]
        others[name] = sum(right(model, each, vanilla))
    return {"cases": cases, "each": cases // len(lengths), "pass_key": found, "others": others}


def _pass_key(model: Model, corpus: Corpus, length: int, seed: int) -> TrainingQuestion:
    """In real text and in the papers' filler by turns. Every length has keys of its own."""
    depth, source = float(np.random.default_rng([seed, length]).random()), None if seed % 2 else corpus
    return fit(model.tokenizer, lambda rng, size: questions.pass_key(rng, source, size, depth), length, [length, seed])


def _any_length(model: Model, corpus: Corpus, ask: Ask, seed: int) -> TrainingQuestion:
    length = int(model.train_length * (1 / 2, 3 / 4, 1)[seed % 3])
    return fit(model.tokenizer, lambda rng, size: ask(rng, corpus, size), length, seed)


def prose(model: Model, train: Corpus, validation: Corpus, passages: int) -> dict[str, Any]:
    """Bits per byte of held-out text inside the trained length, of gzip and of a 5-gram model on the same texts."""
    result = {}
    for family, part in families(validation).items():
        texts = passages_of(part, model.train_length, passages)
        learned = families(train).get(family, train)
        sample = learned.passages(np.random.default_rng(2), BASELINE_CHARACTERS)
        result[family] = {
            "bits_per_byte": bits_per_byte(model, tqdm(texts, desc=f"reading {family}")),
            "gzip": gzip_bits("\n".join(document.text for document in part.documents)),
            "five_gram": Bytes(sample).bits("".join(texts)),
            "passages": passages,
        }
    return result


def passages_of(corpus: Corpus, train_length: int, count: int) -> list[str]:
    """Passages to read with a model, always the same ones: six characters for each of `train_length` tokens."""
    rng = np.random.default_rng(1)
    return [corpus.passage(rng, 6 * train_length) for _ in range(count)]


def bits_per_byte(model: Model, texts: Iterable[str]) -> float:
    """What a byte of these texts costs a model inside its trained length, over all of them together."""
    read = [bits_and_bytes(model, text) for text in texts]
    return sum(bits for bits, _ in read) / sum(size for _, size in read)


def bits_and_bytes(model: Model, text: str) -> tuple[float, int]:
    """The bits that a model needs for the tokens after the first, within its trained length, and their bytes."""
    ids = model.tokenizer(text).input_ids[: model.train_length]
    nll = model.nll(ids, METHODS["vanilla"]())
    # in byte-level BPE every character of a token's name stands for one byte
    sizes = [len(name) for name in model.tokenizer.convert_ids_to_tokens(ids[1:])]
    return float(nll.sum()) / math.log(2), sum(sizes)


def families(corpus: Corpus) -> dict[str, Corpus]:
    """The parts of a corpus by the top folder of their files."""
    names = sorted({document.family for document in corpus.documents})
    return {name: Corpus([d for d in corpus.documents if d.family == name]) for name in names}
