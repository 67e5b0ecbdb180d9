"""Parameters of the methods for one model, chosen on texts of their own as LM-Infinite's authors did.

They go into `longsight.json` beside the weights, where `longsight.load` reads them.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from analysis.evaluation.report_parts import ReportPart, ReportTable
from longsight.methods import METHODS
from longsight.methods.lm_infinite import LMInfinite
from longsight.methods.self_extend import SelfExtend
from longsight.models.model import Model

FILE = "longsight.json"
CLEARLY = 0.05  # of all keys: so many more must a fixed pair find than the rule of thumb
TOP_K = (5, 1, 20)  # the authors' choice first: of equal ones, the first is taken
PARTS = (1 / 2, 1 / 4, 3 / 4, 1)  # of the trained length, at which fetched tokens are presented
WINDOWS = (1 / 4, 1 / 8, 1 / 2)
GROUPS = (8, 16, 4, 32)

Measure = Callable[[Sequence[str]], list[tuple[int, ...]]]
"""Methods as text -> how many pass keys each of them finds, by length."""


@dataclasses.dataclass(frozen=True)
class ChosenParameters:
    """Parameters, and how many of the pass keys they found at each length."""

    parameters: dict[str, int]
    found: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class ParameterChoice:
    """What was tried at some `lengths` with `each` keys at each; {} stands for SelfExtend's rule of thumb."""

    lengths: tuple[int, ...]
    each: int
    lm_infinite: tuple[ChosenParameters, ...]
    self_extend: tuple[ChosenParameters, ...]

    @property
    def recommended(self) -> dict[str, dict[str, int]]:
        """What is recommended, by method. A fixed pair for SelfExtend only where it clearly beats the authors' rule of
        thumb, which goes with the length of the text."""
        pair = clearly_best(self.self_extend, keys=self.each * len(self.lengths))
        found = {LMInfinite.key: _best(self.lm_infinite).parameters, SelfExtend.key: pair.parameters}
        return {key: parameters for key, parameters in found.items() if parameters}


def choose(model: Model, lengths: Sequence[int], each: int, measure: Measure) -> ParameterChoice:
    """Try parameters for LM-Infinite and SelfExtend.

    LM-Infinite: first the layer and the distance at five fetched tokens, then how many.
    """
    layers = [
        {"top_k": TOP_K[0], "from_layer": layer, "insert_at": int(model.train_length * part)}
        for part in PARTS
        for layer in reversed(range(model.hf.config.num_hidden_layers))  # of equal ones, where the fewest layers fetch
    ]
    tried = _try(LMInfinite.key, layers, layers, measure)
    best = _best(tried).parameters
    more = [best | {"top_k": k} for k in TOP_K[1:]]
    tried += _try(LMInfinite.key, more, more, measure)
    pairs = [
        {"group": group, "window": int(model.train_length * part)}
        for part in WINDOWS
        for group in GROUPS
        if int(model.train_length * part) % group == 0 and model.train_length // 2 >= group
    ]
    usual = METHODS[SelfExtend.key].for_model(model.train_length, max(lengths))
    spelled = {name: getattr(usual, name) for name in ("group", "window")}  # not what the model now recommends
    extended = _try(SelfExtend.key, [{}, *pairs], [spelled, *pairs], measure)
    return ParameterChoice(tuple(lengths), each, tuple(tried), tuple(extended))


def _try(
    key: str, options: Sequence[dict[str, int]], spelled: Sequence[dict[str, int]], measure: Measure
) -> list[ChosenParameters]:
    """Each of the options, which as text are `spelled`."""
    methods = [f"{key}:{','.join(f'{name}={value}' for name, value in each.items())}" for each in spelled]
    return [ChosenParameters(each, found) for each, found in zip(options, measure(methods), strict=True)]


def clearly_best(choices: Sequence[ChosenParameters], keys: int) -> ChosenParameters:
    """The first choice, unless another one found clearly more of the `keys`."""
    usual, best = choices[0], _best(choices)
    return best if sum(best.found) - sum(usual.found) > CLEARLY * keys else usual


def _best(choices: Sequence[ChosenParameters]) -> ChosenParameters:
    """The first of those that found most."""
    return max(choices, key=lambda choice: sum(choice.found))


def write(folder: Path, choice: ParameterChoice) -> None:
    """Put the choice beside the weights."""
    tried = {
        "lengths": choice.lengths,
        "each": choice.each,
        LMInfinite.key: [dataclasses.asdict(each) for each in choice.lm_infinite],
        SelfExtend.key: [dataclasses.asdict(each) for each in choice.self_extend],
    }
    held = {"recommended": choice.recommended, "chosen": tried}
    (folder / FILE).write_text(json.dumps(held, indent=1) + "\n", encoding="utf-8")


def read(folder: Path) -> ParameterChoice | None:
    """What `write` wrote; None where nothing was chosen yet."""
    path = folder / FILE
    tried: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")).get("chosen", {}) if path.exists() else {}
    if not tried:
        return None
    kinds = (
        tuple(ChosenParameters(each["parameters"], tuple(each["found"])) for each in tried[key])
        for key in (LMInfinite.key, SelfExtend.key)
    )
    return ParameterChoice(tuple(tried["lengths"]), tried["each"], *kinds)


def part(choice: ParameterChoice) -> ReportPart:
    """What was tried, for the card."""
    lengths = " and ".join(f"{length:,}" for length in choice.lengths)
    body = [
        (key, ", ".join(f"{name} {value}" for name, value in each.parameters.items()) or "rule of thumb",
         " + ".join(map(str, each.found)))
        for key, tried in ((LMInfinite.key, choice.lm_infinite), (SelfExtend.key, choice.self_extend))
        for each in tried
    ]  # fmt: skip
    return ReportPart(
        "Parameters",
        f"They were chosen by pass keys found, of {choice.each} at {lengths} tokens, with keys and places that are not "
        "among those measured above.",
        [ReportTable("What was tried", ("method", "parameters", "found"), tuple(body))],
    )
