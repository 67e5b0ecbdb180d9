"""The command line writes records and a page that stands alone, and says in one sentence what it cannot do."""

import json
import re

import numpy as np
import pytest

from analysis.diagnostics.attention import MassRecord
from analysis.diagnostics.attention_map import AttentionMap
from analysis.diagnostics.clusters import ClusterRecord
from analysis.diagnostics.entropy import EntropyRecord
from analysis.diagnostics.measuring import Text, measure_steps
from analysis.diagnostics.options import OPTIONS, PanelOptions
from analysis.diagnostics.panels import PANELS
from analysis.export.files import from_npz
from analysis.look import main, read_text
from longsight.models.model import load
from longsight.progress import finish
from tests.app.conftest import TEXT, save_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    save_model(folder / "tiny")
    (folder / "text.txt").write_text(TEXT * 20, encoding="utf-8")
    (folder / "other.txt").write_text("Another text. " * 200, encoding="utf-8")
    (folder / "empty.txt").write_text("")
    (folder / "latin.txt").write_bytes("un café noir".encode("latin-1"))
    (folder / "broken.txt").write_bytes(("é" * 20).encode() + b"\xff")
    (folder / "marked.txt").write_text(TEXT * 20, encoding="utf-8-sig")
    return folder


@pytest.fixture(scope="module")
def loaded(folder):
    return load(folder / "tiny")


def call(folder, panel, out, *more, text=("text.txt",), methods="vanilla,lm-infinite"):
    paths = [str(folder / name) for name in text]
    where = ["--model", str(folder / "tiny"), "--out", str(out)]
    return main([panel, *where, "--methods", methods, "--text", *paths, "--length", "90", *more])


@pytest.mark.parametrize("panel", PANELS)
def test_every_panel_is_a_word_of_the_command_line(panel, folder, tmp_path, capsys):
    assert call(folder, panel, tmp_path / "made", "--formats", "npz,csv,json") == 0
    page = tmp_path / "made" / f"{panel}.html"
    assert capsys.readouterr().out.strip() == str(page)
    text = page.read_text(encoding="utf-8")
    assert PANELS[panel].look.split(".")[0] in text
    assert len(re.findall("Plotly.newPlot", text)) >= 1
    assert re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=", text) == []
    assert '"showSendToCloud": false' in text
    names = {path.name for path in page.parent.iterdir()}
    drawn = PANELS[panel].names(PanelOptions())
    endings = [f"{method}.{kind}" for method in ("vanilla", "lm-infinite") for kind in ("npz", "csv", "json")]
    assert names == {f"{panel}.html"} | {f"{name}-{ending}" for name in drawn for ending in endings}


def test_the_record_is_what_was_measured(folder, loaded, tmp_path):
    call(folder, "entropy", tmp_path, "--layers", "1", methods="lm-infinite")
    record = from_npz(EntropyRecord, tmp_path / "entropy-lm-infinite.npz")
    ids = np.array(loaded.tokenizer(TEXT * 20, add_special_tokens=False)["input_ids"][:90])
    method = loaded.method("lm-infinite", 90)
    steps = measure_steps(loaded, [Text("text.txt", ids)], method, PANELS["entropy"], PanelOptions(layers=(1,)))
    (again,) = finish(steps)
    assert record == again
    assert record.layer.tolist() == [1]
    assert "".join(record.token) == loaded.tokenizer.decode(ids)


def test_files_are_read_as_the_page_reads_them(folder, loaded, capsys):
    told = {name: read_text(loaded, folder / name, 90) for name in ("text.txt", "marked.txt", "latin.txt")}
    assert told["marked.txt"].ids.tolist() == told["text.txt"].ids.tolist(), "a byte order mark is no text"
    assert loaded.tokenizer.decode(told["latin.txt"].ids) == "un café noir"
    assert capsys.readouterr().err.startswith("latin.txt: Latin-1 (Windows-1252). It has no byte order mark")


def test_one_head_is_drawn_large_and_compared(folder, tmp_path):
    options = ("--layers", "1", "--heads", "2", "--queries", "40:60", "--keys", "30:60")
    assert call(folder, "attention", tmp_path, *options) == 0
    record = from_npz(AttentionMap, tmp_path / "map-vanilla.npz")
    assert record.exact
    assert (record.queries, record.keys, record.weight.shape) == ((40, 60), (30, 60), (1, 1, 20, 30))
    overview = from_npz(AttentionMap, tmp_path / "overview-vanilla.npz")
    assert overview.weight.shape[:2] == (2, 4)
    from_npz(MassRecord, tmp_path / "mass-vanilla.npz")
    assert 'data-name="difference-lm-infinite"' in (tmp_path / "attention.html").read_text()


def test_several_texts_are_clustered_together(folder, tmp_path):
    assert call(folder, "clusters", tmp_path, "--axes", "3", text=("text.txt", "other.txt")) == 0
    record = from_npz(ClusterRecord, tmp_path / "clusters-vanilla.npz")
    assert record.texts == ("text.txt", "other.txt")
    assert record.coordinates.shape == (3, 180, 3)


