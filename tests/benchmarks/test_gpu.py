"""The benchmark for GPUs: that it stops without one, and what it reckons and writes, on a CPU with tiny models."""

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import torch

from benchmarks import endless, gpu, gpu_subject
from benchmarks.measure import Meter, Result
from longsight.attention.varlen import SWITCH
from longsight.methods import METHODS
from longsight.models.model import adopt
from tests.longsight import tiny

ROOT = Path(__file__).resolve().parents[2]
CPU = torch.device("cpu")
NEVER = float("inf")
MEASURED = ["vanilla", "dynamic-ntk", "duo", "infllm"]


@pytest.fixture(autouse=True)
def _little(monkeypatch):
    monkeypatch.setattr(gpu, "COPIED", 1000)
    monkeypatch.setattr(gpu_subject, "DECODE", 2)


@dataclass
class Watch:
    """A clock that a test moves, and memory that it sets."""

    now: float = 0.0
    peak: int = 0
    forgotten: list[float] = field(default_factory=list)

    def meter(self):
        return Meter(lambda: self.now, lambda: self.forgotten.append(self.now) or 100, lambda: 100 + self.peak)


@pytest.fixture
def watch():
    return Watch()


@pytest.fixture
def subject():
    return gpu_subject.Subject("tiny", tiny.hf())


def reader(watch, reading=1.0, token=0.25, cache=1000):
    """Takes `reading` seconds for a text longer than the warm-up's, and `token` for each token after it."""

    def step():
        watch.now += token

    def read(ids):
        watch.now += reading if len(ids) > 64 else 0.0
        return lambda: cache, step

    return read


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is CUDA here")
def test_without_cuda_it_says_so_and_stops(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["benchmarks.gpu"])
    with pytest.raises(SystemExit) as left:
        gpu.main()
    found = r"benchmarks\.gpu needs a CUDA device, and torch 2\.\S+ finds none here; "
    assert re.fullmatch(found + r"benchmarks\.prefill measures on a CPU\.", left.value.code)
    assert capsys.readouterr().out == ""


def test_a_measurement_is_time_to_read_time_per_token_cache_and_peak(subject, watch):
    watch.peak = 7
    cell = subject.measure("some", reader(watch), 100, watch.meter(), NEVER)
    assert cell == Result(seconds=1.0, peak=7, cache=1000, stored=1000, token_seconds=0.25)
    assert watch.forgotten == [0.0]
    assert subject.cells == {("some", 100): cell}


def test_what_needs_too_much_memory_is_a_cell_and_not_the_end(subject, watch):
    def read(ids):
        raise torch.OutOfMemoryError("no")

    assert subject.measure("some", read, 100, watch.meter(), NEVER) == gpu_subject.NO_MEMORY


def test_what_would_not_end_in_time_is_left_out(subject, watch):
    spent = 1.0 + 0.25 * (gpu_subject.DECODE + 1)
    assert isinstance(subject.measure("some", reader(watch), 100, watch.meter(), NEVER), Result)
    assert (
        subject.measure("some", reader(watch), 200, watch.meter(), watch.now + 4 * spent - 0.01) == gpu_subject.NO_TIME
    )
    assert isinstance(subject.measure("some", reader(watch), 200, watch.meter(), watch.now + 4 * spent), Result)


def test_expected_time_is_exact_for_a_line_and_for_a_parabola():
    def takes(a, b, n):
        return a * n + b * n**2

    for a, b in ((2.0, 0.0), (0.0, 3.0), (0.5, 0.01)):
        known = [(n, takes(a, b, n)) for n in (10, 80)]
        assert gpu_subject.expected(known, 320) == pytest.approx(takes(a, b, 320))
    assert gpu_subject.expected([], 320) == 0
    assert gpu_subject.expected([(10, 2.0)], 20) == pytest.approx(8.0)


def test_expected_time_is_never_less_than_a_line_nor_more_than_a_parabola():
    """However the two shorter ones were disturbed."""
    for first in (0.01, 1.0, 100.0):
        assert 4 * 10.0 <= gpu_subject.expected([(10, first), (80, 10.0)], 320) <= 16 * 10.0


@pytest.mark.parametrize("tied", [False, True])
def test_a_token_reads_every_weight_but_the_embeddings_and_the_cache(tied):
    hf = tiny.hf(tie_word_embeddings=tied)
    layers = sum(p.nbytes for p in hf.model.layers.parameters()) + hf.model.norm.weight.nbytes
    head = tiny.VOCABULARY * tiny.SHAPE["hidden_size"] * 4
    assert gpu_subject.Subject("", hf).bytes_per_token(500) == layers + head + 500


