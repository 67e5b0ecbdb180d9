"""Parameters of the methods for one model, chosen on texts of their own as LM-Infinite's authors did.

They go into `longsight.json` beside the weights, where `longsight.load` reads them.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from analysis.diagnostics.retrieval_heads import retrieval_scores
from analysis.evaluation.report_parts import ReportPart, ReportTable
from analysis.runs.typed import quoted
from longsight.methods import METHODS
from longsight.methods.duo import Duo
from longsight.methods.lm_infinite import LMInfinite
from longsight.methods.self_extend import SelfExtend
from longsight.models.head_scores import words
from longsight.models.model import Model
from longsight.models.registry import Recommended

FILE = "longsight.json"
CLEARLY = 0.05  # of all keys: so many more must a fixed pair find than the rule of thumb
TOP_K = (5, 1, 20)  # the authors' choice first: of equal ones, the first is taken
PARTS = (1 / 2, 1 / 4, 3 / 4, 1)  # of the trained length, at which fetched tokens are presented
WINDOWS = (1 / 4, 1 / 8, 1 / 2)
GROUPS = (8, 16, 4, 32)
FULL_HEADS = (0, 1 / 20, 1 / 10, 1 / 4, 1 / 2, 3 / 4)  # shares: of equal ones, where the fewest heads see everything

Measure = Callable[[Sequence[str], Sequence[int]], list[tuple[int, ...]]]
"""Methods as text, and lengths -> how many pass keys each of them finds, by length."""


@dataclasses.dataclass(frozen=True)
class ChosenParameters:
    """Parameters, and how many of the pass keys they found at each length."""

    parameters: dict[str, int | str]
    found: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class ParameterChoice:
    """What was tried at some `lengths`, DuoAttention at the `trained` length, with `each` keys at each; {} stands for
    SelfExtend's rule of thumb."""

    lengths: tuple[int, ...]
    trained: int
    each: int
    lm_infinite: tuple[ChosenParameters, ...]
    self_extend: tuple[ChosenParameters, ...]
    duo: tuple[ChosenParameters, ...]

    @property
    def recommended(self) -> Recommended:
        """What is recommended, by method. A fixed pair for SelfExtend only where it clearly beats the authors' rule of
        thumb, which goes with the length of the text."""
        pair = clearly_best(self.self_extend, keys=self.each * len(self.lengths))
        found = {
            LMInfinite.key: _best(self.lm_infinite).parameters,
            SelfExtend.key: pair.parameters,
            Duo.key: _best(self.duo).parameters,
        }
        return {key: parameters for key, parameters in found.items() if parameters}


def choose(model: Model, lengths: Sequence[int], each: int, measure: Measure) -> ParameterChoice:
    """Try parameters for LM-Infinite, SelfExtend and DuoAttention.

    LM-Infinite: first the layer and the distance at five fetched tokens, then how many. DuoAttention: so many of the
    heads that look back to what is repeated, with a window too short for most keys.
    """
    layers: list[dict[str, int | str]] = [
        {"top_k": TOP_K[0], "from_layer": layer, "insert_at": int(model.train_length * part)}
        for part in PARTS
        for layer in reversed(range(model.hf.config.num_hidden_layers))  # of equal ones, where the fewest layers fetch
    ]
    tried = _try(LMInfinite.key, layers, layers, lengths, measure)
    best = _best(tried).parameters
    more = [best | {"top_k": k} for k in TOP_K[1:]]
    tried += _try(LMInfinite.key, more, more, lengths, measure)
    pairs: list[dict[str, int | str]] = [
        {"group": group, "window": int(model.train_length * part)}
        for part in WINDOWS
        for group in GROUPS
        if int(model.train_length * part) % group == 0 and model.train_length // 2 >= group
    ]
    usual = METHODS[SelfExtend.key].for_model(model.train_length, max(lengths))
    spelled = {name: getattr(usual, name) for name in ("group", "window")}  # not what the model now recommends
    extended = _try(SelfExtend.key, [{}, *pairs], [spelled, *pairs], lengths, measure)
    heads, trained = duo_choices(model), model.train_length  # past it, full heads are told distances that are unseen
    split = _try(Duo.key, heads, heads, [trained], measure)
    return ParameterChoice(tuple(lengths), trained, each, tuple(tried), tuple(extended), tuple(split))


