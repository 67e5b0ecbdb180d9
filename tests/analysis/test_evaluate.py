"""The runner: the same final results however often it is killed, and wherever the work is done."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from analysis import evaluate
from analysis.evaluation import worker
from analysis.evaluation.results import FILE, opened, read_results
from longsight.errors import LongSightError
from tests.app.conftest import save_model

ROOT = Path(__file__).resolve().parents[2]
METHODS = "vanilla,truncation;lm-infinite:window=32,top_k=2,from_layer=1;self-extend:group=4,window=16"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluate")
    save_model(folder / "tiny")
    save_model(folder / "other", seed=1)
    return folder


def options(folder, out, *more, methods=METHODS, lengths="300", models=("tiny",), task=("passkey:depths=2",)):
    where = [str(folder / name) for name in models]
    return [
        "--model", *where, "--methods", methods, "--task", *task, "--lengths", lengths, "--trials", "1", "--threads",
        "1", "--out", str(out), *more,
    ]  # fmt: skip


def run(folder, out, *more, **changes):
    return evaluate.main(options(folder, out, *more, **changes))


def results(out):
    """All that must be the same however often the cells are run: no times, memory, machine, versions."""
    return [row.model_dump(exclude={"run"}) for row in read_results(out)]


@pytest.fixture(scope="module")
def undisturbed(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    assert run(folder, out, models=("tiny", "other")) == 0
    return out


def start(folder, out):
    command = [sys.executable, "-m", "analysis.evaluate", *options(folder, out, models=("tiny", "other"))]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def written(out):
    path = out / FILE
    return path.read_bytes().count(b"\n") if path.exists() else 0


def test_a_run_that_is_killed_comes_to_the_same_results(folder, undisturbed, tmp_path):
    kills, before = 0, []
    for at in (1, 4):
        process = start(folder, tmp_path)
        deadline = time.monotonic() + 120
        while written(tmp_path) < at and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.communicate()
        before = read_results(tmp_path)
        assert len(before) >= at
    assert kills >= 1
    with (tmp_path / FILE).open("ab") as file:  # and once in the middle of a line
        file.write((undisturbed / FILE).read_bytes()[:700])
    assert run(folder, tmp_path, models=("tiny", "other")) == 0
    assert results(tmp_path) == results(undisturbed)
    kept = {row.cell: row.run for row in read_results(tmp_path)}
    assert all(kept[row.cell] == row.run for row in before), "what was finished was not run again"


def test_a_finished_run_runs_nothing(folder, undisturbed, monkeypatch):
    monkeypatch.setattr(evaluate, "cell_steps", lambda *_: pytest.fail("a finished cell was run"))
    text = (undisturbed / FILE).read_bytes()
    assert run(folder, undisturbed, models=("tiny", "other")) == 0
    assert (undisturbed / FILE).read_bytes() == text


def test_a_row_says_what_it_takes_to_run_it_again(folder, undisturbed):
    rows = read_results(undisturbed)
    assert len(rows) == 2 * 4
    row = next(row for row in rows if row.method.key == "self-extend")
    assert row.method.parameters == {"log_n": 0, "group": 4, "window": 16}
    assert row.method.reach == (32 - 16) * 4 + 16
    assert row.task.options["depths"] == 2
    assert {"torch", "transformers", "python"} <= set(row.run.versions)
    assert (row.seed, row.trials, row.model.train_length) == (0, 1, 32)
    assert [case.facts["depth"] for case in row.cases] == [0.0, 1.0]
    assert row.scores["found"] == sum(case.scores["found"] for case in row.cases) / 2


def test_results_can_be_added_to_and_order_does_not_depend_on_the_way(folder, tmp_path):
    for out, steps in (("one", ["300,400"]), ("two", ["400", "300"])):
        for lengths in steps:
            assert run(folder, tmp_path / out, lengths=lengths, methods="vanilla,truncation") == 0
    assert results(tmp_path / "one") == results(tmp_path / "two")


def test_other_weights_are_other_cells(folder, tmp_path):
    save_model(tmp_path / "tiny", seed=3)
    for place in (folder, tmp_path, tmp_path):
        assert run(place, tmp_path / "out", lengths="300", methods="vanilla") == 0
    before = read_results(tmp_path / "out")
    assert len(before) == 2
    assert run(tmp_path, tmp_path / "out", "--forget", lengths="300", methods="vanilla") == 0
    (kept,) = read_results(tmp_path / "out")
    assert kept in before
    assert kept.model.source == str(tmp_path / "tiny")


def test_worker_processes_come_to_the_same_results(folder, undisturbed, tmp_path):
    assert run(folder, tmp_path, "--jobs", "2", models=("tiny", "other")) == 0
    assert results(tmp_path) == results(undisturbed)


def test_a_ray_cluster_of_two_workers_comes_to_the_same_results(folder, undisturbed, tmp_path):
    """In a process of its own, because Ray changes signal handlers and leaves sockets behind."""
    pytest.importorskip("ray")
    script = f"""