def test_the_meter_waits_for_the_device_and_asks_it_for_its_peak(monkeypatch):
    """Every call of torch.cuda, in its order, with the device that is measured."""
    device, asked = torch.device("cuda", 3), []
    answers = {"synchronize": None, "empty_cache": None, "reset_peak_memory_stats": None, "memory_allocated": 11,
               "max_memory_allocated": 42}  # fmt: skip
    for name, found in answers.items():
        monkeypatch.setattr(torch.cuda, name, lambda *given, n=name, f=found: asked.append((n, *given)) or f)
    meter = gpu.cuda_meter(device)
    assert meter.forget_peak() == 11
    assert asked == [("empty_cache",), ("reset_peak_memory_stats", device), ("memory_allocated", device)]
    asked.clear()
    before = time.perf_counter()
    assert before <= meter.clock() <= time.perf_counter()
    assert meter.peak_memory() == 42
    assert asked == [("synchronize", device), ("max_memory_allocated", device)]


def test_bandwidth_counts_what_is_read_and_what_is_written(watch):
    def clock():
        watch.now += 0.5
        return watch.now

    assert gpu.copy_bandwidth(CPU, Meter(clock, int, int)) == 2 * 1000 / 0.5


def result(seconds=1.0, peak=0, cache=0, stored=0, token_seconds=0.0):
    return Result(seconds, peak, cache, stored, token_seconds)


def cells_of(row):
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_a_row_says_figures_their_share_of_stocks_and_of_the_limit(subject):
    """The limit is what must be read of the cache, each key once; a stock row and one without stock say no shares."""
    bandwidth = subject.bytes_per_token(150_000) / 0.005
    subject.cells["stock, a", 10] = result(2.0, 4_000_000, 1_000_000, 1_000_000, 0.02)
    subject.cells["mine", 10] = subject.cells["mine", 20] = result(1.0, 1_000_000, 250_000, 150_000, 0.01)
    subject.cells["late", 10] = gpu_subject.NO_TIME
    rows = {key: cells_of(gpu_subject.row(subject, *key, bandwidth)) for key in subject.cells}
    assert rows["mine", 10] == ["mine", "1.00 (0.50)", "10.00 (0.50)", "50%", "0.2 (0.25)", "1 (0.25)"]
    assert rows["mine", 20] == ["mine", "1.00", "10.00", "50%", "0.2", "1"]
    assert rows["stock, a", 10][1] == "2.00"
    assert rows["late", 10] == ["late", "no time left", "", "", "", ""]


def stock_takes(subject, monkeypatch, takes, n):
    """What is tried of stock readers, in order, that take so many seconds, or too much memory."""

    def measure(self, reader, read, length, meter, deadline):
        cell = takes[reader] if isinstance(takes[reader], str) else result(takes[reader])
        self.cells[reader, length] = cell
        return cell

    monkeypatch.setattr(gpu_subject, "stock_readers", lambda hf: [(name, lambda n: None) for name in takes])
    monkeypatch.setattr(gpu_subject.Subject, "measure", measure)
    return list(gpu_subject.measure_stock(subject, n, None, NEVER))


def test_longer_texts_are_read_in_the_fastest_way_that_comes_to_its_end(subject, monkeypatch):
    a, b, c, d = (f"stock, {name}" for name in "abcd")
    no_memory, no_time = gpu_subject.NO_MEMORY, gpu_subject.NO_TIME
    assert stock_takes(subject, monkeypatch, {a: 3.0, b: 1.0, c: no_memory, d: 2.0}, 10) == [a, b, c, d]
    assert stock_takes(subject, monkeypatch, {a: 9.0, b: no_memory, c: 9.0, d: 9.0}, 20) == [b, d]
    assert stock_takes(subject, monkeypatch, {a: 9.0, b: 9.0, c: 9.0, d: no_time}, 40) == [d, b]
    assert stock_takes(subject, monkeypatch, dict.fromkeys((a, b, c, d), no_memory), 80) == [b, d, a]
    assert subject.stock(10) == result(1.0)
    assert subject.stock(20) == result(9.0)
    assert subject.stock(80) is None


def test_what_needed_too_much_memory_is_not_tried_with_a_longer_text(subject, watch):
    tried = []

    def read(ids):
        tried.append(len(ids))
        raise torch.OutOfMemoryError("no")

    for n in (100, 200):
        assert subject.measure("some", read, n, watch.meter(), NEVER) == gpu_subject.NO_MEMORY
    assert tried == [64]


def findings_of(cells, rate=None, bandwidth=None):
    subject = gpu_subject.Subject(gpu.LARGE, tiny.hf(), dict(cells))
    return gpu.GpuFindings([gpu_subject.Subject("other", subject.hf), subject], bandwidth, rate)


