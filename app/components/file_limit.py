"""What is said of a file that is too large to be sent.

Gradio finds that in the browser, and says it in units of its own, so that a file of 19.5 MB is larger than "19.1 Mb".
"""

SCRIPT = """
{
  const most = MOST_BYTES, sizes = new Map();
  const read = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
  function given(event) {
    for (const file of event.target.files ?? event.dataTransfer?.files ?? event.clipboardData?.files ?? []) {
      sizes.set(file.name, file.size);
    }
  }
  for (const way of ['change', 'drop', 'paste']) addEventListener(way, given, true);
  function tell() {
    for (const node of document.querySelectorAll('.toast-message-text')) {
      if (!node.textContent.startsWith('File(s) exceed the maximum allowed size')) continue;
      const large = [...sizes].filter(([name, size]) => size > most && node.textContent.includes(`"${name}"`));
      const said = large.map(([name, size]) => `${name} has ${read(size)}; `).join('');
      node.textContent = `${said}up to ${read(most)} are read here. Give a part of it, or only its text.`;
    }
  }
  new MutationObserver(tell).observe(document, {childList: true, subtree: true});
}
"""


def script(most: int) -> str:
    """The script for the head of a page whose server takes files of up to `most` bytes."""
    return SCRIPT.replace("MOST_BYTES", str(most))
