"""Values of the right kind where their control cannot hold them: a sentence, at once."""

import gradio as gr

from app.components.checked_blocks import UNHELD


def test_a_control_with_one_choice_takes_no_list(client, capfd):
    """Gradio hands it on as it is: a list without choices, and one with a choice that is there."""
    asked = 0
    for index, fn in client.demo.fns.items():
        usual = [None if isinstance(part, gr.State) or callable(part.value) else part.value for part in fn.inputs]
        single = [n for n, part in enumerate(fn.inputs) if isinstance(part, gr.Dropdown) and not part.multiselect]
        for value in ([], [fn.inputs[single[0]].value]) if fn.fn is not None and single else ():
            last = client.call(index, [value if n == single[0] else old for n, old in enumerate(usual)])[-1]
            assert UNHELD in last["output"]["error"]
            asked += 1
    assert asked > 10
    assert "Traceback" not in capfd.readouterr().err