def test_a_method_may_be_named_several_times_with_other_parameters(folder, tmp_path):
    methods = "vanilla;self-extend:group=2,window=16;self-extend:group=8,window=16"
    options = ("--layers", "1", "--heads", "2", "--formats", "json")
    assert call(folder, "attention", tmp_path, *options, methods=methods) == 0
    ids = ("vanilla", "self-extend", "self-extend-2")
    records = {f"{name}-{run}.json" for name in ("overview", "mass", "map") for run in ids}
    assert {path.name for path in tmp_path.iterdir()} == records | {"attention.html"}
    told = [json.loads((tmp_path / f"map-{run}.json").read_text())["caption"] for run in ids]
    assert told[0] == "Vanilla"
    assert "group=2" in told[1]
    assert "group=8" in told[2]
    page = (tmp_path / "attention.html").read_text()
    assert re.findall('data-format="png" data-name="([^"]+)"', page) == [
        *(f"overview-{run}" for run in ids), "mass", *(f"map-{run}" for run in ids),
        *(f"lines-{run}" for run in ids), "difference-self-extend", "difference-self-extend-2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("panel", "options", "said"),
    [
        ("nll", {"methods": "vanila"}, "There is no method 'vanila'; there are vanilla, "),
        ("nll", {"methods": ","}, "No method was named; there are vanilla, "),
        ("nll", {"methods": "vanilla:window=3"}, "Vanilla has no parameter 'window'; its parameters are log_n."),
        ("nll", {"methods": "lm-infinite:window=x"}, "lm-infinite: window must be a number, but 'x' was given."),
        ("nll", {"methods": "lm-infinite:window=0"}, "LM-Infinite: window must be between 1 and"),
        ("nll", {"more": ["--formats", "xls"]}, "There is no format 'xls'; there are npz, csv, json."),
        ("nll", {"text": ["text.txt", "other.txt"]}, "NLL shows one text at once, but 2 were given."),
        ("nll", {"text": ["empty.txt"]}, "empty.txt has no text in it; give one with words."),
        ("nll", {"text": ["missing.txt"]}, "missing.txt cannot be read: No such file or directory."),
        ("nll", {"text": ["broken.txt"]}, "broken.txt is text in UTF-8 but for byte 0xff at position 40"),
        ("nll", {"more": ["--length", "0"]}, "--length must be at least 1 token, but 0 was given."),
        ("nll", {"more": ["--length", "-5"]}, "--length must be at least 1 token, but -5 was given."),
        ("nll", {"more": ["--device", "toaster"]}, "The device 'toaster' cannot be used: "),
        ("nll", {"more": ["--layers", "0"]}, "NLL does not read --layers; it reads --smoothing, --mark."),
        (
            "logits",
            {"more": ["--cells", "9"]},
            "Logits does not read --cells; it reads --layers, --most-queries, --heads, --mark.",
        ),
        ("nll", {"more": ["--most-queries", "9"]}, "NLL does not read --most-queries; it reads --smoothing, --mark."),
        ("logits", {"more": ["--most-queries", "1"]}, "Queries measured: 1 was asked for; 2 to "),
        ("clusters", {"more": ["--projection", "tsne"]}, "--projection must be pca or umap, but 'tsne' was given."),
        ("clusters", {"more": ["--axes", "4"]}, "--axes must be 2 or 3, but '4' was given."),
        ("nll", {"more": ["--mark", "-1"]}, "Marked position: -1 was asked for; 0 or more would work."),
        ("attention", {"more": ["--queries", "5:9"]}, "--queries is of one head's map; choose it by one --layers and"),
        ("clusters", {"more": ["--length", "3"]}, "3 points were given to a projection; 4 to 8,192 can be drawn."),
        ("logits", {"more": ["--layers", "2"]}, "layer 2 was asked for; tiny has 0 to 1."),
        ("logits", {"more": ["--layers", "a"]}, "--layers must give a whole number, but 'a' was given."),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(panel, options, said, folder, tmp_path, capsys):
    options = {"methods": "vanilla,lm-infinite", "text": ["text.txt"]} | options
    assert call(folder, panel, tmp_path, *options.pop("more", []), **options) == 1
    found = capsys.readouterr().err.strip().splitlines()[-1]
    assert said in found
    assert "Traceback" not in found
    assert not re.search(r"of \d+ tokens", found), "it begins a line of its own"


def test_where_nothing_can_be_written_nothing_is_measured(folder, tmp_path, monkeypatch):
    (tmp_path / "taken").write_text("")
    monkeypatch.setattr("analysis.look.load", pytest.fail)
    assert call(folder, "nll", tmp_path / "taken") == 1


def test_every_option_and_every_panel_is_in_the_help(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    assert all(panel.paper in " ".join(said.split()) for panel in PANELS.values())
    assert all(f"--{name.replace('_', '-')}" in said for name in OPTIONS)
