"""A dropdown's list closes when Tab leaves its field.

Gradio closes it as the field loses the focus, and then opens it again because a key was pressed.
"""

SCRIPT = """
addEventListener('keydown', (event) => {
  if (event.key === 'Tab' && event.target.matches('[role="combobox"]')) event.stopPropagation();
}, true);
"""
"""Gradio does not hear of the key; the browser moves the focus all the same."""
