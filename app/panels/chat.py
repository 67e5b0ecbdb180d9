"""The chat: one question box, and under each question one answer per method."""

import html
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.components.changes import when_changed
from app.components.conversation import conversation
from app.components.downloads import build_downloads, wire_downloads
from app.components.errors import for_visitor
from app.components.permalink import LinkedControl
from app.components.run_controls import STARTING, STOPPING, Updates, build_mark, marked, rest_after
from app.panels.asked import Asked
from app.panels.chat_costs import costs_view
from app.panels.shared_controls import SharedControls
from app.session import (
    answer_view,
    document_loading,
    estimate,
    finished_examples,
    model_catalogue,
    questions,
    suggestions,
)
from app.session.answer_view import ConversationView
from app.session.conversation_files import FORMATS, files
from app.session.finished_examples import CHAT
from app.session.running import stop
from app.session.sessions import Session
from longsight.errors import LongSightError

PASTE_LENGTH = 1000  # characters; a longer paste becomes a document
HIDDEN: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
ATTACHED = "(value) => value?.files?.length ? value.files[0].path : ''"
DETACHED = "(box, taken) => box?.files?.[0]?.path === taken ? {text: box.text, files: []} : box"
EMPTIED = "() => ({text: '', files: []})"
PICKED = "(text) => ({text, files: []})"
PLACEHOLDER = "Ask, or paste: a long paste becomes a document"


@dataclass(frozen=True)
class ChatPanel:
    """The controls and the places of the tab; `mark` shows the page that answers are being written."""

    shared: SharedControls
    conversation: gr.HTML
    mark: gr.HTML
    costs: gr.HTML
    question: gr.MultimodalTextbox
    suggestions: tuple[gr.Button, ...]
    new: gr.Button
    longest: gr.Number
    temperature: gr.Number
    seed: gr.Number
    attached: gr.Textbox
    taken: gr.Textbox

    @property
    def inputs(self) -> list[Any]:
        """What `send` is called with."""
        model, session, *methods = self.shared.inputs
        return [self.question, model, session, self.longest, self.temperature, self.seed, *methods]

    @property
    def shown(self) -> list[Any]:
        """What `show` updates."""
        return [self.conversation, *self.suggestions]

    def send(self, *values: Any) -> Generator[Updates, None, None]:
        """Answer the question with each chosen method."""
        asked = Asked.with_values(self.shared, self.inputs, values)
        message = asked[self.question] or {}
        if message.get("files"):
            raise LongSightError("The pasted text is still coming in; send the question again in a moment.")
        settings = [asked[control] for control in (self.longest, self.temperature, self.seed)]
        question = questions.check_question(message.get("text"), asked.methods(), *settings)
        for view in questions.ask_steps(asked.session, asked.model, question):
            yield {self.conversation: view, self.shared.session: asked.session}

    @for_visitor
    def take_attached(
        self, message: dict[str, Any] | None, model_name: str, session: Session
    ) -> Generator[Updates, None, None]:
        """Make the file in the question box the document."""
        files = (message or {}).get("files") or []
        if not files:
            yield gr.skip()
            return
        for updates in self.shared.context.take_upload(files[0], model_name, session):
            yield {**updates, self.taken: files[0]}

    @for_visitor
    def show_costs(self, *values: Any) -> Generator[Updates, None, None]:
        """What the next question will cost with each method, and at the end the model's name if its speed is known.

        The first time of all, the machine is measured.
        """
        asked = Asked.with_values(self.shared, self.shared.inputs, values)
        if asked.opening:
            yield gr.skip()
            return
        session, model = asked.session, asked.model
        for step in document_loading.tokens_steps(session, model):
            yield {self.costs: f'<div class="costs"><span>{step.doing} …</span></div>'}
        try:
            methods = asked.methods()
        except LongSightError as error:
            yield {self.costs: f'<div class="costs"><em>{html.escape(str(error))}</em></div>'}
            return
        yield {self.costs: costs_view(session, model, methods)}
        for step in document_loading.measure_steps(session, model):
            yield {self.costs: costs_view(session, model, methods, f"{step.doing} …")}
        known = model.name if estimate.speed(model).samples else ""
        yield {self.costs: costs_view(session, model, methods), self.shared.speed: known}

    @for_visitor
    def show(self, model_name: str, session: Session) -> Updates:
        """The conversation as it stands, and what may be asked next."""
        asked = suggestions.suggestions(session, model_catalogue.model(model_name))
        buttons = [gr.Button(text, visible=True) for text in asked]
        buttons += [gr.Button(visible=False)] * (len(self.suggestions) - len(asked))
        answered = not session.turns or session.turns[-1].finished  # else it is being drawn
        drawn = {self.conversation: conversation_of(session, model_name)} if answered else {}
        return {**drawn, **dict(zip(self.suggestions, buttons, strict=True))}

    @for_visitor
    def restart(self, model_name: str, session: Session) -> Updates:
        """Begin a new conversation: the one before is forgotten."""
        stop(session)
        session.forget_conversation()
        return self.show(model_name, session)


