"""The document that the conversation is about: given by upload, by a long paste, or chosen from the examples."""

import html
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from app.components.errors import for_visitor
from app.components.run_controls import Updates
from app.session import document_loading, formatting, model_catalogue, progress_view
from app.session.documents import Document, Reading, at_once, read_upload
from app.session.samples import sample, samples
from app.session.sessions import Session
from longsight.errors import LongSightError
from longsight.models.model import Model
from longsight.progress import Progress

NOTHING = (
    '<div class="document empty"><p>No document yet. Paste a long text below, upload one (plain text, PDF, EPUB, Word, '
    "HTML), or take an example: it becomes the context of the conversation.</p></div>"
)
UNSET = "none"


@dataclass(frozen=True)
class ContextPanel:
    """`length` changes whenever the text does: other panels listen to it. It holds the tokens a method has to reach."""

    card: gr.HTML
    upload: gr.UploadButton
    example: gr.Dropdown
    remove: gr.Button
    length: gr.Number

    @property
    def shown(self) -> list[Any]:
        """What `show` updates."""
        return [self.card, self.remove, self.example, self.length]

    def show(self, session: Session, model: Model, key: str | None = None, problem: str = "") -> Updates:
        """The session's document as it is; `key`: of the example that it is, None: as before."""
        card = document_card(session.document, document_loading.token_count(session, model), model.train_length)
        notice = progress_view.problem(problem) if problem else ""
        return {
            self.card: card + notice,
            self.remove: gr.Button(visible=session.document is not None),
            self.length: document_loading.target_length(session, model),
            **({} if key is None else {self.example: key}),
        }

    def take(
        self, session: Session, model: Model, name: str, reading: Reading, key: str = UNSET
    ) -> Generator[Updates, None, None]:
        """Make what is being read, called `name`, the session's document, or say on its card why not.

        The document before it stays when anything is wrong with the new one. Remove takes it away meanwhile.
        """
        try:
            for step in document_loading.take_steps(session, model, reading):
                yield {self.card: progress_card(name, step), self.remove: gr.Button(visible=True)}
        except LongSightError as error:
            yield self.show(session, model, problem=str(error))
            return
        yield self.show(session, model, key)

    @for_visitor
    def take_file(self, path: str | None, model_name: str, session: Session) -> Generator[Updates, None, None]:
        """A file was uploaded."""
        if path is None:
            raise LongSightError("No file arrived; choose one with a text.")
        yield from self.take_upload(path, model_name, session)

    def take_upload(self, path: str, model_name: str, session: Session) -> Generator[Updates, None, None]:
        """A file lies among the uploads."""
        yield from self.take(session, model_catalogue.model(model_name), Path(path).name, read_upload(path))

    @for_visitor
    def take_example(self, key: str, model_name: str, session: Session) -> Generator[Updates, None, None]:
        """An example was chosen, or none; or the list was only left, which Gradio tells in the same way."""
        here = UNSET if session.document is None else session.document.example or UNSET
        if key == here and session.incoming is None:
            yield gr.skip()
            return
        if key == UNSET:
            yield self.clear(model_name, session)
            return
        model, entry = model_catalogue.model(model_name), sample(key)
        yield from self.take(session, model, entry.title, at_once(entry.document), key)

    @for_visitor
    def clear(self, model_name: str, session: Session) -> Updates:
        """The document was removed, or is not to come in after all."""
        session.incoming = None
        session.take(None)
        return self.show(session, model_catalogue.model(model_name), UNSET)


def build_context() -> ContextPanel:
    card = gr.HTML(NOTHING, elem_id="document")
    with gr.Row(elem_classes="tight"):
        upload = gr.UploadButton("Upload a text", size="sm", elem_id="upload")
        remove = gr.Button("Remove the text", size="sm", visible=False, elem_id="remove")
    choices = [(entry.title, key) for key, entry in samples().items()]
    example = gr.Dropdown(
        [("None", UNSET), *choices], value=UNSET, label="Example documents", elem_id="example", filterable=False
    )
    length = gr.Number(visible="hidden", elem_id="length", label="tokens to reach")
    return ContextPanel(card, upload, example, remove, length)


def wire_context(panel: ContextPanel, model: gr.Dropdown, session: gr.State) -> None:
    """Connect the panel's own controls."""
    options: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": 16}
    panel.upload.upload(panel.take_file, [panel.upload, model, session], panel.shown, **options)
    panel.example.input(panel.take_example, [panel.example, model, session], panel.shown, **options)
    panel.remove.click(panel.clear, [model, session], panel.shown, **options)


def document_card(document: Document | None, tokens: int, train_length: int) -> str:
    """The document as HTML: name, size, tokens against the trained length, how it begins and ends. All text escaped."""
    if document is None:
        return NOTHING
    name, head, tail = (html.escape(text) for text in (document.name, document.head, document.tail))
    size = html.escape(" · ".join(filter(None, [formatting.size(document.nbytes), document.form])))
    note = f'<p class="note">{html.escape(document.note)}</p>' if document.note else ""
    end = f'<blockquote dir="auto" class="tail">{tail}</blockquote>' if tail != head else ""
    return (
        f'<div class="document"><b class="name" dir="auto">{name}</b>'
        f'<span class="size">{size}</span>'
        f'<p class="count"><strong>{tokens:,}</strong> tokens = '
        f"<strong>{formatting.times(tokens, train_length)}</strong> "
        f"the trained length of {train_length:,}</p>"
        f'<p class="room">With a question and its answer up to {tokens + document_loading.ANSWER_ROOM:,}: methods are '
        f"fitted to that.</p>{note}"
        f'<blockquote dir="auto">{head}</blockquote>{end}</div>'
    )


def progress_card(name: str, step: Progress[None]) -> str:
    """The card while a document of this name is being taken in."""
    part = f' value="{step.done / step.total:.3f}"' if step.total else ""
    return (
        f'<div class="document"><b class="name" dir="auto">{html.escape(name)}</b>'
        f'<p class="count">{step.doing} …</p><progress class="bar" max="1"{part}></progress></div>'
    )
