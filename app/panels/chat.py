"""The chat: one question box, and under each question one answer per method."""

import html
import json
from collections.abc import Generator
from typing import Any

import gradio as gr

from analysis.runs import Run, make_runs
from app.assets import SAMPLES
from app.components.changes import when_changed
from app.components.conversation import conversation
from app.components.errors import for_visitor
from app.components.permalink import LinkedControl
from app.components.run_controls import STARTING, STOPPING, build_mark, marked
from app.panels import method_controls
from app.panels.context import PARTS, UNSET, take
from app.panels.shell import Shell
from app.session import answer_view, document_loading, estimate, formatting, model_catalogue, questions
from app.session.answers import Speaker
from app.session.documents import read_upload
from app.session.running import stop
from app.session.samples import sample
from app.session.sessions import Session
from longsight.errors import LongSightError
from longsight.methods import Method
from longsight.models.model import Model

FIRST_SIGHT = SAMPLES / "first_sight.json"
PASTE_LENGTH = 1000  # characters; a longer paste becomes a document
HIDDEN: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
DETACHED = "(box, taken) => box?.files?.[0]?.path === taken ? {text: box.text, files: []} : box"
EMPTIED = "() => ({text: '', files: []})"
PLACEHOLDER = "Ask, or paste: a long paste becomes a document"


