"""Sessions that hold nothing cost next to nothing, and evict nobody."""

import gradio as gr
import pytest

from app.components.session_states import SessionStates, lean_state


@pytest.fixture
def states():
    with gr.Blocks() as demo:
        demo.kept = gr.State([])
        gr.Textbox("shown")
    demo.state_session_capacity = 20
    states = SessionStates(holds=bool)
    states.set_blocks(demo)
    return states


def test_any_number_of_new_names_evicts_nobody_who_holds_something(states):
    key = states.blocks.kept._id
    states["holds"][key].append("a document")
    for number in range(400):
        assert states[f"new {number}"][key] == []
    assert states.values("holds") == [["a document"]]
    assert len(states.session_data) <= 21


def test_where_all_hold_something_nobody_is_evicted(states):
    for number in range(30):
        states[f"{number}"][states.blocks.kept._id].append(number)
    assert [states.values(f"{number}") for number in range(30)] == [[[number]] for number in range(30)]


def test_a_state_describes_no_component_until_it_changes(states):
    state = lean_state(states.blocks)
    assert state.config_values == {}
    state[states.blocks.kept._id] = ["new"]
    assert state[states.blocks.kept._id] == ["new"]


def test_what_a_caller_sent_is_not_kept(states):
    state, box = states["a"], next(key for key, block in states.blocks.blocks.items() if isinstance(block, gr.Textbox))
    state._update_value_in_config(box, "x" * 1000)
    assert "xxx" not in str(state.config_values)


def test_who_was_idle_and_who_was_closed_is_known(states):
    states["a"][states.blocks.kept._id].append(1)
    states["a"].is_closed = True
    [(seconds, closed, values)] = states.idle()
    assert (0 <= seconds < 60, closed, values) == (True, True, [[1]])
