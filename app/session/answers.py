"""One question, answered by several methods side by side: a generator that yields after every chunk and every token.

Each method has its own memory of the conversation (`Speaker`) and its own place on the page (`Answer`). The methods
share the device fairly: whichever has used the least time goes next, so a fast one need not wait for a slow one.
"""

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from analysis.diagnostics import failure_message
from analysis.runs import Run
from app.session import devices, estimate, transcript
from app.session.attended_passages import AnswerWatch, Passage
from app.session.cache_pool import pool
from app.session.estimate import Forecast
from app.session.transcript import Exchange
from longsight.attention.kv_cache import Cache
from longsight.generation.decode import Sampling, decode
from longsight.generation.prefill import Prefilled, StepSize, prefill_steps
from longsight.generation.prompt import TextStream
from longsight.generation.text_encoding import EncodedText
from longsight.methods import Method
from longsight.models.model import Model


@dataclass
class Answer:
    """What one method has to show for one question."""

    run: Run
    state: str = "waiting"
    text: str = ""
    error: str = ""
    reused: int = 0  # tokens read in earlier turns
    total: int = 0  # tokens to read now
    done: int = 0
    read_seconds: float = 0.0
    left_seconds: float | None = None  # of reading, by forecast
    answer_seconds: float | None = None  # of writing the longest answer, by forecast
    was_read: bool = False  # to the end
    written: int = 0
    write_seconds: float = 0.0
    cache_bytes: int = 0
    passages: list[Passage] = field(default_factory=list)  # of the document, that its heads attended to
    unseen: int = 0  # turns of the conversation before that whoever speaks knows nothing of

    WAITING, READING, WRITING, DONE, STOPPED, FAILED = "waiting", "reading", "writing", "done", "stopped", "failed"

    @property
    def finished(self) -> bool:
        return self.state in (self.DONE, self.STOPPED, self.FAILED)

    @property
    def unread(self) -> float:
        """The part, 0 to 1, that is still to be read."""
        return 1 - self.done / self.total if self.total else 1.0

    @property
    def reading_left(self) -> float | None:
        """Forecast of the device's time that reading still needs; None where nobody knows."""
        return self.left_seconds if self.state in (self.WAITING, self.READING) else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Forecast of the device's time that is still needed; None where nobody knows."""
        reading = self.reading_left
        if reading is None or self.answer_seconds is None or self.finished:
            return 0.0 if self.finished else None
        return reading + max(self.answer_seconds - self.write_seconds, 0.0)

    def learn(self, model: Model) -> None:
        """How long it took is known from now on."""
        if self.was_read and self.done:
            Forecast(model, self.run.method, self.reused + self.total, self.reused).learn(self.read_seconds)
        if self.state == self.DONE and self.written:
            estimate.speed(model, estimate.WRITING).add(self.written, 0.0, self.write_seconds)

    def stop(self) -> None:
        self.state = self.STOPPED
        if self.written == 0:
            self.cache_bytes = 0

    def fail(self, sentence: str) -> None:
        self.state, self.error, self.cache_bytes = self.FAILED, sentence, 0


