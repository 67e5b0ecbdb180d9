"""Sources are parsed when nothing waits to be finalised.

Event loops that Gradio leaves open (see tests/conftest.py) would be collected in the middle of `ast.parse`, which
Python 3.11 answers with "AST constructor recursion depth mismatch" (python/cpython issue 106905).
"""

import gc
import warnings

import pytest


@pytest.fixture(autouse=True, scope="package")
def _nothing_to_finalise():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
