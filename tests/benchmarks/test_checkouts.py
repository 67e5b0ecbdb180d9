"""Two checkouts beside each other: this one, twice."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.checkouts import MeasuringProcess, compare
from benchmarks.subject import ROOT
from tests.app.conftest import save_model


def test_a_row_says_what_both_cost(tmp_path):
    save_model(tmp_path / "tiny")
    (row,) = compare([ROOT, ROOT], str(tmp_path / "tiny"), ["window"], 40, 2, 1)
    assert re.fullmatch(r"\| tiny, window( \| [\d.]+){4} \|", row)


def test_a_process_that_has_ended_is_told():
    command = [sys.executable, "-c", ""]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process,
        pytest.raises(SystemExit, match="there: the model could not be measured; what is above says why"),
    ):
        MeasuringProcess(Path("there"), process).measure("window")