def duo_choices(model: Model) -> list[dict[str, int | str]]:
    """DuoAttention with more and more full heads, those first that retrieve most."""
    scores, window = retrieval_scores(model), model.train_length // 4
    heads = dict.fromkeys(words(scores, share) for share in FULL_HEADS)
    return [{"window": window, "starting": window // 4, "heads": chosen} for chosen in heads]


def _try(
    key: str, options: Sequence[dict[str, int | str]], spelled: Sequence[dict[str, int | str]],
    lengths: Sequence[int], measure: Measure,
) -> list[ChosenParameters]:  # fmt: skip
    """Each of the options, which as text are `spelled`."""
    methods = [f"{key}:{','.join(f'{name}={quoted(value)}' for name, value in each.items())}" for each in spelled]
    return [ChosenParameters(each, found) for each, found in zip(options, measure(methods, lengths), strict=True)]


def clearly_best(choices: Sequence[ChosenParameters], keys: int) -> ChosenParameters:
    """The first choice, unless another one found clearly more of the `keys`."""
    usual, best = choices[0], _best(choices)
    return best if sum(best.found) - sum(usual.found) > CLEARLY * keys else usual


def _best(choices: Sequence[ChosenParameters]) -> ChosenParameters:
    """The first of those that found most."""
    return max(choices, key=lambda choice: sum(choice.found))


def write(folder: Path, choice: ParameterChoice) -> None:
    """Put the choice beside the weights."""
    tried: dict[str, Any] = {"lengths": choice.lengths, "trained": choice.trained, "each": choice.each}
    tried |= {key: [dataclasses.asdict(each) for each in found] for key, found in _by_key(choice).items()}
    held = {"recommended": choice.recommended, "chosen": tried}
    (folder / FILE).write_text(json.dumps(held, indent=1) + "\n", encoding="utf-8")


def _by_key(choice: ParameterChoice) -> dict[str, tuple[ChosenParameters, ...]]:
    """What was tried, by method, in the order of its fields."""
    return {LMInfinite.key: choice.lm_infinite, SelfExtend.key: choice.self_extend, Duo.key: choice.duo}


def read(folder: Path) -> ParameterChoice | None:
    """What `write` wrote; None where nothing was chosen yet."""
    path = folder / FILE
    tried: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")).get("chosen", {}) if path.exists() else {}
    if not tried:
        return None
    kinds = (
        tuple(ChosenParameters(each["parameters"], tuple(each["found"])) for each in tried[key])
        for key in (LMInfinite.key, SelfExtend.key, Duo.key)
    )
    return ParameterChoice(tuple(tried["lengths"]), tried["trained"], tried["each"], *kinds)


def part(choice: ParameterChoice) -> ReportPart:
    """What was tried, for the card."""
    lengths = " and ".join(f"{length:,}" for length in choice.lengths)
    body = [
        (key, ", ".join(f"{name} {value}" for name, value in each.parameters.items()) or "rule of thumb",
         " + ".join(map(str, each.found)))
        for key, tried in _by_key(choice).items()
        for each in tried
    ]  # fmt: skip
    return ReportPart(
        "Parameters",
        f"They were chosen by pass keys found, of {choice.each} at {lengths} tokens, with keys and places that are not "
        f"among those measured above; for {Duo.key} at {choice.trained:,} tokens, as it reaches no further.",
        [ReportTable("What was tried", ("method", "parameters", "found"), tuple(body))],
    )
