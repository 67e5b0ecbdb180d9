"""The chat: one question box, and under each question one answer per method."""

import html
import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import gradio as gr

from analysis.figures import palette
from app import cells, chat, estimate, intake, method_controls, offered, words
from app.context_panel import UNSET, take
from app.conversation import conversation
from app.documents import read_upload
from app.errors import for_visitor
from app.permalink import View
from app.samples import sample
from app.shell import Shell
from app.visits import Visit
from engine.errors import LongSightError
from engine.methods import Method
from engine.models import Model

FIRST_SIGHT = Path(__file__).resolve().parent.parent / "assets" / "samples" / "first_sight.json"
PASTE_LENGTH = 1000  # characters; a longer paste becomes a document
HIDDEN: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
PLACEHOLDER = "Ask, or paste: a long paste becomes a document"


def build_chat(shell: Shell) -> list[View]:
    shown = conversation(first_sight(), elem_id="conversation")
    costs = gr.HTML(elem_id="costs")
    ask = gr.MultimodalTextbox(
        placeholder=PLACEHOLDER, max_plain_text_length=PASTE_LENGTH, file_count="single", show_label=False,
        label="Question", lines=1, max_lines=6, elem_id="ask", stop_btn=False,
    )  # fmt: skip
    with gr.Row(elem_classes="tight", elem_id="chat-tools"):
        suggestion = gr.Button(visible=False, size="sm", variant="primary", elem_id="suggestion", scale=0)
        new = gr.Button("New conversation", size="sm", elem_id="new", scale=0)
        with gr.Accordion("Answer", open=False, elem_id="answer-settings"), gr.Row():
            longest = gr.Number(64, label="Longest answer [tokens]", precision=0, elem_id="longest")
            temperature = gr.Number(0, label="Temperature", info="0: always the likeliest token", elem_id="temperature")
            seed = gr.Number(0, label="Seed", precision=0, elem_id="seed")
    attached = gr.Textbox(visible="hidden", elem_id="attached", label="attached file")
    settings = [longest, temperature, seed]
    _wire_document(shell, ask, attached)
    _wire_costs(shell, costs)
    inputs = [ask, shell.model, shell.visit, *settings, *shell.methods.inputs]
    sending: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": 32, "concurrency_id": "send"}
    suggestion.click(lambda text: {"text": text}, suggestion, ask, **HIDDEN).then(
        send, inputs, [shown, ask, shell.visit], **sending, api_visibility="private"
    ).then(ready, None, ask, **HIDDEN).then(show_costs, _cost_inputs(shell), costs, **HIDDEN)
    ask.submit(send, inputs, [shown, ask, shell.visit], **sending, api_name="ask").then(
        ready, None, ask, **HIDDEN
    ).then(show_costs, _cost_inputs(shell), costs, **HIDDEN)
    shell.context.example.change(suggest, shell.context.example, suggestion, **HIDDEN)
    ask.stop(stop, shell.visit, None, queue=False, show_progress="hidden", api_name="stop")
    new.click(restart, shell.visit, [shown, ask], queue=False, show_progress="hidden", api_name="restart")
    return [View("longest", longest, float), View("temperature", temperature, float), View("seed", seed, int)]


def _wire_document(shell: Shell, ask: gr.MultimodalTextbox, attached: gr.Textbox) -> None:
    """A file in the question box becomes the document. The browser watches for one, so typing costs no request."""
    ask.change(
        None, ask, attached, js="(value) => value?.files?.length ? value.files[0].path : ''", api_visibility="private"
    )
    attached.change(
        take_attached,
        [ask, shell.model, shell.visit],
        [ask, *shell.context.parts],
        concurrency_limit=4,
        **HIDDEN,
    )


def _wire_costs(shell: Shell, costs: gr.HTML) -> None:
    for changed in (shell.context.length, shell.methods.line):
        changed.change(show_costs, _cost_inputs(shell), costs, **HIDDEN, trigger_mode="always_last")


def _cost_inputs(shell: Shell) -> list[Any]:
    return [shell.model, shell.visit, *shell.methods.inputs]