def build_chat(shell: Shell) -> list[LinkedControl]:
    shown = conversation(first_sight(), elem_id="conversation")
    mark = build_mark("chat")
    costs = gr.HTML(elem_id="costs")
    ask = gr.MultimodalTextbox(
        placeholder=PLACEHOLDER, max_plain_text_length=PASTE_LENGTH, file_count="single", show_label=False,
        label="Question", lines=1, max_lines=6, elem_id="ask", stop_btn="Stop",
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
    inputs = [ask, shell.model, shell.session, *settings, *shell.methods.inputs]

    def sending(*values: Any) -> Generator[dict[Any, Any], None, None]:
        for picture, session in send(*values):
            yield {shown: picture, shell.session: session}

    answer, outputs = marked(sending, mark), [shown, shell.session, mark]
    suggested = suggestion.click(lambda text: {"text": text}, suggestion, ask, **HIDDEN)
    for sent in (
        suggested.then(answer, inputs, outputs, **STARTING, api_visibility="private"),
        ask.submit(answer, inputs, outputs, **STARTING, api_name="ask"),
    ):
        sent.then(show_costs, _cost_inputs(shell), [costs, shell.speed], **HIDDEN)
    shown.accept(None, None, ask, js=EMPTIED, api_visibility="private")
    shell.context.example.change(suggest, shell.context.example, suggestion, **HIDDEN)
    ask.stop(stop, shell.session, None, api_name="stop", **STOPPING)
    new.click(restart, shell.session, shown, api_name="restart", **STOPPING)
    return [
        LinkedControl("longest", longest, float),
        LinkedControl("temperature", temperature, float),
        LinkedControl("seed", seed, int),
    ]


def _wire_document(shell: Shell, ask: gr.MultimodalTextbox, attached: gr.Textbox) -> None:
    """A file in the question box becomes the document. The browser watches for one, so typing costs no request.

    It lies in the box until it is taken in, and what is written beside it stays.
    """
    taken = gr.Textbox(visible="hidden", label="file taken in")
    ask.change(
        None, ask, attached, js="(value) => value?.files?.length ? value.files[0].path : ''", api_visibility="private"
    )
    attached.change(
        take_attached, [ask, shell.model, shell.session], [*shell.context.parts, taken], concurrency_limit=4, **HIDDEN
    ).then(None, [ask, taken], ask, js=DETACHED, api_visibility="private")


def _wire_costs(shell: Shell, costs: gr.HTML) -> None:
    changes = [shell.context.length.change, shell.methods.line.change]
    when_changed(changes, show_costs, _cost_inputs(shell), [costs, shell.speed])


def _cost_inputs(shell: Shell) -> list[Any]:
    return [shell.model, shell.session, *shell.methods.inputs]


@for_visitor
def take_attached(
    message: dict[str, Any] | None, model_name: str, session: Session
) -> Generator[list[Any], None, None]:
    files = (message or {}).get("files") or []
    if not files:
        yield [gr.skip()] * (PARTS + 1)
        return
    for updates in take(session, model_catalogue.model(model_name), lambda: read_upload(files[0])):
        yield [*updates, files[0]]


@for_visitor
def send(
    message: dict[str, Any] | None,
    model_name: str,
    session: Session,
    longest: Any,
    temperature: Any,
    seed: Any,
    *values: Any,
) -> Generator[list[Any], None, None]:
    """Answer the question with each chosen method: updates for the conversation and the session."""
    if (message or {}).get("files"):
        raise LongSightError("The pasted text is still coming in; send the question again in a moment.")
    model = model_catalogue.model(model_name)
    methods = method_controls.read_values(model, values, document_loading.target_length(session, model))
    question = questions.check_question((message or {}).get("text"), methods, longest, temperature, seed)
    for picture in questions.ask_steps(session, model, question):
        yield [picture, session]


def suggest(key: str) -> gr.Button:
    """A button that asks what the example document is good for."""
    if key == UNSET:
        return gr.Button(visible=False)
    return gr.Button(sample(key).question, visible=True)


def restart(session: Session) -> dict[str, Any]:
    stop(session)
    session.forget_conversation()
    return answer_view.conversation([])


@for_visitor
def show_costs(model_name: str, session: Session, *values: Any) -> Generator[list[Any], None, None]:
    """What the next question will cost with each method, and at the end the model's name if its speed is known.

    The first time of all, the machine is measured.
    """
    if method_controls.opening(values):
        yield ["", gr.skip()]
        return
    model = model_catalogue.model(model_name)
    try:
        methods = method_controls.read_values(model, values, document_loading.target_length(session, model))
    except LongSightError as error:
        yield [f'<div class="costs"><em>{html.escape(str(error))}</em></div>', gr.skip()]
        return
    yield [costs_view(session, model, methods), gr.skip()]
    for step in document_loading.measure_steps(session, model):
        yield [costs_view(session, model, methods, f"{step.name} …"), gr.skip()]
    yield [costs_view(session, model, methods), model.name if estimate.speed(model).samples else ""]


def costs_view(session: Session, model: Model, methods: list[Method], note: str = "") -> str:
    tokens = document_loading.token_count(session, model)
    if tokens == 0:
        return ""
    speakers = session.speakers_for(model.name, methods)
    parts = "".join(
        _cost(model, run, speaker, tokens) for run, speaker in zip(make_runs(methods), speakers, strict=True)
    )
    return f'<div class="costs"><span>Next question</span>{parts}<span>{note}</span></div>'


def _cost(model: Model, run: Run, speaker: Speaker, tokens: int) -> str:
    method = run.method
    reused = speaker.cache.length if speaker.cache is not None and speaker.cache.method == method else 0
    reused = reused if reused < tokens + document_loading.ANSWER_ROOM else 0
    forecast = estimate.Forecast(model, method, max(tokens, reused), reused)
    head = f'<span class="cost" style="--method:{run.colour}"><b>{html.escape(run.label)}</b> '
    if not estimate.fits(model, method, tokens, speaker.nbytes):
        return f"{head}<em>cache of {formatting.size(model.cache_bytes(method, tokens))} does not fit here</em></span>"
    again = f"{reused:,} tokens reused, " if reused else ""
    memory = formatting.size(model.cache_bytes(method, max(tokens, reused)))
    seconds = "" if forecast.seconds is None else f", {formatting.about(forecast.seconds)}"
    return f"{head}{again}cache {memory}{seconds}</span>"


def first_sight() -> dict[str, Any]:
    """A finished conversation, recorded with the embedded model, that stands here until the visitor asks something."""
    return json.loads(FIRST_SIGHT.read_text(encoding="utf-8")) if FIRST_SIGHT.exists() else answer_view.conversation([])
