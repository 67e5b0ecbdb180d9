"""Running an evaluation from the page: what is chosen, Run and Stop, and the plan; its results are drawn elsewhere."""

import html
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.components.changes import when_changed
from app.components.errors import for_visitor
from app.components.permalink import LinkedControl
from app.components.run_controls import RunControls, Updates, build_run, wire_run
from app.panels.asked import Asked
from app.panels.shared_controls import SharedControls
from app.session import evaluation_runs, evaluations, passkey_grids, progress_view, running
from app.session.evaluation_runs import EvaluationView
from app.session.evaluations import EvaluationRequest, EvaluationSettings
from longsight.errors import LongSightError


@dataclass(frozen=True)
class EvaluateRun:
    """The controls; `settings` by the field of an `EvaluationSettings` that each one sets."""

    shared: SharedControls
    settings: Mapping[str, Any]
    run: RunControls

    @property
    def inputs(self) -> list[Any]:
        return [*self.settings.values(), *self.shared.inputs]

    @property
    def planned(self) -> list[Any]:
        """What `plan` updates."""
        return [self.run.status, self.run.run]

    def read(self, *values: Any) -> Asked:
        """The values of `inputs`."""
        return Asked.with_values(self.shared, self.inputs, values)

    def request(self, asked: Asked) -> EvaluationRequest:
        """What is asked for, checked."""
        settings = EvaluationSettings(**{name: asked[control] for name, control in self.settings.items()})
        return evaluations.make_request(asked.session, asked.model, asked.draft, settings)

    def steps(self, asked: Asked) -> Generator[EvaluationView, None, None]:
        """Run, or go on."""
        asked.session.picked_part = ""
        yield from evaluation_runs.run_steps(asked.session, self.request(asked))

    @for_visitor
    def plan(self, *values: Any) -> Updates:
        """What Run would do, and how long that takes."""
        asked = self.read(*values)
        if asked.opening or asked.session.busy.locked():
            return gr.skip()
        try:
            request = self.request(asked)
            said = f"<span>{html.escape(evaluation_runs.plan(asked.session, request))}</span>"
        except LongSightError as error:
            return {self.run.status: progress_view.problem(error), self.run.run: gr.Button("Run")}
        begun = evaluation_runs.begun(asked.session, request)
        return {self.run.status: said, self.run.run: gr.Button("Resume" if begun else "Run")}

    def views(self) -> list[LinkedControl]:
        """The controls as parts of the address."""
        return [
            LinkedControl("tasks", self.settings["tasks"], _tasks),
            LinkedControl("evaluate-lengths", self.settings["lengths"], _lengths),
            LinkedControl("evaluate-trials", self.settings["trials"], lambda n: passkey_grids.read_trials(int(n))),
            LinkedControl("evaluate-seed", self.settings["seed"], lambda n: passkey_grids.read_seed(int(n))),
        ]


def build_evaluate_run(shared: SharedControls) -> EvaluateRun:
    """Tasks, lengths, trials and seed, and the buttons."""
    with gr.Row(elem_classes="tight", elem_id="evaluate-settings"):
        settings = {
            "tasks": gr.Dropdown(
                evaluations.titles(), value=[evaluations.FIRST], multiselect=True, label="Tasks",
                elem_id="evaluate-tasks", filterable=False, elem_classes="wide",
            ),
            "lengths": gr.Textbox(
                "256, 512, 1024, 2048", label="Lengths [tokens]", elem_id="evaluate-lengths", max_lines=1,
                elem_classes="wide",
            ),
            "trials": gr.Number(2, label="Trials", elem_id="evaluate-trials"),
            "seed": gr.Number(0, label="Seed", elem_id="evaluate-seed"),
        }  # fmt: skip
    return EvaluateRun(shared, settings, build_run("evaluate"))


def wire_evaluate_run(controls: EvaluateRun, callback: Any, shown: Sequence[Any], tab: gr.Tab) -> None:
    """Let Run start `callback`, which updates some of what is `shown`."""
    shared, run, settings = controls.shared, controls.run, controls.settings
    inputs, planned = controls.inputs, controls.planned
    wire_run(
        run, callback, inputs, [run.status, *shown], session=shared.session, stop=running.stop
    ).then(
        controls.plan, inputs, planned, show_progress="hidden", api_visibility="private"
    )  # fmt: skip
    typed = [event for name in ("lengths", "trials", "seed") for event in (settings[name].submit, settings[name].blur)]
    changes = [settings["tasks"].change, shared.methods.line.change, shared.speed.change, shared.model.change]
    when_changed([*typed, *changes], controls.plan, inputs, planned, tab)


def _tasks(text: str) -> list[str]:
    return [task.key for task in evaluations.read_tasks(evaluations.task_keys(text))]


def _lengths(text: str) -> str:
    passkey_grids.read_lengths(text)
    return text
