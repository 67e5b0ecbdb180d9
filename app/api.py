"""The interface for programs: what the page does, as functions with names, over HTTP, gradio_client and MCP alike.

A client that keeps its session, as gradio_client does, keeps its text and what was read of it from call to call. A call
by MCP is a session of its own (`tool_calls`).

No parameter may be an object: the client by which Gradio carries out calls by MCP would upload any file of the server
that an object names. A file is therefore named by a text, the path of its upload.
"""

import inspect
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components.api_component import Api
from gradio.utils import get_function_description

from analysis.diagnostics.options import DEFAULT
from analysis.runs import make_runs
from app.components.errors import for_program
from app.components.session_states import SessionStates
from app.panels.odometer import LENGTH as ODOMETER_LENGTH
from app.program_requests import USUAL, Numbers, read_line, read_measurement, read_methods, read_model, read_numbers
from app.session import (
    distance_maps,
    document_loading,
    evaluation_runs,
    evaluations,
    given_texts,
    grid_runs,
    long_readings,
    measurements,
    passkey_grids,
    program_results,
    program_runs,
    questions,
)
from app.session.distance_maps import LENGTH, MOST_TOKENS
from app.session.evaluations import EvaluationSettings
from app.session.given_texts import GivenText
from app.session.passkey_grids import OWN, GridSettings
from app.session.program_results import AskResult, DocumentResult, LookResult, MapsResult, PasskeyResult
from app.session.program_runs import EvaluateResult, OdometerResult
from app.session.sessions import Session
from app.tool_calls import is_tool_call, session_of
from longsight.errors import LongSightError

READING = "reading the text"