def verdicts(findings):
    return [tuple(cells_of(line)[1:]) for line in gpu.goals_table(findings).splitlines()[2:]]


def test_goals_are_met_or_not_or_not_measured():
    stock, ours = result(10.0, 7_600, token_seconds=0.05), result(2.0, 1_000, stored=0, token_seconds=0.02)
    assert [found[1:] for found in verdicts(gpu.GpuFindings())] == [("", "not measured")] * 5
    cells = {("stock, a", 32768): stock, (gpu.GOAL, 32768): ours, (gpu.GOAL, 131072): ours}
    rate = endless.Rate(1_000_000, 3.1, 0.0, 0.0)
    found = findings_of(cells, rate)
    found.bandwidth = found.subjects[1].bytes_per_token(0) / 0.015
    assert verdicts(found) == [
        ("at least 2.72", "2.50", "not met"),
        ("at least 0.7", "0.75", "met"),
        ("at least 3.16", "", "not measured"),
        ("at least 7.5", "7.60", "met"),
        ("at most 10", "10.33", "not met"),
    ]
    found.subjects[1].cells["stock, a", 131072] = gpu_subject.NO_MEMORY
    assert verdicts(found)[2][2] == "not measured"
    found.subjects[1].cells["stock, b", 131072] = stock
    assert verdicts(found)[2] == ("at least 3.16", "5.00", "met")


def test_goals_say_where_they_come_from_and_the_help_what_they_need():
    assert [goal.words for goal in gpu.GOALS if "arXiv 2308.16137" in goal.words] == [
        gpu.GOALS[0].words, gpu.GOALS[2].words, gpu.GOALS[3].words,
    ]  # fmt: skip
    assert "an H200 (141 GB) is needed" in gpu.parser().format_help()


def test_a_whole_run_measures_stock_and_methods_and_leaves_the_model_as_it_was():
    meter = Meter(time.perf_counter, lambda: 0, lambda: 0)
    found = [
        gpu_subject.Subject("tiny", gpu.random_weights(tiny.hf().config, CPU)),
        gpu_subject.Subject("small", tiny.hf()),
    ]
    assert {p.dtype for p in found[0].hf.parameters()} == {torch.bfloat16}
    texts = list(gpu.run(gpu.GpuFindings(found), [96, 160], MEASURED, meter, NEVER))
    assert re.match(r"\nCopying moves [\d,]+ GB per second\. In brackets: ", texts[0])
    parts = re.split(r"\n(?=###)", "\n".join(texts[1:]))[1:]
    titles = [text.splitlines()[0] for text in parts]
    assert titles == [f"### {name}, {n} tokens" for n in (96, 160) for name in ("tiny", "small")]
    for text, readers in zip(parts, (2, 2, 1, 1), strict=True):
        _, measured, goals = text.strip().split("\n\n")
        assert goals == gpu.goals_table(gpu.GpuFindings())
        rows = [cells_of(line) for line in measured.splitlines()[2:]]
        assert {len(row) for row in rows} == {6}
        names = [row[0] for row in rows]
        assert all(name.startswith("stock, sdpa") for name in names[:readers])
        assert names[readers:] == MEASURED + [f"{method}, with masks" for method in MEASURED]
        assert all(re.match(r"[\d.]+ \([\d.]+\)$", row[1]) for row in rows[readers:])
    for subject in found:
        assert subject.hf.config._attn_implementation == "sdpa"
        subject.hf(input_ids=tiny.ids(5)[None])


def test_each_row_is_there_as_soon_as_it_is_measured(subject):
    """So a run that is cut has said what it found."""
    findings = gpu.GpuFindings([subject])
    texts = gpu.run(findings, [96], ["vanilla"], Meter(time.perf_counter, lambda: 0, lambda: 0), NEVER)
    rows = [len(subject.cells) for text in texts if text.startswith("| ")]
    assert rows == [1, 2, 3, 4]


def test_what_is_read_with_masks_is_so_and_the_longest_texts_are_not(subject, monkeypatch):
    switched, meter = [], Meter(time.perf_counter, lambda: 0, lambda: 0)
    monkeypatch.setenv(SWITCH, "1")
    monkeypatch.setattr(gpu_subject, "LONGEST_MASKED", 96)
    monkeypatch.setattr(
        gpu_subject, "read_with_method", lambda *_, **more: switched.append(os.environ[SWITCH]) or (int, int)
    )
    for n in (96, 160):
        list(gpu_subject.measure_methods(subject, n, ["vanilla"], meter, NEVER))
    assert switched == ["1", "1", "0", "0", "1", "1"], "each is warmed up and read"
    assert list(subject.cells) == [("vanilla", 96), ("vanilla, with masks", 96), ("vanilla", 160)]
    assert os.environ[SWITCH] == "1"