@dataclass(eq=False)
class Speaker:
    """One method's side of a conversation: what was asked and answered so far, and the cache that remembers it.

    `method`: with the parameters that it spoke with last.
    """

    method: Method
    exchanges: list[Exchange] = field(default_factory=list)
    cache: Cache | None = None

    def unseen(self, turns: int) -> int:
        """How many of the `turns` of a conversation it took no part in."""
        return max(turns - len(self.exchanges), 0)

    @property
    def nbytes(self) -> int:
        cache = self.cache
        return 0 if cache is None else cache.nbytes

    def remembers(self, method: Method) -> int:
        """Tokens that it has read already as `method` would."""
        return self.cache.length if self.cache is not None and self.cache.method == method else 0

    def free(self) -> None:
        self.cache = None

    def steps(
        self, model: Model, document: EncodedText | None, question: str, cell: Answer, sampling: Sampling
    ) -> Generator[None, None, None]:
        """Read what is new, then write the answer into `cell`; yields after each chunk and each token.

        Closed while reading it frees its cache; closed while writing it keeps what was written.
        """
        self.method = method = cell.run.method
        prompt = transcript.make_prompt(model.tokenizer, document, self.exchanges, question)
        ids, watch = prompt.ids, AnswerWatch(model.seam.attending[0])
        cache = self._reusable(ids)
        self.free()
        tokens, held = len(ids) + sampling.max_new_tokens, cache.nbytes if cache else 0
        method.check_length(tokens)
        if not estimate.fits(model, method, tokens, held):
            pool.clear()
        estimate.check_memory(model, method, tokens, held)
        needed = model.cache_bytes(method, tokens) - held
        with estimate.claimed(model.device, lambda: int(needed * cell.unread)):
            prefilled = yield from self._read(model, ids, cache, cell, sampling.max_new_tokens)
        prefilled.cache.turns = estimate.fits(model, method, tokens, prefilled.cache.nbytes, writing=True)
        answer: list[int] = []
        skipped = len(ids) - prefilled.cache.length
        stream = TextStream(model.tokenizer)
        cell.state, start, watched = Answer.WRITING, time.perf_counter(), 0.0  # looking on is not writing
        try:
            for token in decode(model, prefilled, sampling, watch if document is not None else None):
                answer.append(token)
                cell.text += stream.push(token)
                cell.written, cell.cache_bytes = len(answer), prefilled.cache.nbytes
                cell.write_seconds += time.perf_counter() - start - watch.seconds + watched
                yield
                start, watched = time.perf_counter(), watch.seconds
            cell.state, cell.cache_bytes = Answer.DONE, prefilled.cache.nbytes  # turned keys are gone
        finally:
            cell.text += stream.finish()
            cell.passages = [] if document is None else watch.passages(document.text, prompt.starts, skipped)
            self.cache = prefilled.cache
            pool.put(self, devices.free_bytes(model.device))
            self.exchanges.append(Exchange(question, answer))

    def _read(
        self, model: Model, ids: np.ndarray, cache: Cache | None, cell: Answer, room: int
    ) -> Generator[None, None, Prefilled]:
        cell.state, cell.reused = Answer.READING, cache.length if cache else 0
        forecast = Forecast(model, self.method, len(ids), cell.reused)
        cell.total, cell.left_seconds = forecast.tokens, forecast.seconds
        steps = prefill_steps(model, torch.from_numpy(ids[cell.reused :]), self.method, cache, StepSize(), room)
        start = time.perf_counter()
        try:
            while True:
                progress = next(steps)
                cell.done, cell.total = progress.done, progress.total
                cell.read_seconds += time.perf_counter() - start
                cell.left_seconds = forecast.left(cell.done, cell.read_seconds)
                yield
                start = time.perf_counter()
        except StopIteration as finished:
            cell.was_read = True
            cell.cache_bytes = finished.value.cache.nbytes
            return finished.value
        finally:
            steps.close()

    def _reusable(self, ids: np.ndarray) -> Cache | None:
        """The cache, if this very method filled it with exactly the beginning of `ids` and something new follows."""
        cache = self.cache
        if cache is None or cache.method != self.method or not 0 < cache.length < len(ids):
            return None
        read = np.array(cache.ids, dtype=np.int64)
        return cache if np.array_equal(read, ids[: len(read)]) and cache.length == len(read) else None


def seconds_left(cells: Sequence[Answer]) -> float | None:
    """Forecast of the device's time that all still need together; None where nobody knows."""
    return estimate.total(cell.seconds_left for cell in cells)


def wordless(cells: Sequence[Answer]) -> bool:
    """Whether nothing is written yet."""
    return not any(cell.written for cell in cells)


def answer_steps(
    model: Model,
    document: EncodedText | None,
    question: str,
    sides: Sequence[tuple[Speaker, Answer]],
    sampling: Sampling,
    stopped: Callable[[], bool] = lambda: False,
) -> Generator[None, None, None]:
    """Let all sides answer; yields after each step of any. The device must be held by the caller.

    A side that fails says why in its own cell and the others go on. Once `stopped` says so, or when this generator is
    closed, whatever was still being read is freed.
    """
    begun = [(cell, speaker.steps(model, document, question, cell, sampling)) for speaker, cell in sides]
    try:
        while begun and not stopped():
            cell, work = min(begun, key=lambda pair: pair[0].read_seconds + pair[0].write_seconds)
            if not _advance(cell, work):
                begun.remove((cell, work))
            yield
    finally:
        for cell, work in begun:
            work.close()
            if not cell.finished:
                cell.stop()


def _advance(cell: Answer, work: Generator[None, None, None]) -> bool:
    """One step of one side; whether there are more."""
    try:
        next(work)
    except StopIteration:
        return False
    except Exception as error:  # a fault of ours in one method must not take the other answers with it
        method, way_out = cell.run.method, "give a shorter text"
        cell.fail(failure_message.sentence(error, method, cell.done, way_out, "the server's log"))
        return False
    return True
