"""What the passkey panel does for a visitor, apart from the page: a grid asked for, checked, shown, saved, read."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from analysis.evaluation.grid_figure import grid_figure
from analysis.evaluation.passkey_grid import MOST, TrialGrid, new_grid
from analysis.evaluation.tasks.passkey import CHAT, COMPLETION, Passkey
from analysis.evaluation.tasks.passkey import OWN as OWN_PROMPT
from analysis.evaluation.tasks.texts import HIDDEN, PAPER, PROSE
from analysis.export.files import file_of, from_json
from analysis.runs import Run, typed
from app.session import document_loading, finished_examples, given_numbers, progress_view
from app.session.sessions import Session
from app.session.shown_grid import ShownGrid
from longsight.errors import LongSightError
from longsight.methods import Method
from longsight.models.model import Model

OWN = "own"
FILLERS = {PAPER: "The papers' text", PROSE: "A novel", OWN: "The document in the side"}
PROMPTS = {
    OWN_PROMPT: "The model's own way",
    COMPLETION: "A text to complete, as in the papers",
    CHAT: "A question in its chat",
}
LENGTHS = (64, 131_072)
MOST_TRIALS = 5_000
MOST_SEED = 2**32 - 1
MOST_TYPED = 200  # characters in a box
MOST_FILE = 5_000_000


@dataclass(frozen=True)
class GridSettings:
    """What the controls of a grid hold: anything, until `make_request` has checked it.

    `lengths` [tokens] and `depths` [percent] as they are typed, `trials` per cell, a `filler`, a `seed` and a `prompt`.
    """

    lengths: Any
    depths: Any
    trials: Any
    filler: Any
    seed: Any
    prompt: Any = OWN_PROMPT


@dataclass(frozen=True)
class GridRequest:
    """A grid to be run, checked; `text` is the visitor's own, cleared of the keys that ours have in them."""

    model: Model
    runs: tuple[Run, ...]
    grid: TrialGrid
    text: str | None


def known(session: Session, model_name: str) -> ShownGrid | None:
    """The visitor's grid, or the finished example of the model; None without either."""
    if session.grid is not None:
        return session.grid
    example = finished_examples.grid(model_name)
    return None if example is None else ShownGrid(example)


def current(session: Session, model_name: str) -> ShownGrid:
    """The grid that the visitor sees. Raises `LongSightError` where none is shown."""
    found = known(session, model_name)
    if found is None:
        raise LongSightError(f"No keys were looked for with {model_name} yet; press Run first.")
    return found


def read_numbers(name: str, given: Any, low: int, high: int, most: int) -> tuple[int, ...]:
    """Rising numbers from a box, each once. Raises `LongSightError` on anything else."""
    if not isinstance(given, str) or len(given) > MOST_TYPED:
        raise LongSightError(f"{name} must be a text of at most {MOST_TYPED} characters.")
    numbers = sorted({given_numbers.whole(name, number, low, high) for number in typed.numbers(name, given) or ()})
    if not 1 <= len(numbers) <= most:
        raise LongSightError(f"1 to {most} {name.lower()} can be shown, but {len(numbers) or 'none'} were given.")
    return tuple(numbers)


def read_lengths(given: Any) -> tuple[int, ...]:
    """Lengths of prompts [tokens]."""
    return read_numbers("Lengths", given, *LENGTHS, MOST["length"])


def read_depths(given: Any) -> tuple[int, ...]:
    """Depths of the key [percent]."""
    return read_numbers("Depths", given, 0, 100, MOST["depth"])


def read_trials(given: Any) -> int:
    """Trials in a cell."""
    return given_numbers.whole("Trials", given, 1, MOST["trial"])


def read_seed(given: Any) -> int:
    """What keys and places are drawn from."""
    return given_numbers.whole("Seed", given, 0, MOST_SEED)


def read_filler(given: Any) -> str:
    if not isinstance(given, str) or given not in FILLERS:
        raise LongSightError(f"There is no filler {given!r}; there are {', '.join(FILLERS)}.")
    return str(given)


def read_prompt(given: Any) -> str:
    if not isinstance(given, str) or given not in PROMPTS:
        raise LongSightError(f"There is no prompt {given!r}; there are {', '.join(PROMPTS)}.")
    return str(given)


def own_text(session: Session) -> str:
    """The visitor's document, without the pass keys that the example documents have in them."""
    session.check_kept()
    if session.document is None:
        raise LongSightError("There is no document to hide keys in; choose or upload one, or take another filler.")
    return HIDDEN.sub("", session.document.text)


