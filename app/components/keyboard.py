"""All of the page by keyboard: where Gradio loses the focus it is kept, and the arrows move through a choice."""

SCRIPT = """
{
  const FIELD = '[role="combobox"]', FOCUSABLE = `${FIELD}, button, a[href], input, textarea`;
  let due = 0;
  let quiet = false;  // a list opens when its field hears of the focus
  let key = '';  // the last one; none where somebody points: their focus is not moved
  let held = null, around = [];

  function give(node) {
    quiet = true;
    node.focus();
    quiet = false;
  }

  // What had the focus lost it: it has it again, or where it is gone what follows it in the smallest part of the page
  // that is left, or the last thing there; the new method where there is none to add.
  function keep() {
    due = 0;
    for (const radio of document.querySelectorAll('fieldset[id] input[type="radio"]')) {
      radio.name = radio.closest('fieldset').id;
    }
    if (!key || document.activeElement !== document.body || !held) return;
    if (held.checkVisibility()) {
      if (key !== 'Tab') give(held);  // by which somebody leaves the page
      return;
    }
    const choices = held.id === 'add-method' ? '.method-choice [role="combobox"]' : FOCUSABLE;
    for (const part of around) {
      const left = [...part.querySelectorAll(choices)].filter((node) => node.checkVisibility() && !node.disabled);
      const behind = (node) => held.compareDocumentPosition(node) & Node.DOCUMENT_POSITION_FOLLOWING;
      if (part.isConnected && left.length) return give((held.isConnected && left.find(behind)) || left.at(-1));
    }
  }

  const soon = () => { due ||= setTimeout(keep, 200); };
  new MutationObserver(soon).observe(document, {childList: true, characterData: true, subtree: true});
  addEventListener('pointerdown', () => { key = ''; }, true);
  addEventListener('focusout', soon);
  addEventListener('focusin', ({target}) => {
    held = target;
    around = [];
    for (let part = target.parentElement; part; part = part.parentElement) around.push(part);
  });
  addEventListener('focus', (event) => { if (quiet) event.stopPropagation(); }, true);
  addEventListener('keydown', (event) => {
    key = event.key;
    if (key !== 'Tab' || !event.target.matches(FIELD)) return;
    for (const list of document.querySelectorAll('[role="listbox"]')) list.tabIndex = -1;
    event.stopPropagation();
  }, true);
}
"""
"""Gradio leaves a dropdown's field when something is chosen in its list, closes the list when Tab leaves the field, and
opens it again because a key was pressed, so it does not hear of that key. A list that scrolls is a place of its own for
Tab, until it is said that it is none. And Gradio names every radio button for itself, so that no two are one choice."""
