"""What a model's card is made of: cells of `analysis.evaluate`, some of tasks that live here, on held-out texts."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from analysis.evaluate import plan
from analysis.evaluation.cell import EvaluationCell
from analysis.evaluation.tasks import Task
from analysis.evaluation.tasks.passkey import Passkey
from analysis.evaluation.tasks.perplexity import Perplexity
from longsight.methods.vanilla import Vanilla
from training.corpus import Corpus, by_family, write_texts
from training.prose import Prose
from training.questions import KINDS, Questions
from training.samples import Samples

CARD_TASKS: dict[str, type[Task]] = {task.key: task for task in (Passkey, Questions, Prose, Perplexity, Samples)}
"""Every task of a card, in its order."""

PARTS = (1 / 4, 1 / 2, 3 / 4, 1)  # of the trained length
TEXTS = 8  # in which the keys of a cell are hidden
LONG = 4  # trained lengths that the far samples have
CHOOSING_SEED = 100_000  # of the keys that parameters are chosen by; all that is measured has 0
SPOKEN = ("vanilla", "window", "lm-infinite:top_k=0", "lm-infinite", "self-extend")
LEARNED_CHARACTERS = 8_000_000  # of the training texts, for the 5-gram baseline


@dataclasses.dataclass(frozen=True)
class HeldOutTexts:
    """Folders of held-out texts, all in one and by family, and for each family a file of training texts."""

    folder: Path
    learned: Path

    @property
    def families(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())

    @property
    def key(self) -> Passkey:
        """A pass key anywhere in them."""
        return Passkey(filler=str(self.folder), passages=TEXTS)


def hold_out(train: Corpus, validation: Corpus, out: Path) -> HeldOutTexts:
    """Write the texts below `out`, where tasks read them."""
    held = HeldOutTexts(out / "held-out", out / "learned")
    write_texts(validation, held.folder)
    samples = by_family(train)
    held.learned.mkdir(exist_ok=True)
    for family in held.families:
        text = samples.get(family, train).passages(np.random.default_rng(2), LEARNED_CHARACTERS)
        (held.learned / f"{family}.txt").write_text(text, encoding="utf-8")
    return held


@dataclasses.dataclass(frozen=True)
class CardCells:
    """The cells of one model: `model` its folder, `train_length` [tokens]; about `cases` questions of each kind and
    pass keys in each cell, `passages` of text."""

    model: str
    train_length: int
    texts: HeldOutTexts
    cases: int
    passages: int

    def inside(self) -> list[EvaluationCell]:
        """Inside the trained length: pass keys by length, half of them in the papers' filler, and other questions."""
        lengths = [int(self.train_length * part) for part in PARTS]
        several = dataclasses.replace(self.texts.key, kind="several")
        kinds = [Questions(kind=kind, text=str(self.texts.folder)) for kind in KINDS]
        return [
            *self._plan([self.texts.key, Passkey()], lengths, self._per_depth(self.cases // 10)),
            *self._plan([several], [self.train_length], self._per_depth(self.cases)),
            *self._plan(kinds, [self.train_length], self.cases),
            *self.prose(),
        ]

    def prose(self) -> list[EvaluationCell]:
        """Bits per byte of ten times as many passages, by family."""
        tasks = [
            Prose(text=str(self.texts.folder / family), learned=str(self.texts.learned / f"{family}.txt"))
            for family in self.texts.families
        ]
        return self._plan(tasks, [self.train_length], 10 * self.passages)

    def past(self, methods: Sequence[str], lengths: Sequence[int]) -> list[EvaluationCell]:
        """Past it: pass keys by depth, and perplexity of the last tokens, as many as it was trained on."""
        nll = Perplexity(text=str(self.texts.folder), last=self.train_length, band=self.train_length)
        return [
            *self._plan([self.texts.key], lengths, self._per_depth(self.cases), methods),
            *self._plan([nll], lengths, self.passages, methods),
        ]

    @property
    def choosing_keys(self) -> int:
        """Keys in each cell that parameters are chosen by: a tenth of those that are measured."""
        return self._per_depth(self.cases // 10) * self.texts.key.depths

    def choosing(self, methods: Sequence[str], lengths: Sequence[int]) -> list[EvaluationCell]:
        """Other keys, for the choice of parameters."""
        return self._plan([self.texts.key], lengths, self._per_depth(self.cases // 10), methods, CHOOSING_SEED)

    def samples(self) -> list[EvaluationCell]:
        """What it says."""
        task = Samples(text=str(self.texts.folder))
        far = self._plan([task], [LONG * self.train_length], 1, SPOKEN)
        return [*self._plan([task], [self.train_length], 1), *far]

    def _per_depth(self, cases: int) -> int:
        return max(1, cases // self.texts.key.depths)

    def _plan(
        self,
        tasks: Sequence[Task],
        lengths: Sequence[int],
        trials: int,
        methods: Sequence[str] = (Vanilla.key,),
        seed: int = 0,
    ) -> list[EvaluationCell]:
        return plan([self.model], methods, tasks, lengths, trials, seed)