@for_visitor
def take_attached(message: dict[str, Any] | None, model_name: str, visit: Visit) -> Generator[list[Any], None, None]:
    files = (message or {}).get("files") or []
    if not files:
        yield [gr.skip()] * 5
        return
    model = offered.model(model_name)
    question = gr.MultimodalTextbox(value={"text": (message or {}).get("text", ""), "files": []})
    for updates in take(visit, model, lambda: read_upload(files[0])):
        yield [question, *updates]
        question = gr.skip()


@for_visitor
def send(
    message: dict[str, Any] | None,
    model_name: str,
    visit: Visit,
    longest: Any,
    temperature: Any,
    seed: Any,
    *values: Any,
) -> Generator[list[Any], None, None]:
    """Answer the question with each chosen method; the question box is emptied once the question is accepted."""
    if (message or {}).get("files"):
        raise LongSightError("The pasted text is still coming in; send the question again in a moment.")
    model = offered.model(model_name)
    methods = method_controls.read_values(model, values, intake.target_length(visit, model))
    question = chat.check_question((message or {}).get("text"), methods, longest, temperature, seed)
    box = gr.MultimodalTextbox(value={"text": "", "files": []}, submit_btn=False, stop_btn="Stop")
    picture: Any = gr.skip()
    for picture in chat.ask_steps(visit, model, question):
        yield [picture, box, gr.skip()]
        box = gr.skip()
    yield [picture, gr.skip(), visit]


def suggest(key: str) -> gr.Button:
    """A button that asks what the example document is good for."""
    if key == UNSET:
        return gr.Button(visible=False)
    return gr.Button(sample(key).question, visible=True)


def ready() -> gr.MultimodalTextbox:
    """However the answer ended, the next question can be sent."""
    return gr.MultimodalTextbox(submit_btn=True, stop_btn=False)


def stop(visit: Visit) -> None:
    visit.stop.set()


def restart(visit: Visit) -> list[Any]:
    visit.stop.set()
    visit.forget_conversation()
    return [cells.conversation([]), ready()]


@for_visitor
def show_costs(model_name: str, visit: Visit, *values: Any) -> Generator[str, None, None]:
    """What the next question will cost with each method. The first time of all, the machine is measured."""
    if method_controls.opening(values):
        yield ""
        return
    model = offered.model(model_name)
    methods = method_controls.read_values(model, values, intake.target_length(visit, model))
    yield costs_view(visit, model, methods)
    for step in intake.measure_steps(visit, model):
        yield costs_view(visit, model, methods, f"{step.name} …")
    yield costs_view(visit, model, methods)


def costs_view(visit: Visit, model: Model, methods: list[Method], note: str = "") -> str:
    tokens = intake.token_count(visit, model)
    if tokens == 0:
        return ""
    parts = "".join(_cost(visit, model, method, tokens) for method in methods)
    return f'<div class="costs"><span>Next question</span>{parts}<span>{note}</span></div>'


def _cost(visit: Visit, model: Model, method: Method, tokens: int) -> str:
    speaker = visit.speaker(model.name, method.key)
    reused = speaker.cache.length if speaker.cache is not None and speaker.cache.method == method else 0
    reused = reused if reused < tokens + intake.ANSWER_ROOM else 0
    forecast = estimate.Forecast(model, method, max(tokens, reused), reused)
    head = f'<span class="cost" style="--method:{palette.colour(method.key)}"><b>{html.escape(method.title)}</b> '
    if not estimate.fits(model, method, tokens, speaker.nbytes):
        return f"{head}<em>cache of {words.size(model.cache_bytes(method, tokens))} does not fit here</em></span>"
    again = f"{reused:,} tokens reused, " if reused else ""
    memory = words.size(model.cache_bytes(method, max(tokens, reused)))
    seconds = "" if forecast.seconds is None else f", {words.about(forecast.seconds)}"
    return f"{head}{again}cache {memory}{seconds}</span>"


def first_sight() -> dict[str, Any]:
    """A finished conversation, recorded with the embedded model, that stands here until the visitor asks something."""
    return json.loads(FIRST_SIGHT.read_text(encoding="utf-8")) if FIRST_SIGHT.exists() else cells.conversation([])