@dataclass(frozen=True)
class ProgramInterface:
    """The functions. `demo` has the sessions of those who call, as the values of `state`."""

    demo: gr.Blocks
    state: gr.State

    @property
    def functions(self) -> tuple[Callable[..., Any], ...]:
        """All that is published."""
        return self.ask, self.look, self.passkey, self.odometer, self.evaluate, self.maps, self.document

    def session(self, request: gr.Request) -> Session:
        """The caller's: the one of its session, or of this call alone."""
        states, name = self.demo.state_holder, request.session_hash
        assert isinstance(states, SessionStates)
        if is_tool_call(request.headers):
            return session_of(request.headers)
        if name is None:
            return Session()
        found = states[name][self.state._id]
        assert isinstance(found, Session)
        return found

    def document(
        self, request: gr.Request, file: str = "", text: str = "", example: str = "", model: str = ""
    ) -> Generator[DocumentResult | None, None, None]:
        """Take a text in, for all later calls of the same session, and say what it was. The one before it stays when
        anything is wrong with it. Calls by MCP have no session: give them their text along with what is asked.

        Parameters:
            file: The path of an upload: plain text in any common encoding, PDF, EPUB, Word or HTML.
            text: The text itself, in the place of a file.
            example: The key of one of the page's example documents, in the place of a file.
            model: Whose tokens are counted; empty: the page's first model.
        """
        session, chosen, given = self.session(request), read_model(model), GivenText(text, file, example)
        if not given.any:
            raise LongSightError("No text arrived; give a file, a text, or the name of an example.")
        for _ in given_texts.take_steps(session, chosen, given):
            yield None
        yield program_results.document_result(session, chosen)

    def ask(
        self, request: gr.Request, question: str, text: str = "", file: str = "", example: str = "",
        methods: str = USUAL, model: str = "", longest: int = 64, temperature: float = 0.0, seed: int = 0,
    ) -> Generator[AskResult, None, None]:  # fmt: skip
        """Ask a language model about a text that may be far longer than it was trained on, with up to three
        length-extension methods side by side; each has its own answer.

        Parameters:
            question: What is asked, in up to 4,000 characters.
            text: The text that it is about; empty: the one given before in this session, if any.
            file: The path of an upload with that text: plain text, PDF, EPUB, Word or HTML.
            example: The key of one of the page's example documents, in the place of a text.
            methods: One to three methods with their parameters, as in vanilla;self-extend:group=8,window=128
            model: The name of a model of the page; empty: its first.
            longest: How many tokens an answer may have, 1 to 1,024.
            temperature: 0: always the likeliest token.
            seed: What random choices begin with.
        """
        session, chosen = self.session(request), read_model(model)
        for step in given_texts.take_steps(session, chosen, GivenText(text, file, example)):
            yield {"doing": step.doing, "document": None, "answers": []}
        chosen_methods = read_methods(chosen, methods, document_loading.target_length(session, chosen))
        asked = questions.check_question(question, chosen_methods, longest, temperature, seed)
        for _ in questions.ask_steps(session, chosen, asked):
            yield program_results.ask_result(session, chosen, "answering")
        yield program_results.ask_result(session, chosen)

    def look(
        self, request: gr.Request, panel: str = "nll", text: str = "", file: str = "", example: str = "",
        methods: str = USUAL, model: str = "", length: int = 2048, layers: str = "", heads: str = "",
        queries: str = "", keys: str = "", smoothing: int = DEFAULT.smoothing, projection: str = DEFAULT.projection,
        axes: int = DEFAULT.axes, starting: int = DEFAULT.starting, enlarged: str = "",
        mark: str = "", numbers: Numbers = "summary",
    ) -> Generator[LookResult, None, None]:  # fmt: skip
        """Look inside a language model while it reads a text with each method: how surprised it is along the text
        (nll), its attention (logits, entropy, attention), its hidden states (clusters), its distances.

        Parameters:
            panel: Which diagnostic: the name of one of the page's panels.
            text: The text that is read; empty: the one given before in this session.
            file: The path of an upload with that text: plain text, PDF, EPUB, Word or HTML.
            example: The key of one of the page's example documents, in the place of a text.
            methods: One to three methods with their parameters, as in vanilla;self-extend:group=8,window=128
            model: The name of a model of the page; empty: its first.
            length: How many tokens of the text are read, 8 to 131,072.
            layers: Layers from 0, as in 0,2-4; empty: all.
            heads: Heads from 0, as in 0,2-4; empty: all.
            queries: A range of queries for the large map of one head, as in 900:1000.
            keys: A range of keys for that map.
            smoothing: Over how many tokens the curve of nll is averaged.
            projection: pca or umap, of clusters.
            axes: 2 or 3 dimensions, of clusters.
            starting: How many first tokens count as starting ones, of attention.
            enlarged: A layer and a head whose small map is drawn large, as in 2.5.
            mark: A position to be marked.
            numbers: summary: mean and extremes of each array; all: every value as well.
        """
        session, chosen, whole = self.session(request), read_model(model), read_numbers(numbers)
        for step in given_texts.take_steps(session, chosen, GivenText(text, file, example)):
            yield {"doing": step.doing, "document": None, "runs": []}
        typed = {
            "layers": layers, "heads": heads, "queries": queries, "keys": keys, "smoothing": smoothing,
            "projection": projection, "axes": axes, "starting": starting,
            "enlarged": enlarged, "mark": mark,
        }  # fmt: skip
        wanted = read_measurement(session, chosen, panel, methods, length, typed)
        for _ in measurements.measure_steps(session, wanted):
            yield program_results.look_result(session, chosen, READING)
        yield program_results.look_result(session, chosen, whole=whole)

    def passkey(
        self, request: gr.Request, lengths: str = "256, 512, 1024, 2048", depths: str = "0, 25, 50, 75, 100",
        trials: int = 4, filler: str = "", seed: int = 0, prompt: str = "own", text: str = "", file: str = "",
        example: str = "", methods: str = USUAL, model: str = "",
    ) -> Generator[PasskeyResult, None, None]:  # fmt: skip
        """Hide a number in texts of several lengths, at several depths, ask a language model for it with each method,
        and count how often it is found.

        Parameters:
            lengths: Lengths of the prompts in tokens, with commas.
            depths: Where the number stands, in percent of the text, with commas; 0 is the beginning.
            trials: How many numbers are asked for at each length and depth.
            filler: paper: the papers' sentences; prose: a novel; own: the text given; empty: own with one, else paper.
            seed: What the numbers and places are drawn from.
            prompt: own: what suits the model; chat: a question in its chat; completion: a text to complete.
            text: A text to hide the numbers in.
            file: The path of an upload with that text: plain text, PDF, EPUB, Word or HTML.
            example: The key of one of the page's example documents, in the place of a text.
            methods: One to three methods with their parameters, as in vanilla;self-extend:group=8,window=128
            model: The name of a model of the page; empty: its first.
        """
        session, chosen, given = self.session(request), read_model(model), GivenText(text, file, example)
        for step in given_texts.take_steps(session, chosen, given):
            yield program_results.passkey_result(session, chosen, None, step.doing)
        hidden_in = filler or (OWN if given.any else "paper")
        settings = GridSettings(lengths, depths, trials, hidden_in, seed, prompt)
        chosen_methods = read_methods(chosen, methods, passkey_grids.read_lengths(lengths)[-1])
        wanted = passkey_grids.make_request(session, chosen, chosen_methods, settings)
        mine = None
        for view in grid_runs.run_steps(session, wanted):
            mine = view.grid or mine
            yield program_results.passkey_result(session, chosen, mine, "asking")
        yield program_results.passkey_result(session, chosen, mine)

    def odometer(
        self, request: gr.Request, length: str = ODOMETER_LENGTH, text: str = "", file: str = "", example: str = "",
        methods: str = USUAL, model: str = "", numbers: Numbers = "summary",
    ) -> Generator[OdometerResult, None, None]:  # fmt: skip
        """Read a text over and over, as one text without an end, with methods whose cache does not grow: how surprised
        the model is, how fast it reads and what it remembers, all along the way.

        Parameters:
            length: How many tokens are read, as in 200k or 5M, up to 200,000,000.
            text: The text that is read; empty: the one given before in this session.
            file: The path of an upload with that text: plain text, PDF, EPUB, Word or HTML.
            example: The key of one of the page's example documents, in the place of a text.
            methods: One to three methods with their parameters, as in vanilla;self-extend:group=8,window=128
            model: The name of a model of the page; empty: its first.
            numbers: summary: mean and extremes of each array; all: every value as well.
        """
        session, chosen, whole = self.session(request), read_model(model), read_numbers(numbers)
        for step in given_texts.take_steps(session, chosen, GivenText(text, file, example)):
            yield {"doing": step.doing, "document": None, "tokens": 0, "runs": [], "record": None}
        tokens = long_readings.check_tokens(length)
        wanted = long_readings.make_request(session, chosen, read_methods(chosen, methods, tokens), tokens)
        mine = None
        for view in long_readings.read_steps(session, wanted):
            mine = mine if view.figures is None else session.odometer
            yield program_runs.odometer_result(session, wanted, mine, READING)
        yield program_runs.odometer_result(session, wanted, mine, whole=whole)

    def evaluate(
        self, request: gr.Request, tasks: str = evaluations.FIRST, lengths: str = "256, 512, 1024, 2048",
        trials: int = 2, seed: int = 0, methods: str = USUAL, model: str = "", numbers: Numbers = "summary",
    ) -> Generator[EvaluateResult, None, None]:  # fmt: skip
        """Run an evaluation of the papers, every method on every length of every task; a later call of the same session
        goes on with what is missing.

        Parameters:
            tasks: The keys of tasks, with commas, as in perplexity,passkey
            lengths: Lengths of the texts in tokens, with commas.
            trials: How many cases each cell has; at each depth, of pass keys.
            seed: What the cases are drawn from.
            methods: One to three methods with their parameters, as in vanilla;self-extend:group=8,window=128
            model: The name of a model of the page; empty: its first.
            numbers: summary: the scores of each cell; all: also its line of results.jsonl, with every case.
        """
        session, chosen, whole = self.session(request), read_model(model), read_numbers(numbers)
        settings = EvaluationSettings(evaluations.task_keys(tasks), lengths, trials, seed)
        wanted = evaluations.make_request(session, chosen, read_line(methods), settings)
        told = program_runs.evaluate_result(session, wanted, "running")
        for view in evaluation_runs.run_steps(session, wanted):
            told = told if view.results is None else program_runs.evaluate_result(session, wanted, "running")
            yield told
        yield program_runs.evaluate_result(session, wanted, whole=whole)

    def maps(
        self, request: gr.Request, methods: str = USUAL, model: str = "", length: int = 0, small: int = 16,
        trained: int = 8, group: int = 0, numbers: Numbers = "summary",
    ) -> MapsResult:  # fmt: skip
        """For each method, which earlier tokens each token of a text sees, and how far away the model is told that they
        are. Nothing is read for it.

        Parameters:
            methods: One to three methods with their parameters, as in vanilla;self-extend:group=8,window=128
            model: The name of a model of the page; empty: its first.
            length: Tokens of the text; 0: as many as the one given before in this session, or as the model's training.
            small: Tokens of the small map, 4 to 24.
            trained: As if trained on so many tokens, of the small map, 4 to 16.
            group: A group of frequencies or heads from 1, the first; 0: the last. For methods that tell groups apart.
            numbers: summary: mean and extremes of each array of the true map; all: every value as well.
        """
        session, chosen = self.session(request), read_model(model)
        reached = document_loading.target_length(session, chosen)
        tokens = distance_maps.check(LENGTH, length or reached, (1, MOST_TOKENS))
        maps = [
            (run, distance_maps.method_maps(run.method, tokens, chosen.train_length, small, trained, group))
            for run in make_runs(read_methods(chosen, methods, tokens))
        ]
        return program_results.maps_result(chosen, maps, read_numbers(numbers))


def build_api(demo: gr.Blocks, state: gr.State) -> None:
    """Publish the functions; every parameter is described by its line in their docstrings."""
    interface = ProgramInterface(demo, state)
    for function in interface.functions:
        gr.api(_typed(for_program(function)), api_name=function.__name__, concurrency_limit=None)
        published = list(demo.fns.values())[-1]
        sentences = list(get_function_description(function)[1].values())[1:]  # but for the request
        for parameter, sentence in zip(published.inputs, sentences, strict=True):
            assert isinstance(parameter, Api)
            parameter.label = sentence


def _typed(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as one that returns what it yields, which is how Gradio describes it."""
    signature = inspect.signature(function)
    function.__signature__ = signature.replace(return_annotation=dict)  # type: ignore[attr-defined]
    return function
