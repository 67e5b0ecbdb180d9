"""The view is its address: `?tab=&model=&methods=&...` follows the controls, and is restored when the page opens.

A panel adds a `LinkedControl` for each control that belongs to the view. What is in an address was typed by anyone, so
every reader checks it; one that does not fit is left out and said so.
"""

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.components.checked_blocks import LARGEST
from longsight.errors import LongSightError

MOST_QUOTED = 80  # characters of what an address asks for

SCRIPT = """
window.longsight = {
  openings: 0,  // how often a tab was opened
  opened: false,  // until the view that the address asks for is restored, the address must stay as it came
  view: new URLSearchParams(location.search),
  set(name, value) {
    const text = String(value ?? '');
    if (text === '') this.view.delete(name);
    else this.view.set(name, text);
    const query = [...this.view].map(([key, text]) => `${key}=${encodeURIComponent(text)}`).join('&')
      .replace(/%3A/g, ':').replace(/%3B/g, ';').replace(/%2C/g, ',').replace(/%3D/g, '=');
    history.replaceState(null, '', query ? `?${query}` : location.pathname);
  },
  settle(names, values) {
    names.forEach((name, place) => { if (this.view.has(name)) this.set(name, values[place]); });
    const tab = document.querySelector('#tabs [role="tab"][aria-selected="true"]');
    if (tab && this.view.has('tab')) this.set('tab', tab.id.replace(/^tab-|-button$/g, ''));
    this.opened = true;
  },
};
"""


@dataclass(frozen=True)
class LinkedControl:
    """A control whose value stands in the address as `name`; `read` turns the text back into the value, and raises for
    one that what the control is for would refuse."""

    name: str
    control: Any
    read: Callable[[str], Any]


def follow(controls: Sequence[tuple[str, Any]]) -> None:
    """Let the address follow these named controls. All of it happens in the browser."""
    for name, control in controls:
        control.change(None, control, None, js=f"(value) => longsight.set({name!r}, value)", api_visibility="private")


def follow_tab(tab: gr.Tab, name: str) -> None:
    """Let the address name the tab that is open.

    To be called before anything else listens to the tab: Gradio does one listener after the other, and waits for the
    server's answer to each, so the name would come when another tab may be open already.
    """
    script = f"() => {{ if (longsight.opened) longsight.set('tab', {name!r}); }}"
    tab.select(None, None, None, js=script, api_visibility="private")


def settled(controls: Sequence[tuple[str, Any]]) -> str:
    """JavaScript for the values of these named controls, once the view is restored: what was asked for and left out
    gives way in the address to what the page shows."""
    return f"(...values) => longsight.settle({[name for name, _ in controls]}, values)"


def restored(views: Sequence[LinkedControl], query: Mapping[str, str]) -> dict[Any, Any]:
    """Values for the controls of `views` that the address names; what cannot be read is left out, and said so."""
    found = {}
    for view in views:
        if view.name not in query:
            continue
        try:
            found[view.control] = _fitting(view.control, view.read(query[view.name]))
        except (ValueError, OverflowError, LongSightError, gr.Error):
            asked = query[view.name][:MOST_QUOTED]
            text = html.escape(f"The address asks for {view.name} = {asked!r}, which does not fit here.")
            gr.Warning(text, title="Address")
    return found


def _fitting(control: Any, value: Any) -> Any:
    """`value`, once its control would send it itself. Raises `ValueError` or `gr.Error` otherwise."""
    if isinstance(control, gr.Number | gr.Slider) and not abs(value) <= LARGEST:
        raise ValueError(value)
    control.preprocess(value)
    return value
