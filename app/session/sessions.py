"""What the server keeps of one visitor while the page is open. Nothing here is ever shared between two of them."""

import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Self

from analysis.evaluation.endless.odometer_record import OdometerRecord
from app.session.answers import Answer, Speaker
from app.session.device_sharing import Place, Waiting
from app.session.documents import Document
from app.session.measurement_request import Measurement
from app.session.opened_results import OpenedResults
from app.session.shown_grid import ShownGrid
from longsight.errors import LongSightError
from longsight.generation.decode import Sampling
from longsight.generation.text_encoding import EncodedText
from longsight.methods import Method

ENDING = 5.0
"""Seconds that what a page was doing may take to end, when its visit goes on elsewhere."""

KEPT = (
    "document", "tokens", "turns", "asked", "begun", "speakers", "measurement", "grid", "odometer", "results",
    "fitted_length", "lost", "visit",
)  # fmt: skip
"""What of a session goes on with its visit."""


@dataclass
class ConversationTurn:
    """A question as it stands on the page, with one cell per method, whose tokens are chosen by `sampling`.

    `about`: the document, when it is a new one; `keys`: what it hides, where it is asked for that; `train_length`:
    tokens that the `model` of this name was trained on.
    """

    question: str
    about: str
    cells: list[Answer]
    train_length: int
    keys: frozenset[str] = frozenset()
    model: str = ""
    sampling: Sampling = field(default_factory=Sampling)
    place: Place | None = None  # at the device, while it is being answered

    @property
    def finished(self) -> bool:
        return all(cell.finished for cell in self.cells)

    @property
    def others(self) -> int:
        """How many others share the device meanwhile."""
        return 0 if self.place is None else len(self.place.line.others(self.place.visitor))

    @property
    def waiting(self) -> Waiting:
        """What its answers share the device with."""
        return Waiting(0) if self.place is None else self.place.waiting


class Session:
    """One open page: its document, its conversation, and the flag that its Stop button sets.

    Gradio deep-copies the initial value of a State, and takes dataclasses to pieces: hence `__deepcopy__`, by which
    every page begins with a fresh session, and a plain class.
    """

    def __init__(self) -> None:
        self.document: Document | None = None
        self.tokens: dict[str, EncodedText] = {}  # by model: the document
        self.turns: list[ConversationTurn] = []
        self.asked = 0  # questions that were accepted
        self.begun = False  # something of the visitor's own: the recorded example is over
        self.speakers: dict[str, list[Speaker]] = {}  # by model: who has spoken in the conversation
        self.incoming: object = None  # the text being taken in; a newer one makes an older one give up
        self.panel = ""  # the diagnostics panel that is open
        self.measurement: Measurement | None = None  # what the diagnostics show
        self.grid: ShownGrid | None = None  # the pass keys that were hidden and asked for
        self.odometer: OdometerRecord | None = None  # what was read over and over
        self.results: OpenedResults | None = None  # of an evaluation, brought or run by the visitor
        self.picked_part = ""  # of them, while an evaluation runs: its title; empty: the one at work
        self.model = ""  # the name of the one that the page shows
        self.fitted_length = 0  # tokens that the methods' parameters were last fitted to
        self.stop = threading.Event()
        self.busy = threading.Lock()
        self.meanwhile = ""  # what is said to who asks for something else while it is
        self.left = False
        self.visit = ""  # how the visitor's tab names it, so that its next page can go on with it
        self.opened = False  # by a page, not only by calls of the interface for programs
        self.lost = ""  # why the document is no longer here, until it was said

    @property
    def nbytes(self) -> int:
        """Bytes of all that is kept for this visitor, about."""
        document = 0 if self.document is None else sys.getsizeof(self.document.text)
        tokens = sum(encoded.nbytes for encoded in list(self.tokens.values()))
        caches = sum(speaker.nbytes for speaker in chain.from_iterable(list(self.speakers.values())))
        said = sum(len(cell.text) for turn in self.turns for cell in turn.cells)
        grid = 0 if self.grid is None else self.grid.grid.found.nbytes
        results = 0 if self.results is None else len(self.results.content)
        return document + tokens + caches + said + grid + results

    @property
    def holds(self) -> bool:
        """Whether anything would be missed."""
        kept = (self.document, self.measurement, self.grid, self.odometer, self.results)
        return self.busy.locked() or bool(self.turns) or any(each is not None for each in kept)

    def let_go(self, why: str) -> None:
        """Forget everything; the visitor will hear `why`, if there was a document."""
        self.lost = why if self.document is not None else self.lost
        self.take(None)
        self.turns, self.measurement, self.grid, self.odometer, self.results = [], None, None, None, None

    def check_kept(self) -> None:
        """Raise `LongSightError`, once, when the document was let go meanwhile."""
        if self.document is None and self.lost:
            why, self.lost = self.lost, ""
            raise LongSightError(why)

    def take_over(self, other: "Session") -> None:
        """Go on with all that `other` held, which ends what it does and begins afresh."""
        other.incoming = None
        other.stop.set()
        resting, fresh = other.busy.acquire(timeout=ENDING), Session()
        for name in KEPT:
            setattr(self, name, getattr(other, name))
            setattr(other, name, getattr(fresh, name))
        if resting:
            other.busy.release()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return type(self)()

    def take(self, document: Document | None) -> None:
        """Go on with another document, or with none; the methods start afresh, the page keeps what was said."""
        self.free()
        self.document, self.tokens, self.speakers = document, {}, {}
        self.begun |= document is not None and not document.example
        self.lost = "" if document is not None else self.lost

    def speakers_for(self, model: str, methods: Sequence[Method]) -> list[Speaker]:
        """Who will speak for each of these methods: one of its own for each, however alike they are.

        Whoever has spoken with the same parameters goes on, or else with others, in order; those left begin afresh.
        """
        free, found = list(self.speakers.get(model, ())), dict[int, Speaker]()
        for goes_on in (_unchanged, _changed):
            for place, method in enumerate(methods):
                speaker = next((speaker for speaker in free if goes_on(speaker, method)), None)
                if place not in found and speaker is not None:
                    found[place] = speaker
                    free.remove(speaker)
        return [found.get(place) or Speaker(method) for place, method in enumerate(methods)]

    def let_speak(self, model: str, methods: Sequence[Method]) -> list[Speaker]:
        """`speakers_for`, who are remembered from now on."""
        chosen = self.speakers_for(model, methods)
        known = self.speakers.setdefault(model, [])
        known += [speaker for speaker in chosen if speaker not in known]
        return chosen

    def forget_conversation(self) -> None:
        self.free()
        self.turns, self.speakers, self.begun = [], {}, True

    def free(self, but: str = "") -> None:
        """Let go of all caches, `but` those of one model; a later question reads the text again."""
        for model, speakers in list(self.speakers.items()):
            for speaker in speakers if model != but else ():
                speaker.free()

    def leave(self) -> None:
        """The page was closed: stop the work and free the caches. What is being written now is freed when it ends; all
        else stays for a moment, as the page may only be loaded again, or the line to it have been broken."""
        self.left = True
        self.incoming = None
        self.stop.set()
        self.free()


def _unchanged(speaker: Speaker, method: Method) -> bool:
    return speaker.method == method


def _changed(speaker: Speaker, method: Method) -> bool:
    return speaker.method.key == method.key
