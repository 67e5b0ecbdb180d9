"""Results as the papers' tables and figures, beside what the papers report."""

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from longsight.errors import LongSightError

from .evaluation.report_parts import ReportPart, to_html, to_markdown
from .evaluation.results import read_results
from .evaluation.row import Row
from .evaluation.score_table import label_of
from .evaluation.tasks import TASKS, Task

MODULE = f"python -m {__spec__.name}"
TITLE = "LongSight: results"


def main(arguments: Sequence[str] | None = None, prog: str = MODULE) -> int:
    """Run one command line; 0 when the report is written."""
    parser = argparse.ArgumentParser(prog=prog, description=__doc__)
    parser.add_argument("results", help="a folder that `evaluate` wrote")
    parser.add_argument("--html", help="the page; report.html in the folder of the results")
    parser.add_argument("--markdown", help="a file for the tables as Markdown")
    given = parser.parse_args(arguments)
    folder = Path(given.results)
    try:
        rows = read_results(folder)
        parts = make_parts(rows)
        page = Path(given.html) if given.html else (folder if folder.is_dir() else folder.parent) / "report.html"
        _write(page, to_html(TITLE, lead(rows), parts))
        if given.markdown:
            _write(Path(given.markdown), to_markdown(TITLE, lead(rows), parts))
    except (LongSightError, OSError) as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    print(path)


def make_parts(rows: Sequence[Row], tasks: Mapping[str, type[Task]] = TASKS) -> list[ReportPart]:
    """What every task has to say of the results of each model. Raises `LongSightError` when there is nothing at all."""
    models = dict.fromkeys(row.model.name for row in rows)
    parts = [
        replace(part, task=key, model=model)
        for key, task in tasks.items()
        for model in models
        for part in task.report([row for row in rows if (row.task.key, row.model.name) == (key, model)])
    ]
    if not parts:
        raise LongSightError("There are no finished cells in these results; run `longsight evaluate` first.")
    return parts


def lead(rows: Sequence[Row]) -> list[str]:
    """What was run, and on what."""
    models = {row.model.name: row.model for row in rows}
    said = [
        f"{name}: {model.parameters / 1e6:.1f} million parameters, {model.positions}, trained on "
        f"{model.train_length:,} tokens."
        for name, model in models.items()
    ]
    run = rows[-1].run
    versions = ", ".join(f"{name} {number}" for name, number in run.versions.items())
    refused = sorted({f"{label_of(row.method.text)}: {row.refused}" for row in rows if row.refused})
    return [
        "Made of results as `python -m analysis.evaluate` writes them; each cell of the results says what it takes to "
        "run it again. Lengths count tokens of the prompt and of its answer.",
        " ".join(said),
        f"Seeds {_listed(row.seed for row in rows)}; {run.machine.device} with "
        f"{run.machine.threads} thread(s); {versions}.",
        *(["What could not be run: " + " ".join(refused)] if refused else []),
    ]


def _listed(values: Iterable[object]) -> str:
    return ", ".join(map(str, sorted(set(values), key=str)))


if __name__ == "__main__":
    sys.exit(main())
