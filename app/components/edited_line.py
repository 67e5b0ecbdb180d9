"""A line of text that names choices with their parameters, `key:a=1,b=2;key:c="text"`, edited in the visitor's browser.

There it is edited at once, so that whatever is asked next asks for what the controls show, however slow the line to the
server is. Nothing is checked here: the server reads the line, and says what is wrong with it.
"""

import json
from collections.abc import Mapping, Sequence

SCRIPT = r"""
longsight.line = {
  cut(text, mark) { return text.match(new RegExp(`("[^"]*("|$)|[^"${mark}])+`, 'g')) ?? []; },
  parts(line) { return this.cut(line, ';'); },
  split(text, mark) {
    const at = text.indexOf(mark);
    return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
  },
  values(given) { return new Map(this.cut(given, ',').map((pair) => this.split(pair, '='))); },
  written(value) { return typeof value === 'string' ? `"${value.replaceAll('"', "'")}"` : value ?? ''; },
  shown(text) { return text.startsWith('"') ? text.replaceAll('"', '') : Number(text); },
  pick(line, place, key) {
    const parts = this.parts(line);
    if (this.split(parts[place] ?? '', ':')[0] === key) return undefined;
    parts[place] = key;
    return parts.join(';');
  },
  remove(line, place) {
    const parts = this.parts(line);
    return parts.length > 1 ? parts.filter((_, n) => n !== place).join(';') : line;
  },
  add(line) {
    const parts = this.parts(line), keys = Object.keys(this.names);
    const taken = parts.map((part) => this.split(part, ':')[0]);
    return [...parts, keys.find((key) => !taken.includes(key)) ?? keys[0]].join(';');
  },
  picked(line, pickers) {
    const parts = this.parts(line);
    return [line, ...pickers.map((held, at) => this.split(parts[at] ?? '', ':')[0] || held)];
  },
  set(line, place, field, value) {
    const parts = this.parts(line), [key, given] = this.split(parts[place] ?? '', ':'), values = this.values(given);
    const name = this.names[key]?.[field], written = String(this.written(value));
    if (!name || values.get(name) === written) return undefined;
    if (written) values.set(name, written);
    else values.delete(name);
    parts[place] = this.part(key, values);
    return parts.join(';');
  },
  part(key, values) {
    return values.size ? `${key}:${[...values].map((pair) => pair.join('=')).join(',')}` : key;
  },
  pin(line, place, on, boxes) {
    const parts = this.parts(line), [key, given] = this.split(parts[place] ?? '', ':'), values = this.values(given);
    boxes.forEach((value, at) => {
      const name = this.names[key]?.[at];
      if (!on) values.delete(name);
      else if (name && (value ?? '') !== '' && !values.has(name)) values.set(name, String(this.written(value)));
    });
    parts[place] = this.part(key, values);
    return parts.join(';');
  },
  boxes(line, values, most) {
    const parts = this.parts(line).map((part) => this.split(part, ':'));
    return values.map((value, at) => {
      const [key, given] = parts[Math.floor(at / most)] ?? ['', ''];
      const set = this.values(given).get(this.names[key]?.[at % most]);
      return set ? this.shown(set) : value;
    });
  },
};
"""
"""`cut`: the parts between marks, but for marks in double quotes. `picked`: the line, and in each picker what stands at
its place there: would the server say that, an answer that comes late would take back what was picked meanwhile. `set`:
parameter number `field` of the choice at `place`; null, where its box was emptied, is left out, and a text stands in
double quotes, its own made single ones. `pin`: what the `boxes` of a choice hold and the line leaves out is written, or
if not `on`, all of it left out.
Where that leaves the line as it is, `set` returns undefined, by which Gradio leaves the line alone: a box that the
server fills says that it changed, too, and must not write back a line that is no longer the newest.
`boxes`: the values of the boxes, `most` for each place, after what stands in the line; others stay as they are."""


def script(names: Mapping[str, Sequence[str | None]]) -> str:
    """The script for the head of the page; `names` of the parameters by key, in the order of their boxes; None for a
    box that is not used."""
    return f"{SCRIPT}longsight.line.names = {json.dumps({key: list(own) for key, own in names.items()})};"


def pick(place: int) -> str:
    """JavaScript for `(line, key) -> line`: another choice at `place`, with no parameters of its own yet.

    A dropdown that is left says that it was changed, also where nothing was: the same choice leaves the line alone."""
    return f"(line, key) => longsight.line.pick(line, {place}, key)"


def remove(place: int) -> str:
    """JavaScript for `(line, *pickers) -> (line, *pickers)`: the choice at `place` taken away, unless it is the only
    one."""
    return f"(line, ...pickers) => longsight.line.picked(longsight.line.remove(line, {place}), pickers)"


ADD = "(line, ...pickers) => longsight.line.picked(longsight.line.add(line), pickers)"
"""JavaScript for `(line, *pickers) -> (line, *pickers)`: one more choice, of those that are not in it yet."""


def change(place: int, field: int, within: str | None = None) -> str:
    """JavaScript for `(line, value) -> line`: the parameter number `field` of the choice at `place`, if it changes.
    `within`: only while the visitor is in the element with this id."""
    set_it = f"longsight.line.set(line, {place}, {field}, value)"
    if within is None:
        return f"(line, value) => {set_it}"
    return f"(line, value) => document.activeElement?.closest('#{within}') ? {set_it} : undefined"


HOLD = "(value) => { longsight.held = value; }"
"""JavaScript for a dropdown that gets the focus: what it holds then."""


def if_chosen(then: str) -> str:
    """JavaScript of a function with a dropdown's value at last: undefined where that is what `HOLD` has seen."""
    return f"(...given) => longsight.held === given.at(-1) ? undefined : ({then})(...given)"


def pin(place: int, label: str) -> str:
    """JavaScript for `(line, name, *boxes) -> line`: all parameters of the choice at `place` written, where the button
    has the name `label`; otherwise left out."""
    return f"(line, name, ...boxes) => longsight.line.pin(line, {place}, name === {json.dumps(label)}, boxes)"


def boxes(most: int) -> str:
    """JavaScript for `(line, *values) -> values`: the boxes, `most` for each choice, as the line has them."""
    return f"(line, ...values) => longsight.line.boxes(line, values, {most})"