def make_request(session: Session, model: Model, methods: Sequence[Method], asked: GridSettings) -> GridRequest:
    """Raises `LongSightError` where the settings that are `asked` for make no grid."""
    lengths, depths, filler = read_lengths(asked.lengths), read_depths(asked.depths), read_filler(asked.filler)
    trials, seed = read_trials(asked.trials), read_seed(asked.seed)
    count = len(methods) * len(lengths) * len(depths) * trials
    if count > MOST_TRIALS:
        raise LongSightError(f"That makes {count:,} trials; up to {MOST_TRIALS:,} are run at once. Ask for fewer.")
    text = own_text(session) if filler == OWN else None
    tokens = document_loading.token_count(session, model)
    if text is not None and 0 < tokens < lengths[-1]:
        raise LongSightError(
            f"The document has {tokens:,} tokens, too few for a prompt of {lengths[-1]:,}; "
            "give a longer one, choose smaller lengths or another filler."
        )
    task = Passkey(filler=PROSE if filler == PROSE else PAPER, prompt=read_prompt(asked.prompt))
    name = session.document.name if text is not None and session.document is not None else ""
    shares = [depth / 100 for depth in depths]
    grid = new_grid(model, task, methods, lengths, shares, trials, seed, text, name)
    return GridRequest(model, grid.runs(), grid, text)


def continued(session: Session, request: GridRequest) -> TrialGrid:
    """The visitor's grid where it asks the same, with all that was answered; else the one asked for."""
    mine = session.grid
    return mine.grid if mine is not None and mine.grid.asks_like(request.grid) else request.grid


def side_view(mine: ShownGrid, number: int, working: str = "", part: float = 0.0) -> str:
    """How far the run at place `number` is and what it answered last, as HTML; `working`: the id of the one at work."""
    run, found = mine.grid.runs()[number], mine.grid.found[number]
    done = int(np.isfinite(found).sum())
    said = f"{int(np.nansum(found)):,} found in {done:,} of {found.size:,} trials" if done else "nothing done yet"
    if run.id in mine.latest:
        place = mine.latest[run.id]
        answer = str(mine.grid.said[place]).strip() or "nothing"
        said += f"; of {mine.grid.expected[place[1:]]} it said “{answer}”"
    state = "working" if run.id == working else "failed" if run.id in mine.problems else "done"
    return progress_view.side_view(run, state, said, mine.problems.get(run.id, ""), part)


def settings(grid: TrialGrid) -> GridSettings:
    """What the controls have to hold for this grid."""
    lengths, depths = map(str, grid.length.tolist()), (f"{100 * depth:.0f}" for depth in grid.depth.tolist())
    filler = OWN if grid.digest else grid.passkey().filler
    prompt = grid.passkey().prompt
    return GridSettings(", ".join(lengths), ", ".join(depths), len(grid.trial), filler, grid.seed, prompt)


def about(grid: TrialGrid) -> str:
    """What was run, in one line of HTML."""
    source = grid.text or FILLERS[grid.passkey().filler]
    trials = f"{len(grid.trial)} per cell"
    run = trials if grid.finished else f"{grid.done:,} of {grid.found.size:,} trials, {trials}"
    parts = [grid.model, source, prompt_of(grid), run, f"seed {grid.seed}"]
    return html.escape(" · ".join(parts))


def prompt_of(grid: TrialGrid) -> str:
    """How the model was asked, in words; what was run before there was a choice was asked in a chat."""
    return "a text to complete" if grid.passkey().prompt == COMPLETION else "asked in its chat"


def run_figure(grid: TrialGrid, number: int) -> go.Figure:
    """The grid of the run at place `number`, its limits named; x and y of a cell: the places of length and depth."""
    record = grid.of_method(number)
    figure = grid_figure([record])
    limits = [limits[-1] for limits in (record.reach, record.sight) if limits[-1] < record.length[-1]]
    figure.layout.annotations = [
        {"text": f"{limit:,.0f}", "x": line.x0, "y": 1, "yref": "paper", "yanchor": "bottom", "showarrow": False}
        for limit, line in zip(limits, figure.layout.shapes, strict=True)
    ]
    figure.update_yaxes(title_standoff=6)
    figure.update_coloraxes(colorbar={"orientation": "h", "y": 0, "yref": "container", "yanchor": "bottom", "len": 1,
                                      "title": {"text": "found", "side": "right"}})  # fmt: skip
    return figure.update_layout(
        title=None, dragmode=False, showlegend=False,
        height=150 + 40 * max(len(grid.depth), 3), margin={"l": 72, "r": 8, "t": 28, "b": 98},
    )  # fmt: skip


def files(kind: str, session: Session, model_name: str) -> tuple[str, dict[str, bytes]]:
    """The grid that the visitor sees as a file of a format."""
    return "passkey", {f"longsight-passkey.{kind}": file_of(current(session, model_name).grid, kind)}


def read_grid(content: bytes) -> TrialGrid:
    """A grid that was saved here as JSON. Raises `LongSightError`, in a sentence, on any other file."""
    grid = from_json(TrialGrid, content)
    if grid.passkey().filler not in (PAPER, PROSE):
        raise LongSightError("The file asks for a text of the server's; only the fillers of this page are read.")
    if (grid.length > LENGTHS[1]).any():
        raise LongSightError(f"The file asks for {grid.length.max():,} tokens; up to {LENGTHS[1]:,} are read here.")
    return grid