def test_a_run_that_is_out_of_time_still_writes_its_tables():
    meter = Meter(time.perf_counter, lambda: 0, lambda: 0)
    findings = gpu.GpuFindings([gpu_subject.Subject("tiny", tiny.hf())])
    texts = list(gpu.run(findings, [96, 160], ["vanilla"], meter, deadline=0.0))
    rows = [text for text in texts if text.startswith("| ")]
    assert len(rows) == 2 * 4
    assert all("no time left" in text for text in rows)


def test_llama_2_7b_has_its_shape():
    """4,096 tokens trained, 6.74 billion weights: half a megabyte of bfloat16 keys and values per token."""
    with torch.device("meta"):
        hf = gpu.random_weights(gpu.LLAMA_2_7B, torch.device("meta"))
    assert sum(p.numel() for p in hf.parameters()) == 6_738_415_616
    config = hf.config
    assert config.max_position_embeddings == 4096
    assert 2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim * 2 == 2**19


def test_a_small_device_measures_what_fits(monkeypatch, capsys):
    monkeypatch.setattr(gpu, "PACKAGED", {})
    assert [subject.name for subject in gpu.subjects(CPU, tiny.hf().config)] == [
        "Llama-2-7B's shape", "The embedded model",
    ]  # fmt: skip
    monkeypatch.setattr(gpu, "random_weights", lambda *args: (_ for _ in ()).throw(torch.OutOfMemoryError()))
    assert [subject.name for subject in gpu.subjects(CPU)] == ["The embedded model"]
    assert capsys.readouterr().err.endswith("Llama-2-7B's shape does not fit on this device and is left out.\n")


def test_equality_tests_that_take_too_long_are_a_failure(monkeypatch, capsys):
    def run(command, timeout, **options):
        assert command[-2:] == ["-k", "cuda"]
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(gpu.subprocess, "run", run)
    assert gpu.equality_tests(12.3) == 1
    assert capsys.readouterr().err == "The equality tests were stopped after 12 seconds.\n"
    assert gpu.equality_tests(-3.0) == 1
    assert capsys.readouterr().err == "No time is left for the equality tests.\n"


@pytest.mark.parametrize(("seconds", "read"), [(1e9, 960), (3.5, 4 * 96)])
def test_a_text_without_an_end_is_read_for_as_long_as_there_is_time(watch, seconds, read):
    """Here each chunk takes a second, and one that begins in time is read to its end."""
    model, method = adopt(tiny.hf()), METHODS["lm-infinite"](window=16)

    def clock():
        watch.now += 1.0
        return watch.now

    rate = endless.read_on(model, method, 960, 96, Meter(clock, int, int), seconds + 1)
    assert (rate.tokens, rate.seconds, rate.first, rate.last) == (read, read / 96, 96.0, 96.0)
    assert f"{read:,} tokens in {read / 96:.1f} s: 96 tokens per second" in str(rate)
    assert str(rate).endswith("at this rate 200,000,000 tokens take 578.7 hours.")


def test_a_rehearsal_of_the_whole_command(monkeypatch, capsys):
    """All that it does on CUDA, on a CPU: the shape is tiny, and the equality tests are asked for and not run."""
    asked = []
    monkeypatch.setattr(gpu, "PACKAGED", {})
    monkeypatch.setattr(gpu, "read_stock", lambda source: tiny.hf(max_position_embeddings=512))
    monkeypatch.setattr(gpu.subprocess, "run", lambda command, **more: asked.append(command) or CompletedProcess((), 0))
    options = gpu.parser().parse_args(["--lengths", "96", "640", "--tokens", "5000"])
    meter = Meter(time.perf_counter, lambda: 0, lambda: 0)
    assert gpu.benchmark(CPU, tiny.hf(max_position_embeddings=512).config, options, meter) == 0
    said = capsys.readouterr().out
    assert asked[0][-2:] == ["-k", "cuda"]
    assert re.search(r"Without an end, lm-infinite:top_k=0: 6,144 tokens in .* tokens per second", said)
    titles = re.findall("### (.*)", said)
    assert titles == [f"{name}, {n} tokens" for n in (96, 640) for name in ("Llama-2-7B's shape", "The embedded model")]
    assert said.count("| goals of lm-infinite |") == 1 + len(titles)
    assert [line.split("|")[-2].strip() for line in said.splitlines()[-5:]] == ["not measured"] * 4 + [
        "met" if "| met |" in said.splitlines()[-1] else "not met"
    ]
    for reader in gpu.READERS:
        assert len(re.findall(rf"\| {re.escape(reader)} \| [\d.]+ \([\d.]+\)", said)) == 4
