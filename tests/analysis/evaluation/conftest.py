"""A tiny random model that reads text, for all tests of tasks."""

import pytest

from longsight.models.model import load
from tests.app.conftest import save_model


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tasks") / "tiny"
    save_model(folder)
    return folder


@pytest.fixture(scope="session")
def model(folder):
    return load(folder)
