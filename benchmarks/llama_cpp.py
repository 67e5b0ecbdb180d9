"""llama.cpp on the same GGUF file, from its own packed weights, where `pip install xllamacpp` has brought it."""

import time
from importlib.util import find_spec
from pathlib import Path

from torch import Tensor

PACKAGE = "xllamacpp"


class LlamaCpp:
    """A model that llama.cpp reads from the GGUF file at `path`, in one thread, with room for `room` tokens."""

    def __init__(self, path: Path, room: int) -> None:
        from xllamacpp import CommonParams, Server

        params = CommonParams()
        params.model.path = str(path)
        params.n_ctx, params.n_parallel, params.n_gpu_layers = room, 1, 0
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
        params.warmup, params.verbosity = False, -1
        self._server = Server(params)

    def read(self, ids: Tensor) -> float:
        """Processor time [seconds] of reading a text."""
        return self._answer(ids, 1, again=False)

    def write(self, ids: Tensor, tokens: int) -> float:
        """Processor time [seconds] of one written token after a text, which is read before."""
        one = min(self._answer(ids, 1, again=True) for _ in range(2))  # the second reads a single token
        return (self._answer(ids, 1 + tokens, again=True) - one) / tokens

    def _answer(self, ids: Tensor, tokens: int, again: bool) -> float:
        asked = {
            "prompt": ids.tolist(), "n_predict": tokens, "cache_prompt": again, "ignore_eos": True, "temperature": 0,
        }  # fmt: skip
        start = time.process_time()
        self._server.handle_completions(asked)
        return time.process_time() - start


def installed() -> bool:
    return find_spec(PACKAGE) is not None
