"""Start the page: `python app.py`, from any folder, or `gradio app.py` to have it reload while it is being changed."""

import os

if os.environ.get("GRADIO_WATCH_MODULE_NAME") == "app":  # the script and the package share a name
    os.environ["GRADIO_WATCH_MODULE_NAME"] = "__main__"
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
if os.environ.get("SPACES_ZERO_GPU"):
    import spaces  # noqa: F401  # on a Space that is lent a GPU: before torch, which it changes
from app.page import build_page
from app.serving import serve

demo = build_page()
if __name__ == "__main__":
    serve(demo)
