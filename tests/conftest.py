"""For all tests: the project's root on the path, no analytics, no network for models, and one thread.

Tiny models are no work for two threads: these would mostly wait for each other, and waiting costs processor time.
"""

import gc
import os
import sys
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from longsight.processor import wait_asleep  # noqa: E402

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"  # read by torch when it is imported, here and in every process that a test starts
wait_asleep()


def pytest_configure(config):
    """Every `gr.Blocks` leaves an event loop open (`gradio.utils.safe_get_lock`); all other warnings stay errors."""
    for left_open in ("socket.socket", "function BaseEventLoop.__del__"):
        config.addinivalue_line(
            "filterwarnings", f"ignore:Exception ignored in. <{left_open}:pytest.PytestUnraisableExceptionWarning"
        )


def pytest_sessionfinish():
    """The last of those loops are collected here, because at exit only the filters of pyproject.toml count."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
