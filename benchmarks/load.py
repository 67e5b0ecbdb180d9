"""Many visitors at once: is every one answered rightly, how long do they wait, and is the memory given back?

`python -m benchmarks.load --sessions 50 --seconds 600` starts the page in a process of its own and sends visitors to it
over HTTP, each with a text and a pass key of its own. When one is answered, it asks again, and after `QUESTIONS` it
leaves and comes anew: how long a conversation a method can follow is another question. An answer with another visitor's
key is a mix-up. Visitors' own work gives way to the server's, since in life it is done elsewhere. Times are told as
50 % / 95 % / at worst: until the first sign of life after a question, until the first written token, and until the
whole answer. The fair share is what lone visitors, before all the others, wait for the first token, times the visitors:
of a first question, for which the text is read, and of later ones.
"""

if __name__ == "__main__":  # before torch is imported
    from longsight.processor import wait_asleep

    wait_asleep()

import argparse
import contextlib
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
from gradio_client import Client, handle_file
from gradio_client.client import Job

from analysis.evaluation.tasks import texts
from analysis.evaluation.tasks.hidden_key import digits
from analysis.evaluation.tasks.passkey import PREAMBLE, QUESTION, STATEMENT
from benchmarks.subject import ROOT

STARTING = 120.0  # seconds that the server may take to answer at all
PATIENCE = 1800.0  # seconds that a question may take
AFTERWARDS = 60.0  # seconds in which memory is to come back
ALONE = 3  # visitors whose times the fair share is made of
LOOK = 0.1  # seconds between two looks at what came in
QUESTIONS = 20  # that a visitor asks before it leaves and comes anew
GIVES_WAY = 10  # niceness of the visitors, who in life are elsewhere and take nothing from the server's processor


@dataclass(frozen=True)
class TimedTurn:
    """One question: what became of it, and the seconds until the first sign, the first token and the end."""

    outcome: str
    sign: float = float("nan")
    token: float = float("nan")
    end: float = float("nan")


OUTCOMES = RIGHT, WRONG, MIXED_UP, FAILED, LOST = "right", "wrong", "mixed up", "failed", "document lost"


@dataclass
class Visitor:
    """Has a text with a key of its own, and asks for it again and again. `visits`: its turns, visit by visit."""

    address: str
    key: str
    text: Path
    visits: list[list[TimedTurn]] = field(default_factory=list)

    def visit(self, options: argparse.Namespace, keys: frozenset[str], until: float) -> None:
        """Come, and come anew, until the time is over. For a thread of its own, whose priority it lowers."""
        os.nice(GIVES_WAY)
        while not self.visits or time.monotonic() < until:
            turns: list[TimedTurn] = []
            self.visits.append(turns)
            try:
                self._stay(turns, options, keys, until)
            except Exception as problem:  # one visitor's trouble is a line of the table
                turns.append(TimedTurn(FAILED))
                print(f"{type(problem).__name__}: {problem}", file=sys.stderr)
                return

    def _stay(self, turns: list[TimedTurn], options: argparse.Namespace, keys: frozenset[str], until: float) -> None:
        """Give the text once, then ask until the time or the visit is over, and once at least."""
        client = Client(self.address, verbose=False, httpx_kwargs={"timeout": PATIENCE})
        try:
            client.predict(file=handle_file(self.text), model=options.model, api_name="/document")
            while not turns or (len(turns) < QUESTIONS and time.monotonic() < until):
                turns.append(self._ask(client, options, keys))
        finally:
            client.close()

    def _ask(self, client: Client, options: argparse.Namespace, keys: frozenset[str]) -> TimedTurn:
        start, sign, token = time.monotonic(), float("nan"), float("nan")
        job = client.submit(
            QUESTION, model=options.model, longest=options.longest, methods=options.method, api_name="/ask"
        )
        answer, document = {}, None
        for view in _views(job):
            now = time.monotonic() - start
            sign = now if np.isnan(sign) else sign
            [answer], document = view["answers"], view["document"]
            token = now if np.isnan(token) and answer["text"] else token
        job.result(timeout=PATIENCE)
        return TimedTurn(self._outcome(answer, document, keys), sign, token, time.monotonic() - start)

    def _outcome(self, answer: dict[str, str], document: dict[str, str] | None, keys: frozenset[str]) -> str:
        if answer.get("state") != "done":
            return FAILED
        if document is None or document["name"] != self.text.name:
            return LOST
        said = set(re.findall(r"\d+", answer["text"]))
        if said & (keys - {self.key}):
            return MIXED_UP
        return RIGHT if self.key in said else WRONG


def _views(job: Job) -> Iterator[Any]:
    """What the page sends for a question, as it comes in. To iterate over the job itself looks a thousand times a
    second, which fifty visitors pay for with a core of the machine that is measured."""
    seen = 0
    while not job.done():
        time.sleep(LOOK)
        views = job.outputs()
        yield from views[seen:]
        seen = len(views)
    yield from job.outputs()[seen:]


