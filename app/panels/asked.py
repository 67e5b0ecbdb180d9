"""What a callback was called with, by the control that each value came from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from app.panels import method_controls
from app.panels.shell import Shell
from app.session import document_loading, model_catalogue
from app.session.sessions import Session
from longsight.methods import Method
from longsight.models.model import Model


def shared_inputs(shell: Shell) -> list[Any]:
    """What every callback that computes needs besides the controls of its own panel."""
    return [shell.model, shell.session, *shell.methods.inputs]


@dataclass(frozen=True)
class Asked:
    """The values of a panel's controls and of `shared_inputs`; those of the controls are unchecked."""

    shell: Shell
    values: Mapping[Any, Any]

    @classmethod
    def with_values(cls, shell: Shell, inputs: Sequence[Any], values: Sequence[Any]) -> Self:
        """`values` in the order of `inputs`, as Gradio gives them."""
        return cls(shell, dict(zip(inputs, values, strict=True)))

    def __getitem__(self, control: Any) -> Any:
        return self.values[control]

    @property
    def session(self) -> Session:
        return self.values[self.shell.session]

    @property
    def model(self) -> Model:
        return model_catalogue.model(self.values[self.shell.model])

    @property
    def opening(self) -> bool:
        """Whether the page is still being opened, and its methods are not laid out yet."""
        return method_controls.opening(self._methods)

    @property
    def _methods(self) -> list[Any]:
        return [self.values[control] for control in self.shell.methods.inputs]

    def methods(self, target_length: int) -> list[Method]:
        """The chosen methods; parameters that stand at their rule of thumb are fitted to `target_length` tokens.

        Raises `LongSightError` on methods that cannot be.
        """
        model = self.model
        whole = document_loading.target_length(self.session, model)
        chosen = method_controls.read_values(model, self._methods, whole)
        return method_controls.follow(model, chosen, whole, target_length)
