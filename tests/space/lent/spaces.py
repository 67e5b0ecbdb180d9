"""A stand-in for Hugging Face's package `spaces`, on a machine without a GPU, that forks and pickles for real.

As in its release 0.51 a generator function runs in a forked process, which is kept for the next call. Arguments and
yields go through pipes; when the caller closes the generator, the process stops at its next step, and the caller waits
for that; exceptions come back as an error that knows only their kind.
"""

import functools
import inspect
import multiprocessing
import os
from multiprocessing.queues import SimpleQueue
from queue import Queue
from threading import Thread

fork = multiprocessing.get_context("fork")
calls = []
"""What was asked for: the seconds of each call, and the process that it ran in."""
forked = False


class Error(Exception):
    """As Gradio's: with a `message`."""

    def __init__(self, message):
        super().__init__(message)
        self.message = message


class Worker:
    def __init__(self, task):
        self.arguments, self.results = SimpleQueue(ctx=fork), SimpleQueue(ctx=fork)
        self.stop = fork.Event()
        self.process = fork.Process(target=self._serve, args=(task,), daemon=True)
        self.process.start()

    def _serve(self, task):
        global forked
        forked = True
        while True:
            arguments = self.arguments.get()
            self.stop.clear()
            steps = task(*arguments)
            try:
                for step in steps:
                    if self.stop.is_set():
                        steps.close()
                        break
                    self.results.put(("step", step))
            except Exception as problem:
                self.results.put(("error", type(problem).__name__))
            self.results.put(("end", os.getpid()))


def GPU(task=None, *, duration=60):
    if task is None:
        return lambda task: GPU(task, duration=duration)
    assert inspect.isgeneratorfunction(task), "here only generators are lent a GPU"
    workers = []

    @functools.wraps(task)
    def lent(*arguments):
        if forked:
            yield from task(*arguments)
            return
        seconds = duration(*arguments) if callable(duration) else duration
        worker = workers.pop() if workers else Worker(task)
        calls.append((seconds, worker.process.pid))
        worker.arguments.put(arguments)
        told = Queue()

        def pass_on():
            while True:
                message = worker.results.get()
                told.put(message)
                if message[0] == "end":
                    return

        reader = Thread(target=pass_on)
        reader.start()
        try:
            while True:
                kind, value = told.get()
                if kind == "error":
                    raise Error(value)
                if kind == "end":
                    return
                try:
                    yield value
                except GeneratorExit:
                    worker.stop.set()
                    raise
        finally:
            reader.join()
            workers.append(worker)

    return lent