@contextlib.contextmanager
def server(log: Path) -> Iterator[tuple[str, psutil.Process]]:
    """The page in a process of its own: its address and that process."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    env = os.environ | {"GRADIO_SERVER_PORT": str(port), "GRADIO_ANALYTICS_ENABLED": "False"}
    with log.open("wb") as file:
        process = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=env, stdout=file, stderr=file)
    try:
        address, until = f"http://127.0.0.1:{port}", time.monotonic() + STARTING
        while not _answers(address):
            if process.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"The page does not start; {log} says why.")
            time.sleep(0.2)
        yield address, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(timeout=60)


def _answers(address: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(address, timeout=30).status_code == 200
    return False


def visitors(address: str, count: int, folder: Path, characters: int) -> list[Visitor]:
    """`count` visitors, each with a text of its own of about so many `characters`."""
    rng, known = np.random.default_rng(0), set[str]()
    while len(known) < count:
        known.add(digits(rng))
    found = []
    for number, key in enumerate(sorted(known)):
        sentences = re.split(r"(?<=\.) ", texts.passage(texts.PAPER, rng, characters))
        sentences.insert(int(rng.integers(len(sentences) // 2, len(sentences))), STATEMENT.format(value=key))
        path = folder / f"text_{number}.txt"
        path.write_text(PREAMBLE + " ".join(sentences), encoding="utf-8")
        found.append(Visitor(address, key, path))
    return found


@dataclass
class MemoryWatch:
    """Resident memory [bytes] of a process, looked at twice a second."""

    process: psutil.Process
    peak: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def now(self) -> int:
        return self.process.memory_info().rss

    def watch(self) -> None:
        while not self.over.wait(0.5):
            self.peak = max(self.peak, self.now)


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--sessions", type=int, default=50, help="visitors at once")
    parser.add_argument("--seconds", type=float, default=600, help="for how long they ask")
    parser.add_argument("--model", default="rope-small")
    parser.add_argument("--method", default="self-extend:group=8,window=128", help="one method, with its parameters")
    parser.add_argument("--characters", type=int, default=4000, help="of each text")
    parser.add_argument("--longest", type=int, default=24, help="tokens of an answer")
    return parser.parse_args(given)


def let_visit(visiting: list[Visitor], options: argparse.Namespace, seconds: float) -> None:
    """All at once, until the time is over and the last is answered."""
    keys, until = frozenset(visitor.key for visitor in visiting), time.monotonic() + seconds
    threads = [threading.Thread(target=visitor.visit, args=(options, keys, until)) for visitor in visiting]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def spread(seconds: Sequence[float]) -> str:
    """50 % / 95 % / at worst, of what was seen."""
    known = sorted(second for second in seconds if not np.isnan(second))
    if not known:
        return "-"
    return " / ".join(f"{known[min(int(part * len(known)), len(known) - 1)]:.2f}" for part in (0.5, 0.95, 1))


def report(
    visits: list[list[TimedTurn]], alone: list[list[TimedTurn]], memory: dict[str, int], options: argparse.Namespace
) -> str:
    """The table, of what came of each visitor's questions."""
    turns = [turn for visit in visits for turn in visit]
    counts = Counter(turn.outcome for turn in turns)
    said = ", ".join(f"{counts[outcome]:,} {outcome}" for outcome in OUTCOMES)
    lines = [
        f"{options.sessions} visitors for {options.seconds:g} s, {options.model}, {options.method}",
        f"answers            {said}",
        f"first sign [s]     {spread([turn.sign for turn in turns])}",
        *(
            f"{name} {spread([turn.token for turn in told])}; fair share {fair_share(told_alone, options.sessions)}"
            for name, told, told_alone in (
                ("first token, of a first question [s]", first(visits), first(alone)),
                ("first token, later [s]", later(visits), later(alone)),
            )
        ),
        f"whole answer [s]   {spread([turn.end for turn in turns])}",
        "memory [MB]        " + ", ".join(f"{when} {size / 1e6:,.0f}" for when, size in memory.items()),
    ]
    return "\n".join(lines)


def first(visits: list[list[TimedTurn]]) -> list[TimedTurn]:
    return [visit[0] for visit in visits]


def later(visits: list[list[TimedTurn]]) -> list[TimedTurn]:
    return [turn for visit in visits for turn in visit[1:]]


def fair_share(alone: list[TimedTurn], sessions: int) -> str:
    return f"{sessions * statistics.median(turn.token for turn in alone):.2f}" if alone else "-"


def visit_alone(address: str, options: argparse.Namespace, folder: Path) -> list[list[TimedTurn]]:
    """`ALONE` visitors, one after the other; the first of all, for whom the server loads the model, is not counted."""
    lone = visitors(address, 1 + ALONE, folder, options.characters)
    for visitor in lone:
        let_visit([visitor], options, min(5.0, options.seconds))
    return [visit for visitor in lone[1:] for visit in visitor.visits]


def run(options: argparse.Namespace, folder: Path) -> str:
    """Both parts, lone visitors and all together, on one server -> the table."""
    with server(folder / "server.log") as (address, process):
        alone = visit_alone(address, options, folder)
        time.sleep(2)
        watch = MemoryWatch(process)
        memory = {"before": watch.now}
        watching = threading.Thread(target=watch.watch)
        watching.start()
        visiting = visitors(address, options.sessions, folder, options.characters)
        let_visit(visiting, options, options.seconds)
        memory["peak"] = watch.peak
        time.sleep(AFTERWARDS)
        memory["a minute afterwards"] = watch.now
        watch.over.set()
        watching.join()
        return report([visit for visitor in visiting for visit in visitor.visits], alone, memory, options)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        print(run(arguments(), Path(folder)))


if __name__ == "__main__":
    main()
