"""What a screen reader calls things that Gradio has no names for: the question box, and what a button removes."""

SCRIPT = """
{
  let due = 0;
  function name() {
    due = 0;
    document.querySelector('#ask textarea')?.setAttribute('aria-label', 'Question');
    for (const chip of document.querySelectorAll('.token-remove:not(.remove-all)')) {
      chip.title = `Remove ${chip.previousElementSibling.textContent.trim()}`;
    }
    for (const slot of document.querySelectorAll('.method')) {
      const method = slot.querySelector('.method-choice input')?.value;
      slot.querySelector('.method-choice button[id$="-remove"]')?.setAttribute('aria-label', `Remove ${method}`);
    }
  }
  const observer = new MutationObserver(() => { due ||= setTimeout(name, 200); });
  observer.observe(document, {childList: true, characterData: true, subtree: true});
}
"""
"""Gradio makes and changes them whenever it likes: they are named again soon after anything on the page has changed."""
