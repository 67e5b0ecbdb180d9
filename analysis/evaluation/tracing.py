"""One trial looked into: where an answer came from."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from longsight.attention.observer import AttentionStep, Observer
from longsight.generation.decode import Sampling, decode
from longsight.generation.prefill import Chunk, Prefilled, forward_steps
from longsight.methods import Method
from longsight.models.model import Model
from longsight.progress import Progress

from ..diagnostics.attention_block import last_query
from ..diagnostics.observed import Observed
from ..diagnostics.reading import new_reading, token_texts
from ..export.records import array, value
from .tasks.base import tokenizer_of
from .tasks.hidden_key import KeyCase
from .tasks.passkey import Passkey


@dataclass(frozen=True, eq=False)
class TrialRecord(Observed):
    """A pass key trial: the prompt with its key, the answer, and where the model looked when it gave it.

    Step s is the query that brings forth token s of the answer; step 0 is the last token of the prompt.
    """

    expected: str = value("the value that was hidden")
    answer: str = value("what the model said")
    found: bool = value("whether that is right")
    depth: float = value("where the key was hidden: 0 at the beginning, 1 at the end")
    answering: int = value("the step that brings forth the answer's first digit; without one, the first step")
    token: np.ndarray = array("token", "text of the prompt's token")
    statement: np.ndarray = array("token", "whether the token belongs to the statement that holds the key")
    key: np.ndarray = array("token", "whether the token is one of the key's digits")
    read: np.ndarray = array("token", "whether the method reads the token at all")
    visible: np.ndarray = array("token", "whether the method's rule shows the token to the answering query")
    fetchable: np.ndarray = array("token", "whether the answering query could fetch the token by content")
    said: np.ndarray = array("step", "text of the answer's token")
    layer: np.ndarray = array("layer", "number of the layer, from 0")
    attention: np.ndarray = array("step layer head", "attention on the key's digits, fetched ones included", "share")
    fetched: np.ndarray = array("step layer head", "the part of it that goes to digits fetched by content", "share")

    @property
    def sight(self) -> str:
        """Whether the key can be seen at all, as a sentence."""
        away = self.n - int(np.flatnonzero(self.statement)[-1])
        if not self.read[self.key].all():
            return f"The key was never read: the method begins {self.unread:,} tokens into the text."
        seen = self.visible[self.key]
        if seen.all():
            return f"The key, {away:,} tokens before the answer, is visible under this method."
        if self.fetchable[self.key].all():
            most = self.fetched[self.answering].max()
            did = f"some head gives up to {most:.0%} to fetched digits" if most > 0 else "no head fetched it"
            return f"The key, {away:,} tokens before the answer, is hidden, but can be fetched by content: {did}."
        if seen.any() or self.fetchable[self.key].any():
            return (
                f"Only a part of what states the key, {away:,} tokens before the answer, is visible under this method."
            )
        return f"The key, {away:,} tokens before the answer, is not visible under this method."


def trace_steps(
    model: Model, method: Method, task: Passkey, case: KeyCase, chunk: Chunk = 512
) -> Generator[Progress[None], None, TrialRecord]:
    """Do one trial again, looking on while it is answered; yields after each chunk and each token, returns the record.

    Raises `LongSightError` when the method does not suit the model.
    """
    ids = model.check_ids(case.ids)
    unread = len(ids) - method.keeps(len(ids))
    text, cache = ids[unread:], model.seam.new_cache(method)
    cache.reserve(len(text))
    retrieval, end = method.retrieval, len(text) - 1
    if retrieval is not None:  # the last query with those that fetch together with it
        end = int(retrieval.begin(torch.tensor(end)))
    for done, _ in forward_steps(model, text[:end], cache, chunk, ends=False):
        yield Progress(done, len(text))
    watched = KeyWatch(torch.tensor(case.facts.tokens) - unread, model.seam.attending[0])
    logits = model.forward(text[end:], cache, retrieves=True, logits_to_keep=1, observer=watched)
    cache.ids.extend(text[end:].tolist())
    said: list[int] = []
    for token in decode(model, Prefilled(cache, logits[-1]), Sampling(max_new_tokens=task.room), watched):
        said.append(token)
        yield Progress(len(text), len(text))
    return _record(model, method, task, case, said, watched)


class KeyWatch(Observer):
    """Attention on some keys, of the last query of each step that is read while it looks on.

    `keys` are positions as the method counts them; those below 0 were never read. `first`: the first layer that
    attends.
    """

    def __init__(self, keys: torch.Tensor, first: int = 0) -> None:
        self.keys, self.first = keys, first
        self.steps: list[list[tuple[np.ndarray, np.ndarray]]] = []  # step, layer -> attention and fetched, (head,)

    def attention(self, step: AttentionStep) -> None:
        if step.layer == self.first:
            self.steps.append([])
        view = last_query(step)
        weights, keys = view.weights[:, 0], self.keys.to(view.j.device)
        ordinary = weights[:, : view.ordinary] * torch.isin(view.j[: view.ordinary], keys)
        fetched = weights.new_zeros(len(weights))
        if view.fetched is not None:
            fetched = (weights[:, view.ordinary :] * torch.isin(view.fetched, keys)).sum(-1)
        self.steps[-1].append(((ordinary.sum(-1) + fetched).float().cpu().numpy(), fetched.float().cpu().numpy()))


def _record(
    model: Model, method: Method, task: Passkey, case: KeyCase, said: list[int], watched: KeyWatch
) -> TrialRecord:
    reading = new_reading(model, case.ids, method)
    answer = tokenizer_of(model).decode(said, skip_special_tokens=True)
    texts = token_texts(model.tokenizer, torch.tensor(said, dtype=torch.int64))
    answering = next((n for n, text in enumerate(texts) if any(letter.isdigit() for letter in text)), 0)
    kept = watched.steps[: max(len(said), 1)]
    seen = np.array([[[layer[part] for layer in step] for step in kept] for part in (0, 1)])
    start, stop = case.facts.statement
    return TrialRecord(
        **reading.header(),
        **_sight(method, reading.n, reading.unread, answering),
        expected=case.answers[0],
        answer=answer,
        found=bool(task.score(case, answer)["found"]),
        depth=case.facts.depth,
        answering=answering,
        token=reading.tokens,
        statement=_marked(reading.n, range(start, stop)),
        key=_marked(reading.n, case.facts.tokens),
        said=texts if said else np.array([""]),
        layer=np.array(reading.attending),
        attention=seen[0],
        fetched=seen[1],
    )


def _sight(method: Method, n: int, unread: int, step: int) -> dict[str, Any]:
    """(token) what the query that brings forth token `step` of the answer may know of the prompt."""
    query, keys = torch.tensor(n - unread - 1 + step), torch.arange(n - unread)
    retrieval, never = method.retrieval, np.zeros(unread, dtype=bool)
    visible = method.visible(query, keys).numpy()
    fetchable = np.zeros(n - unread, bool) if retrieval is None else retrieval.fetchable(query, keys).numpy()
    return {
        "read": np.arange(n) >= unread,
        "visible": np.concatenate((never, visible)),
        "fetchable": np.concatenate((never, fetchable)),
    }


def _marked(n: int, positions: Any) -> np.ndarray:
    marked = np.zeros(n, dtype=bool)
    marked[list(positions)] = True
    return marked
