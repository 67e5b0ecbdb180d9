"""The odometer goes on after whatever ended it, and says in one sentence what it cannot do."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from analysis.evaluation.endless.odometer_record import OdometerRecord
from analysis.export.files import from_json, to_csv
from analysis.odometer import main
from tests.app.conftest import TEXT, save_model

ROOT = Path(__file__).resolve().parents[2]
CHUNK = 256


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("odometer")
    save_model(folder / "tiny")
    (folder / "one.txt").write_text(TEXT * 20, encoding="utf-8")
    (folder / "two.txt").write_text("Another text. " * 50, encoding="utf-8")
    return folder


def arguments(folder, out, tokens, *more, methods="lm-infinite,streaming-llm", text=("one.txt", "two.txt")):
    paths = [str(folder / name) for name in text]
    asked = ["--methods", methods, "--tokens", str(tokens), "--text", *paths, "--out", str(out)]
    return [str(folder / "tiny"), *asked, "--chunk", str(CHUNK), *more]


def record(out):
    return from_json(OdometerRecord, (out / "odometer.json").read_text(encoding="utf-8"))


def position_in(saved):
    """How far a state is: written whole or not at all, so it can be read at any moment."""
    return torch.load(saved, weights_only=True)["position"] if saved.exists() else 0


def test_killed_it_goes_on_and_comes_to_the_same_as_if_it_had_not_been(folder, tmp_path):
    saved, asked = (
        tmp_path / "killed" / "odometer.state",
        arguments(folder, tmp_path / "killed", "100M", "--every", "0"),
    )
    with subprocess.Popen([sys.executable, "-m", "analysis.odometer", *asked], cwd=ROOT, stderr=subprocess.PIPE) as one:
        while not position_in(saved) and one.poll() is None:
            time.sleep(0.1)
        os.kill(one.pid, signal.SIGKILL)
    assert one.returncode == -signal.SIGKILL
    position = position_in(saved)
    tokens = position + 3 * CHUNK
    for out in ("killed", "whole"):
        assert main(arguments(folder, tmp_path / out, tokens)) == 0
    resumed, whole = record(tmp_path / "killed"), record(tmp_path / "whole")
    assert resumed.tokens == whole.tokens == tokens > position > 0
    for name in ("begin", "end", "lap", "known", "nll"):
        assert np.array_equal(getattr(resumed, name), getattr(whole, name)), name


def test_the_page_and_the_record_tell_of_the_same_and_more_tokens_go_on(folder, tmp_path, capsys):
    assert main(arguments(folder, tmp_path, "1k", "--lap", "400", "--formats", "json,csv,npz")) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "odometer.html")
    first = record(tmp_path)
    assert first.tokens == 1000
    assert first.lap.tolist() == sorted(first.lap.tolist())
    assert {run.id for run in first.runs()} == {"lm-infinite", "streaming-llm"}
    assert "begin [tokens]" in to_csv(first)
    page = (tmp_path / "odometer.html").read_text(encoding="utf-8")
    assert len(re.findall("Plotly.newPlot", page)) == 3
    assert "1,000 tokens of 2 texts, which began again 2 times" in page
    assert re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=", page) == []
    assert main(arguments(folder, tmp_path, "1.5k", "--lap", "400")) == 0
    later = record(tmp_path)
    assert later.tokens == 1500
    known = len(first.end) - 1  # the last stretch may have gone on
    assert np.array_equal(later.nll[:, :known], first.nll[:, :known])


def test_without_a_folder_it_writes_where_the_help_says(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    asked = arguments(folder, tmp_path, "1k")
    at = asked.index("--out")
    assert main(asked[:at] + asked[at + 2 :]) == 0
    assert capsys.readouterr().out.strip() == "results/odometer/odometer.html"
    assert record(tmp_path / "results" / "odometer").tokens == 1000
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "(default: results/odometer)" in " ".join(capsys.readouterr().out.split())


def test_a_fetching_method_is_read_without_what_only_an_answer_fetches(folder, tmp_path):
    assert main(arguments(folder, tmp_path, 300, methods="lm-infinite:top_k=4,from_layer=1")) == 0
    assert "top_k" not in str(record(tmp_path).caption[0])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"methods": "vanilla"}, "Vanilla remembers the whole text, so that its cache grows with every token; choose "),
        ({"methods": "truncation"}, "Truncation reads only the last tokens of a text; choose one of window, "),
        ({"methods": "vanila"}, "There is no method 'vanila'; there are vanilla, "),
        ({"tokens": "many"}, "--tokens must give a number of tokens, such as 10M or 512k, but 'many' was given."),
        ({"tokens": "0"}, "--tokens must give a number of tokens"),
        ({"more": ["--lap", "-3"]}, "--lap must give a number of tokens"),
        ({"more": ["--chunk", "0"]}, "chunk must be at least 1 token, but 0 was given."),
        ({"more": ["--formats", "xls"]}, "There is no format 'xls'; there are npz, csv, json."),
        ({"text": ["missing.txt"]}, "missing.txt cannot be read: No such file or directory."),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(change, said, folder, tmp_path, capsys):
    given = {"tokens": 500, **change}
    assert main(arguments(folder, tmp_path, given.pop("tokens"), *given.pop("more", []), **given)) == 1
    found = capsys.readouterr().err.strip().splitlines()[-1]
    assert said in found
    assert "Traceback" not in found


def test_what_was_saved_of_another_reading_or_is_damaged_is_never_gone_on_with(folder, tmp_path, capsys):
    assert main(arguments(folder, tmp_path, 300)) == 0
    before = (tmp_path / "odometer.state").read_bytes()
    assert main(arguments(folder, tmp_path, 300, methods="window")) == 1
    assert "This reading was begun with the methods ('LM-Infinite" in capsys.readouterr().err
    assert (tmp_path / "odometer.state").read_bytes() == before
    (tmp_path / "odometer.state").write_bytes(before[:1000])
    assert main(arguments(folder, tmp_path, 300)) == 1
    assert "odometer.state cannot be read; remove it, and the reading begins anew." in capsys.readouterr().err
