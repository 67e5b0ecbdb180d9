"""What a callback was called with, by the control that each value came from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from app.panels.shared_controls import SharedControls
from app.session import document_loading, model_catalogue, side_by_side
from app.session.sessions import Session
from longsight.methods import Method
from longsight.models.model import Model


@dataclass(frozen=True)
class Asked:
    """The values of a panel's controls and of `SharedControls.inputs`; those of the controls are unchecked."""

    shared: SharedControls
    values: Mapping[Any, Any]

    @classmethod
    def with_values(cls, shared: SharedControls, inputs: Sequence[Any], values: Sequence[Any]) -> Self:
        """`values` in the order of `inputs`, as Gradio gives them."""
        return cls(shared, dict(zip(inputs, values, strict=True)))

    def __getitem__(self, control: Any) -> Any:
        return self.values[control]

    @property
    def session(self) -> Session:
        return self.values[self.shared.session]

    @property
    def model(self) -> Model:
        return model_catalogue.model(self.values[self.shared.model])

    @property
    def draft(self) -> str:
        """The methods as text, as they were edited last; empty while the page is still being opened."""
        return str(self.values[self.shared.methods.draft] or "")

    @property
    def opening(self) -> bool:
        """Whether the page is still being opened, and its methods are not laid out yet."""
        return not self.draft

    @property
    def whole(self) -> int:
        """Tokens that the methods are to reach: those of the document, with room for an answer."""
        return document_loading.target_length(self.session, self.model)

    def methods(self, target_length: int | None = None) -> list[Method]:
        """The chosen methods; what was left out is fitted to `target_length` tokens, by default to the `whole`.

        Raises `LongSightError` on methods that cannot be.
        """
        return side_by_side.read(self.model, self.draft, target_length or self.whole)

    def fitted(self, target_length: int) -> str:
        """What was left out and fitted to so many tokens, in words."""
        return side_by_side.fitted(self.model, self.draft, target_length)
