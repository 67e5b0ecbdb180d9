"""Measure a trained model: `python -m training.evaluate assets/models/rope-small --corpus DIR [--card]`.

Facts hidden in held-out text, asked for and answered by greedy decoding; bits per byte of held-out text. Fixed seeds.
"""

from __future__ import annotations

import argparse
import dataclasses
import gzip
import itertools
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerFast

from training import card
from training.corpus import Corpus, read_corpus
from training.questions import Question, absent_key, named_key, pass_key, second_turn

Ask = Callable[[np.random.Generator, int], Question]  # a seeded generator and the characters of the text
DEPTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
PARTS = (1 / 8, 1 / 4, 1 / 2, 3 / 4, 1, 2)  # of the trained length
BANDS = (1, 16, 64, 128, 256, 384, 512, 640, 768, 1024)
ANSWER_ROOM = 24  # tokens that an answer may take


@dataclasses.dataclass(frozen=True)
class Loaded:
    """A model folder, ready to answer. `length`: the tokens it was trained on."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast
    length: int

    def answer(self, prompt: str) -> str:
        """The greedy continuation of a prompt that the chat template made, up to the end of the turn."""
        ids = self.tokenizer(prompt, return_tensors="pt").to(self.model.device)
        with torch.inference_mode():
            out = self.model.generate(**ids, max_new_tokens=ANSWER_ROOM, do_sample=False)
        return self.tokenizer.decode(out[0, ids.input_ids.shape[1] :], skip_special_tokens=True)


def load(folder: Path) -> Loaded:
    """Read a model folder in float32."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    model.eval()
    about = json.loads((folder / card.TRAINING).read_text(encoding="utf-8"))
    return Loaded(model, AutoTokenizer.from_pretrained(folder), about["train_length"])


def right_answers(loaded: Loaded, ask: Ask, tokens: int, trials: int) -> int:
    """How many of `trials` questions, whose prompts with answers fill `tokens` tokens, are answered exactly."""
    questions = [fit(loaded.tokenizer, ask, tokens, trial) for trial in range(trials)]
    return sum(question.is_answered_by(loaded.answer(question.prompt(loaded.tokenizer))) for question in questions)


def fit(tokenizer: PreTrainedTokenizerFast, ask: Ask, tokens: int, seed: int) -> Question:
    """The longest question of this seed whose prompt leaves room for the answer inside `tokens` tokens."""
    low, high = 0, 8 * tokens  # characters
    while high - low > 8:
        middle = (low + high) // 2
        prompt = ask(np.random.default_rng(seed), middle).prompt(tokenizer)
        low, high = (middle, high) if len(tokenizer(prompt).input_ids) <= tokens - ANSWER_ROOM else (low, middle)
    return ask(np.random.default_rng(seed), low)


def retrieval(loaded: Loaded, corpus: Corpus, trials: int) -> dict[str, Any]:
    """Pass keys by length and depth in both kinds of filler, and the other kinds of question at the full length."""
    lengths = [int(loaded.length * part) for part in PARTS]
    cells = [(length, depth) for length in lengths for depth in DEPTHS]
    grid = {}
    for length, depth in tqdm(cells, desc="pass keys"):
        text = right_answers(loaded, lambda rng, size, d=depth: pass_key(rng, corpus, size, d), length, trials)
        paper = right_answers(loaded, lambda rng, size, d=depth: pass_key(rng, None, size, d), length, trials)
        grid[f"{length}/{depth}"] = [text, paper]
    others = {"named key, 4 in the text": named_key, "second question": second_turn, "no key in the text": absent_key}
    return {
        "trials": trials,
        "pass_key": grid,
        "others": {
            name: right_answers(loaded, lambda rng, size, a=ask: a(rng, corpus, size), loaded.length, 5 * trials)
            for name, ask in others.items()
        },
    }


def prose(loaded: Loaded, corpus: Corpus, passages: int) -> dict[str, Any]:
    """Bits per byte inside the trained length, that of gzip -9 on the whole texts, and nll [nat/token] by position."""
    result = {}
    for family in sorted({document.family for document in corpus.documents}):
        part = Corpus([document for document in corpus.documents if document.family == family])
        rng = np.random.default_rng(1)
        rows, sizes = [], []
        for _ in tqdm(range(passages), desc=f"reading {family}"):
            nll, size = read(loaded, part.passage(rng, 2 * loaded.length * 6))
            rows.append(nll)
            sizes.append(size)
        inside = slice(0, loaded.length - 1)
        bits = sum(row[inside].sum() for row in rows) / math.log(2)
        raw = "\n".join(document.text for document in part.documents).encode()
        result[family] = {
            "bits_per_byte": bits / sum(size[inside].sum() for size in sizes),
            "gzip_bits_per_byte": 8 * len(gzip.compress(raw, 9)) / len(raw),
            "passages": passages,
            "nll": by_position(rows),
        }
    return result


def read(loaded: Loaded, text: str) -> tuple[np.ndarray, np.ndarray]:
    """(token - 1) nll [nat] of each token of `text` after the first, and its size [byte].

    Reads at most twice the trained length.
    """
    ids = loaded.tokenizer(text, return_tensors="pt").input_ids[:, : 2 * loaded.length]
    with torch.inference_mode():
        logits = loaded.model(input_ids=ids.to(loaded.model.device), use_cache=False).logits[0, :-1].float()
    nll = torch.nn.functional.cross_entropy(logits, ids[0, 1:].to(logits.device), reduction="none")
    # in byte-level BPE every character of a token's name stands for one byte
    sizes = np.array([len(name) for name in loaded.tokenizer.convert_ids_to_tokens(ids[0, 1:].tolist())])
    return nll.cpu().numpy(), sizes


def by_position(rows: list[np.ndarray]) -> dict[str, float]:
    """Mean nll of the predicted tokens whose position lies in each band."""
    result = {}
    for first, last in itertools.pairwise(BANDS):
        values = np.concatenate([row[first - 1 : last - 1] for row in rows])
        if len(values):
            result[f"{first}-{last - 1}"] = float(values.mean())
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument(
        "--corpus", type=Path, required=True, help="the corpus it was trained on; the validation part is used"
    )
    parser.add_argument("--trials", type=int, default=10, help="questions per cell")
    parser.add_argument("--passages", type=int, default=100, help="passages per kind of text")
    parser.add_argument(
        "--card", action="store_true", help="write the figures and the model card into the model's folder"
    )
    options = parser.parse_args()
    loaded = load(options.model)
    _, validation = read_corpus(options.corpus)
    figures = {
        "retrieval": retrieval(loaded, validation, options.trials),
        "prose": prose(loaded, validation, options.passages),
    }
    print(card.tables(figures))
    if options.card:
        card.write(options.model, figures)


if __name__ == "__main__":
    main()
