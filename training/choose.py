"""Parameters of the methods for one model, chosen on texts of their own as LM-Infinite's authors did.

They go into `longsight.json` beside the weights, where `longsight.load` reads them.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from analysis.diagnostics.retrieval_heads import retrieval_scores
from analysis.evaluation.report_parts import ReportPart, ReportTable
from analysis.runs.typed import quoted
from longsight.methods import METHODS
from longsight.methods.dpe import DPE
from longsight.methods.duo import Duo
from longsight.methods.infllm import InfLLM
from longsight.methods.lampe import LaMPE
from longsight.methods.lm_infinite import LMInfinite
from longsight.methods.reattention import ReAttention
from longsight.methods.self_extend import SelfExtend
from longsight.models.head_scores import words
from longsight.models.model import Model
from longsight.models.registry import Recommended

FILE = "longsight.json"
CLEARLY = 0.05  # of all keys: so many more must fixed parameters find than a rule of thumb
TOP_K = (5, 1, 20)  # the authors' choice first: of equal ones, the first is taken
PARTS = (1 / 2, 1 / 4, 3 / 4, 1)  # of the trained length, at which fetched tokens are presented
WINDOWS = (1 / 4, 1 / 8, 1 / 2)
GROUPS = (8, 16, 4, 32)
FETCHING_WINDOWS = (1 / 4, 1 / 2, 3 / 4)  # the rest of the trained length is for what is fetched
FETCHED = (1 / 32, 1 / 16, 1 / 8)  # of the trained length, fetched as one
HEADS, USES = (1 / 16, 1 / 8, 1 / 4), (1 / 4, 3 / 8, 1 / 2)
FULL_HEADS = (0, 1 / 20, 1 / 10, 1 / 4, 1 / 2, 3 / 4)  # shares: of equal ones, where the fewest heads see everything

Parameters = dict[str, int | str]

Measure = Callable[[Sequence[str], Sequence[int]], list[tuple[int, ...]]]
"""Methods as text, and lengths -> how many pass keys each of them finds, by length."""


@dataclasses.dataclass(frozen=True)
class ChosenParameters:
    """Parameters, and how many of the pass keys they found at each length; {} stands for a rule of thumb."""

    parameters: Parameters
    found: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class ParameterChoice:
    """What was tried, by method: at some `lengths`, DuoAttention at the `trained` length, with `each` keys at each."""

    lengths: tuple[int, ...]
    trained: int
    each: int
    tried: dict[str, tuple[ChosenParameters, ...]]

    @property
    def recommended(self) -> Recommended:
        """What is recommended, by method. Fixed parameters only where they clearly beat a rule of thumb, which goes
        with the length of the text."""
        keys = self.each * len(self.lengths)
        found = {
            key: (clearly_best(tried, keys) if key in BESIDE_A_RULE else _best(tried)).parameters
            for key, tried in self.tried.items()
        }
        return {key: parameters for key, parameters in found.items() if parameters}


def choose(model: Model, lengths: Sequence[int], each: int, measure: Measure) -> ParameterChoice:
    """Try parameters for LM-Infinite, DuoAttention and the methods that have a rule of thumb.

    LM-Infinite: first the layer and the distance at five fetched tokens, then how many. DuoAttention: so many of the
    heads that look back to what is repeated, with a window too short for most keys.
    """
    layers: list[Parameters] = [
        {"top_k": TOP_K[0], "from_layer": layer, "insert_at": int(model.train_length * part)}
        for part in PARTS
        for layer in reversed(range(model.hf.config.num_hidden_layers))  # of equal ones, where the fewest layers fetch
    ]
    tried = {LMInfinite.key: _try(LMInfinite.key, layers, layers, lengths, measure)}
    best = _best(tried[LMInfinite.key]).parameters
    more: list[Parameters] = [best | {"top_k": k} for k in TOP_K[1:]]
    tried[LMInfinite.key] += _try(LMInfinite.key, more, more, lengths, measure)
    for key, options in BESIDE_A_RULE.items():
        fixed = list(options(model.train_length))
        usual = METHODS[key].for_model(model.train_length, max(lengths))
        spelled = {name: getattr(usual, name) for name in fixed[0]}  # not what the model now recommends
        tried[key] = _try(key, [{}, *fixed], [spelled, *fixed], lengths, measure)
    heads, trained = duo_choices(model), model.train_length  # past it, full heads are told distances that are unseen
    tried[Duo.key] = _try(Duo.key, heads, heads, [trained], measure)
    return ParameterChoice(tuple(lengths), trained, each, {key: tuple(found) for key, found in tried.items()})


def _self_extend(length: int) -> Iterator[Parameters]:
    for window in _parts(WINDOWS, length):
        for group in GROUPS:
            if window % group == 0 and length // 2 >= group:
                yield {"group": group, "window": window}


def _dpe(length: int) -> Iterator[Parameters]:
    """As its rule of thumb: twice the group for the third quarter of the frequencies."""
    for window in _parts(WINDOWS, length):
        for group in GROUPS:
            if window % (2 * group) == 0:
                yield {"groups": f"{group} {group} {2 * group} {group}", "window": window}


def _lampe(length: int) -> Iterator[Parameters]:
    for head in _parts(HEADS, length):
        for use in _parts(USES, length):
            yield {"head": head, "use": use}


def _infllm(length: int) -> Iterator[Parameters]:
    """Windows, and blocks that fill the rest."""
    for window in _parts(FETCHING_WINDOWS, length):
        for block in _parts(FETCHED, length):
            yield {"window": window, "block": block, "top_k": (length - window) // block, "queries": window // 2}


def _reattention(length: int) -> Iterator[Parameters]:
    """Windows, and surroundings that fill the rest."""
    starting = ReAttention.for_model(length, length).starting
    for local in _parts(FETCHING_WINDOWS, length):
        for span in _parts(FETCHED, length):
            align, most = local // 8, (length - local - starting) // span
            yield {"local": local, "span": span, "most": most, "queries": local - align, "align": align}


def _parts(parts: Sequence[float], length: int) -> list[int]:
    return [int(length * part) for part in parts]


BESIDE_A_RULE: dict[str, Callable[[int], Iterator[Parameters]]] = {
    SelfExtend.key: _self_extend,
    DPE.key: _dpe,
    LaMPE.key: _lampe,
    InfLLM.key: _infllm,
    ReAttention.key: _reattention,
}
"""Methods with a rule of thumb -> what is tried beside it, for a trained length."""

TRIED = {LMInfinite.key, Duo.key, *BESIDE_A_RULE}
"""The methods that parameters are chosen for."""


def duo_choices(model: Model) -> list[Parameters]:
    """DuoAttention with more and more full heads, those first that retrieve most."""
    scores, window = retrieval_scores(model), model.train_length // 4
    heads = dict.fromkeys(words(scores, share) for share in FULL_HEADS)
    return [{"window": window, "starting": window // 4, "heads": chosen} for chosen in heads]


def _try(
    key: str, options: Sequence[Parameters], spelled: Sequence[Parameters],
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
    tried |= {key: [dataclasses.asdict(each) for each in found] for key, found in choice.tried.items()}
    held = {"recommended": choice.recommended, "chosen": tried}
    (folder / FILE).write_text(json.dumps(held, indent=1) + "\n", encoding="utf-8")


def read(folder: Path) -> ParameterChoice | None:
    """What `write` wrote; None where nothing was chosen yet."""
    path = folder / FILE
    held: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")).get("chosen", {}) if path.exists() else {}
    if not held:
        return None
    tried = {
        key: tuple(ChosenParameters(each["parameters"], tuple(each["found"])) for each in held[key])
        for key in METHODS
        if key in held
    }
    return ParameterChoice(tuple(held["lengths"]), held["trained"], held["each"], tried)


def part(choice: ParameterChoice) -> ReportPart:
    """What was tried, for the card."""
    lengths = " and ".join(f"{length:,}" for length in choice.lengths)
    body = [
        (key, ", ".join(f"{name} {value}" for name, value in each.parameters.items()) or "rule of thumb",
         " + ".join(map(str, each.found)))
        for key, tried in choice.tried.items()
        for each in tried
    ]  # fmt: skip
    return ReportPart(
        "Parameters",
        f"They were chosen by pass keys found, of {choice.each} at {lengths} tokens, with keys and places that are not "
        f"among those measured above; for {Duo.key} at {choice.trained:,} tokens, as it reaches no further.",
        [ReportTable("What was tried", ("method", "parameters", "found"), tuple(body))],
    )
