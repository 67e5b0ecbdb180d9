"""Parameters of the methods for one model, chosen on texts of their own as LM-Infinite's authors did.

They go into `longsight.json` beside the weights, where `longsight.load` reads them.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from tqdm import tqdm

from longsight.methods import METHODS, Method
from longsight.models.model import Model
from training.corpus import Corpus
from training.inside import right
from training.past import KEY_ROOM, pass_keys
from training.questions import TrainingQuestion

FILE = "longsight.json"
CLEARLY = 0.05  # of all keys: so many more must a fixed pair find than the rule of thumb
FIRST_SEED = 100_000  # the measurement begins at 0
TOP_K = (5, 1, 20)  # the authors' choice first: of equal ones, the first is taken
PARTS = (1 / 2, 1 / 4, 3 / 4, 1)  # of the trained length, at which fetched tokens are presented
WINDOWS = (1 / 4, 1 / 8, 1 / 2)
GROUPS = (8, 16, 4, 32)


@dataclasses.dataclass(frozen=True)
class ChosenParameters:
    """Parameters, and how many of the pass keys they found at each length."""

    parameters: dict[str, int]
    found: tuple[int, ...]


def choose(model: Model, corpus: Corpus, lengths: Sequence[int], cases: int) -> dict[str, Any]:
    """What `longsight.json` holds: the parameters recommended for LM-Infinite and SelfExtend, and all that was tried.

    LM-Infinite: first the layer and the distance at five fetched tokens, then how many. SelfExtend: a fixed pair is
    recommended only where it clearly beats the authors' rule of thumb, which goes with the length of the text.
    """
    asked = [list(chain(*pass_keys(model, corpus, length, cases, FIRST_SEED))) for length in lengths]
    target = max(lengths)
    half = model.train_length // 2
    layers = [
        {"top_k": TOP_K[0], "from_layer": layer, "insert_at": int(model.train_length * part)}
        for part in PARTS
        for layer in reversed(range(model.hf.config.num_hidden_layers))  # of equal ones, where the fewest layers fetch
    ]
    tried = _try(model, asked, "lm-infinite", layers, target)
    best = _best(tried)
    tried += _try(model, asked, "lm-infinite", [best.parameters | {"top_k": k} for k in TOP_K[1:]], target)
    pairs = [
        {"group": group, "window": int(model.train_length * part)}
        for part in WINDOWS
        for group in GROUPS
        if (int(model.train_length * part)) % group == 0 and half >= group
    ]
    extended = _try(model, asked, "self-extend", [{}, *pairs], target)
    pair = clearly_best(extended, keys=sum(map(len, asked)))
    recommended = {"lm-infinite": _best(tried).parameters, "self-extend": pair.parameters}
    return {
        "recommended": {key: parameters for key, parameters in recommended.items() if parameters},
        "chosen": {
            "lengths": list(lengths),
            "each": len(asked[0]),
            "lm-infinite": [dataclasses.asdict(choice) for choice in tried],
            "self-extend": [dataclasses.asdict(choice) for choice in extended],
        },
    }


def write(folder: Path, chosen: dict[str, Any]) -> None:
    """Put the choice beside the weights."""
    (folder / FILE).write_text(json.dumps(chosen, indent=1) + "\n", encoding="utf-8")


def _try(
    model: Model, asked: list[list[TrainingQuestion]], key: str, options: list[dict[str, int]], target: int
) -> list[ChosenParameters]:
    bar = tqdm(options, desc=f"choosing for {key}")
    found = []
    for parameters in bar:
        method = _method(model, key, parameters, target)
        found.append(ChosenParameters(parameters, tuple(sum(right(model, each, method, KEY_ROOM)) for each in asked)))
    return found


def _method(model: Model, key: str, parameters: dict[str, int], target: int) -> Method:
    """A method with its rule of thumb, and some parameters changed."""
    return dataclasses.replace(METHODS[key].for_model(model.train_length, target), **parameters)


def clearly_best(choices: list[ChosenParameters], keys: int) -> ChosenParameters:
    """The first choice, unless another one found clearly more of the `keys`."""
    usual, best = choices[0], _best(choices)
    return best if sum(best.found) - sum(usual.found) > CLEARLY * keys else usual


def _best(choices: list[ChosenParameters]) -> ChosenParameters:
    """The first of those that found most."""
    return max(choices, key=lambda choice: sum(choice.found))
