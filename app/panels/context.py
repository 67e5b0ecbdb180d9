"""The document that the conversation is about: given by upload, by a long paste, or chosen from the examples."""

import html
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.components.errors import for_visitor
from app.session import document_loading, formatting, model_catalogue
from app.session.document_loading import LoadingStep
from app.session.documents import Document, read_upload
from app.session.samples import sample, samples
from app.session.sessions import Session
from longsight.errors import LongSightError
from longsight.models.model import Model

NOTHING = (
    '<div class="document empty"><p>No document yet. Paste a long text below, upload a file, or take an example: '
    "it becomes the context of the conversation.</p></div>"
)
UNSET = "none"
PARTS = 4  # of `ContextPanel.parts`


@dataclass(frozen=True)
class ContextPanel:
    """`length` changes whenever the text does: other panels listen to it. It holds the tokens a method has to reach."""

    card: gr.HTML
    upload: gr.UploadButton
    example: gr.Dropdown
    remove: gr.Button
    length: gr.Number

    @property
    def parts(self) -> list[Any]:
        """What `take` and `clear` update."""
        return [self.card, self.remove, self.example, self.length]


def build_context() -> ContextPanel:
    card = gr.HTML(NOTHING, elem_id="document")
    with gr.Row(elem_classes="tight"):
        upload = gr.UploadButton("Upload a text", size="sm", elem_id="upload")
        remove = gr.Button("Remove", size="sm", visible=False, elem_id="remove")
    choices = [(entry.title, key) for key, entry in samples().items()]
    example = gr.Dropdown(
        [("None", UNSET), *choices], value=UNSET, label="Example documents", elem_id="example", filterable=False
    )
    length = gr.Number(visible="hidden", elem_id="length", label="tokens to reach")
    return ContextPanel(card, upload, example, remove, length)


def wire_context(panel: ContextPanel, model: gr.Dropdown, session: gr.State) -> None:
    """Connect the panel's own controls."""
    options: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": 4}
    panel.upload.upload(upload, [panel.upload, model, session], panel.parts, api_name="document", **options)
    panel.example.input(choose, [panel.example, model, session], panel.parts, api_name="example", **options)
    panel.remove.click(clear, [model, session], panel.parts, api_name="remove", **options)


@for_visitor
def upload(path: str | None, model_name: str, session: Session) -> Generator[list[Any], None, None]:
    if path is None:
        raise LongSightError("No file arrived; choose a plain text file.")
    yield from take(session, model_catalogue.model(model_name), lambda: read_upload(path))


@for_visitor
def choose(key: str, model_name: str, session: Session) -> Generator[list[Any], None, None]:
    model = model_catalogue.model(model_name)
    if key == UNSET:
        yield clear(model_name, session)
        return
    yield from take(session, model, sample(key).document, key)


@for_visitor
def clear(model_name: str, session: Session) -> list[Any]:
    session.take(None)
    return shown(session, model_catalogue.model(model_name))


def take(
    session: Session, model: Model, read: Callable[[], Document], key: str = UNSET
) -> Generator[list[Any], None, None]:
    """Make what `read` returns the session's document, or say on its card why not; updates for `ContextPanel.parts`.

    The document before it stays when anything is wrong with the new one.
    """
    try:
        document = read()
        for step in document_loading.take_steps(session, model, document):
            yield [progress_card(document, step), gr.skip(), gr.skip(), gr.skip()]
    except LongSightError as error:
        yield shown(session, model, str(error))
        return
    yield shown(session, model, key=key)


def shown(session: Session, model: Model, problem: str = "", key: str = UNSET) -> list[Any]:
    """Updates for `ContextPanel.parts` that show the session's document as it is."""
    card = document_card(session.document, document_loading.token_count(session, model), model.train_length)
    notice = f'<p class="problem" role="alert">{html.escape(problem)}</p>' if problem else ""
    example = gr.skip() if problem else key
    return [
        card + notice,
        gr.Button(visible=session.document is not None),
        example,
        document_loading.target_length(session, model),
    ]


def document_card(document: Document | None, tokens: int, train_length: int) -> str:
    """The document as HTML: name, size, tokens against the trained length, how it begins and ends. All text escaped."""
    if document is None:
        return NOTHING
    name, head, tail = (html.escape(text) for text in (document.name, document.head, document.tail))
    return (
        f'<div class="document"><b class="name" dir="auto">{name}</b>'
        f'<span class="size">{formatting.size(document.nbytes)}</span>'
        f'<p class="count"><strong>{tokens:,}</strong> tokens = '
        f"<strong>{formatting.times(tokens, train_length)}</strong> "
        f"the trained length of {train_length:,}</p>"
        f'<blockquote dir="auto">{head}</blockquote><blockquote dir="auto" class="tail">{tail}</blockquote></div>'
    )


def progress_card(document: Document, step: LoadingStep) -> str:
    """The card while the document is being taken in."""
    part = "" if step.part is None else f' value="{step.part:.3f}"'
    return (
        f'<div class="document"><b class="name" dir="auto">{html.escape(document.name)}</b>'
        f'<span class="size">{formatting.size(document.nbytes)}</span>'
        f'<p class="count">{step.name} …</p><progress class="bar" max="1"{part}></progress></div>'
    )
