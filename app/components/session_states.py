"""What Gradio keeps of each session: little, and never at the price of somebody else's."""

from collections.abc import Callable, Iterator
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import gradio as gr
from gradio.state_holder import SessionState, StateHolder


class SessionStates(StateHolder):
    """Gradio's own holder lets go of whatever was used longest ago once there are too many sessions: a few hundred
    requests under new names cost every visitor what they had. Here only a session that holds nothing is let go.

    `holds` says whether a state's value is worth keeping.
    """

    def __init__(self, holds: Callable[[Any], bool]) -> None:
        super().__init__()
        self.holds = holds

    def __getitem__(self, session_id: str) -> SessionState:
        if session_id not in self.session_data:
            self.session_data[session_id] = lean_state(self.blocks)
        return super().__getitem__(session_id)

    def update(self, session_id: str) -> None:
        with self.lock:
            if session_id in self.session_data:
                self.session_data.move_to_end(session_id)
            if len(self.session_data) > self.capacity:
                self._let_empty_go(session_id)

    def values(self, session_id: str) -> list[Any]:
        """The values of a session's states; none where it is not known."""
        found = self.session_data.get(session_id)
        return [] if found is None else list(found.state_data.values())

    def idle(self) -> Iterator[tuple[float, bool, list[Any]]]:
        """For each session the seconds since it was used, whether its page was closed, and the values of its states."""
        now = datetime.now()
        for session_id in list(self.session_data):
            found, used = self.session_data.get(session_id), self.time_last_used.get(session_id, now)
            if found is not None:
                yield (now - used).total_seconds(), found.is_closed, list(found.state_data.values())

    def _let_empty_go(self, but: str) -> None:
        empty = (name for name, state in self.session_data.items() if name != but and not self._worth(state))
        found = next(empty, None)
        if found is not None:
            del self.session_data[found]
            self.time_last_used.pop(found, None)

    def _worth(self, state: SessionState) -> bool:
        return any(self.holds(value) for value in state.state_data.values())


def lean_state(blocks: gr.Blocks) -> SessionState:
    """A session's state without a description of each component, which only Gradio's deep links would need: that takes
    300 kB and a tenth of a second in which nobody is served."""
    described = SimpleNamespace(default_config=blocks.default_config, blocks={})
    return LeanState(described)  # type: ignore[arg-type]  # it reads these two


class LeanState(SessionState):
    """Keeps no copy of what its callers sent, which may be a text of many megabytes."""

    def _update_value_in_config(self, key: int, value: Any) -> None:
        """Deep links would need it."""