import sys
from ray.cluster_utils import Cluster
node = {{"num_cpus": 2, "node_ip_address": "127.0.0.1", "include_dashboard": False}}
cluster = Cluster(initialize_head=True, head_node_args=node)
try:
    from analysis import evaluate
    given = {options(folder, tmp_path, "--jobs", "2", "--backend", "ray", models=("tiny", "other"))!r}
    done = evaluate.main([*given, "--ray-address", cluster.address])
    import ray
    print("connected", ray.is_initialized(), *sorted(node.node_ip_address for node in cluster.list_all_nodes()))
    sys.exit(done)
finally:
    cluster.shutdown()
"""
    # By the last one Ray takes 127.0.0.1 as it is given, and does not make the machine's outer address of it.
    env = os.environ | {"RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": str(ROOT)}
    env["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=env, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "connected False 127.0.0.1" in done.stdout
    assert results(tmp_path) == results(undisturbed)


def test_without_ray_the_flag_says_what_to_do(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert run(folder, tmp_path, "--backend", "ray") == 1
    assert "--backend ray needs Ray, which is not installed here: pip install ray" in capsys.readouterr().err


def test_each_worker_loads_a_model_once(folder, tmp_path, monkeypatch):
    loads = []
    real = worker.load
    worker.loaded.cache_clear()
    monkeypatch.setattr(worker, "load", lambda *given: loads.append(given) or real(*given))
    assert run(folder, tmp_path, models=("tiny", "other")) == 0
    assert len(loads) == 2
    worker.loaded.cache_clear()


def test_what_a_method_refuses_is_a_row_that_says_so_and_is_tried_again(folder, tmp_path, capsys):
    for _ in range(2):
        assert run(folder, tmp_path, methods="vanilla;ntk:scale=0.5", lengths="300") == 0
        assert "ntk:scale=0.5 on tiny, 300 tokens: NTK-aware: scale must be between 1" in capsys.readouterr().out
    refused, fine = sorted(read_results(tmp_path), key=lambda row: row.refused is None)
    assert refused.cases == ()
    assert fine.refused is None


def test_an_interrupted_run_says_how_to_go_on(folder, tmp_path, monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(evaluate, "cell_steps", interrupted)
    assert run(folder, tmp_path) == 130
    assert "The same command goes on" in capsys.readouterr().err


@pytest.mark.parametrize(("changes", "said"), [
    ({"methods": "vanila"}, "There is no method 'vanila'; there are vanilla, "),
    ({"methods": "window:size=3"}, "Window has no parameter 'size'; its parameters are log_n, window."),
    ({"methods": ";"}, "No method was named; there are vanilla, "),
    ({"task": ["poetry"]}, "There is no task 'poetry'; there are perplexity, passkey"),
    ({"task": ["passkey:deep=3"]}, "Passkey has no option 'deep'; its options are kind, "),
    ({"task": ["passkey:depths=many"]}, "passkey: depths must be a number, but 'many' was given."),
    ({"lengths": "300,x"}, "--lengths must be whole numbers with commas, but '300,x' was given."),
    ({"lengths": "0"}, "--lengths must be at least 1 token, but 0 was given."),
    ({"models": ["nowhere"]}, "nowhere"),
])  # fmt: skip
def test_what_cannot_be_done_is_said_in_one_sentence(folder, tmp_path, capsys, changes, said):
    assert run(folder, tmp_path, **changes) == 1
    error = [line for line in capsys.readouterr().err.splitlines() if line and "cell" not in line]
    assert said in error[-1]
    assert "Traceback" not in "".join(error)


def test_a_file_in_the_place_of_the_folder_is_said_in_one_sentence(folder, tmp_path, capsys):
    (tmp_path / "taken").write_text("")
    for out, why in (("taken", "File exists"), ("taken/deeper", "Not a directory")):
        assert run(folder, tmp_path / out) == 1
        assert f"{out} cannot be a folder of results: {why}; choose another --out." in capsys.readouterr().err


def test_two_runs_do_not_write_to_one_folder(folder, tmp_path, capsys):
    with opened(tmp_path):
        assert run(folder, tmp_path) == 1
    assert re.search(r"Another run is writing to .*; wait for it", capsys.readouterr().err)


@pytest.mark.parametrize("text", ['{"no": "cell"}\n', "not json\n", "[1]\n"])
def test_a_file_that_is_no_results_is_refused(tmp_path, text):
    (tmp_path / FILE).write_text(text)
    with pytest.raises(LongSightError, match="is no file of results: line 1 is not a cell"):
        read_results(tmp_path)


def test_results_that_are_not_there_are_missed(tmp_path):
    with pytest.raises(LongSightError, match=r"but holds no results\.jsonl; run `longsight evaluate`"):
        read_results(tmp_path / "none")


def test_rows_are_json_that_anything_can_read(undisturbed):
    for line in (undisturbed / FILE).read_text(encoding="utf-8").splitlines():
        json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
