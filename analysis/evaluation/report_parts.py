"""A report in parts, written as HTML that stands alone and as Markdown."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import plotly.graph_objects as go

from ..export.page import Section, stand_alone

TABLE_STYLE = (
    "<style>table{border-collapse:collapse;margin:0 0 1rem}td,th{padding:.15rem .6rem;text-align:right;"
    "border-bottom:1px solid rgba(128,128,128,.3)}td:first-child,th:first-child{text-align:left}"
    "section{overflow-x:auto}</style>"
)


@dataclass(frozen=True)
class ReportTable:
    """A table of text with a caption."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Reported:
    """A table of a paper, numbers as printed there: its source, its head, and its rows."""

    source: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class ReportPart:
    """What a report has of one question: tables and figures of our models, what papers report, how the two compare.
    `task` and `model`: whose results these are."""

    title: str
    look: str
    tables: Sequence[ReportTable]
    figures: Mapping[str, go.Figure] = field(default_factory=dict)
    reported: Sequence[Reported] = ()
    comments: Sequence[str] = ()
    task: str = ""
    model: str = ""


def to_html(title: str, lead: Sequence[str], parts: Sequence[ReportPart]) -> str:
    """A page that stands alone."""
    sections = [Section(part.title, part.look, "", part.figures, html_of(part)) for part in parts]
    start = "".join(f"<p>{html.escape(line)}</p>" for line in lead)
    page = stand_alone(title, sections)
    heading = f"<h1>{html.escape(title)}</h1>"
    return page.replace(heading, f"{heading}{TABLE_STYLE}{start}", 1)


def html_of(part: ReportPart) -> str:
    comments = "".join(f"<p>{html.escape(comment)}</p>" for comment in part.comments)
    ours = "".join(_html_table(table) for table in part.tables)
    theirs = "".join(_html_table(ReportTable(f"Reported: {r.source}", r.head, r.rows)) for r in part.reported)
    return ours + comments + theirs


def _html_table(table: ReportTable) -> str:
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in table.head)
    rows = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows)
    return f"<p><b>{html.escape(table.caption)}</b></p><table><tr>{head}</tr>{rows}</table>"


def to_markdown(title: str, lead: Sequence[str], parts: Sequence[ReportPart]) -> str:
    """The same without figures."""
    return "\n\n".join([f"# {title}", *lead, parts_markdown(parts, "##")]) + "\n"


def parts_markdown(parts: Sequence[ReportPart], heading: str) -> str:
    """Parts without figures, their titles as headings of one level."""
    blocks = []
    for part in parts:
        blocks += [f"{heading} {part.title}", part.look]
        for table in part.tables:
            blocks += [f"**{table.caption}**", markdown_table(table)]
        blocks += part.comments
        for reported in part.reported:
            table = ReportTable(f"Reported: {reported.source}", reported.head, reported.rows)
            blocks += [f"*{table.caption}*", markdown_table(table)]
    return "\n\n".join(blocks)


def markdown_table(table: ReportTable) -> str:
    """The rows and the head of a table; its caption is left out."""
    lines = [table.head, ("---", *["---:"] * (len(table.head) - 1)), *table.rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