def build_chat(shared: SharedControls) -> list[LinkedControl]:
    panel = build_chat_panel(shared)
    _wire_questions(panel)
    _wire_document(panel)
    text = [shared.context.length.change, shared.context.example.change]
    changes = [*text, shared.methods.line.change, shared.model.change]
    when_changed(changes, panel.show_costs, shared.inputs, [panel.costs, shared.speed])
    when_changed([*text, shared.model.change], panel.show, [shared.model, shared.session], panel.shown)
    return [
        LinkedControl("longest", panel.longest, lambda text: questions.check_longest(int(text))),
        LinkedControl("temperature", panel.temperature, lambda text: questions.check_temperature(float(text))),
        LinkedControl("seed", panel.seed, lambda text: questions.check_seed(int(text))),
    ]


def build_chat_panel(shared: SharedControls) -> ChatPanel:
    """The conversation, below it the costs and the question box, and how an answer is to be written."""
    shown = conversation(conversation_of(Session(), shared.model.value), elem_id="conversation")
    mark = build_mark("chat")
    costs = gr.HTML(elem_id="costs")
    with gr.Row(elem_id="suggestions"):
        chips = tuple(gr.Button(visible=False, size="sm", scale=0) for _ in range(suggestions.MOST))
    question = gr.MultimodalTextbox(
        placeholder=PLACEHOLDER, max_plain_text_length=PASTE_LENGTH, file_count="single", show_label=False,
        label="Question", lines=1, max_lines=6, elem_id="ask", stop_btn="Stop",
    )  # fmt: skip
    with gr.Row(elem_classes="tight", elem_id="chat-tools"):
        new = gr.Button("New conversation", size="sm", elem_id="new", scale=0)
        with gr.Accordion("Answer", open=False, elem_id="answer-settings"), gr.Row():
            longest = gr.Number(64, label="Longest answer [tokens]", elem_id="longest")
            temperature = gr.Number(0, label="Temperature", info="0: always the likeliest token", elem_id="temperature")
            seed = gr.Number(0, label="Seed", elem_id="seed")
    saved = build_downloads("conversation", "This conversation, with all that it depended on:", FORMATS)
    wire_downloads(saved, files, [shared.session])
    attached = gr.Textbox(visible="hidden", elem_id="attached", label="attached file")
    taken = gr.Textbox(visible="hidden", label="file taken in")
    return ChatPanel(shared, shown, mark, costs, question, chips, new, longest, temperature, seed, attached, taken)


def _wire_questions(panel: ChatPanel) -> None:
    shared, answer = panel.shared, marked(panel.send, panel.mark)
    inputs, outputs = panel.inputs, [panel.conversation, shared.session, panel.mark]
    whose = [shared.model, shared.session]
    picked = [chip.click(None, chip, panel.question, js=PICKED, api_visibility="private") for chip in panel.suggestions]
    for sent in (
        *(each.then(answer, inputs, outputs, **STARTING) for each in picked),
        panel.question.submit(answer, inputs, outputs, **STARTING),
    ):
        rest_after(sent, panel.mark)
        sent.then(panel.show_costs, shared.inputs, [panel.costs, shared.speed], **HIDDEN).then(
            panel.show, whose, panel.shown, **HIDDEN
        )
    panel.conversation.accept(None, None, panel.question, js=EMPTIED, api_visibility="private")
    panel.question.stop(stop, shared.session, None, **STOPPING)
    panel.new.click(panel.restart, whose, panel.shown, **STOPPING)


def _wire_document(panel: ChatPanel) -> None:
    """A file in the question box becomes the document. The browser watches for one, so typing costs no request.

    It lies in the box until it is taken in, and what is written beside it stays.
    """
    shared, box = panel.shared, panel.question
    box.change(None, box, panel.attached, js=ATTACHED, api_visibility="private")
    panel.attached.change(
        panel.take_attached, [box, shared.model, shared.session], [*shared.context.shown, panel.taken],
        concurrency_limit=16, **HIDDEN,
    ).then(None, [box, panel.taken], box, js=DETACHED, api_visibility="private")  # fmt: skip


def conversation_of(session: Session, model_name: str) -> ConversationView:
    """The visitor's conversation. Until they have begun something of their own, a finished one with this very model, if
    there is one."""
    recorded = None if session.begun else finished_examples.view(model_name, CHAT)
    return recorded or answer_view.conversation(session.turns, asked=session.asked)
