"""How much memory is left: of the machine, the container, the process."""

import psutil
import pytest
import torch

from app.session import devices


def test_a_containers_limit_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "CGROUP", tmp_path)
    assert devices.free_bytes(torch.device("cpu")) > 0
    for file, text in (("max", "1000000"), ("current", "400000"), ("stat", "anon 1\ninactive_file 100000\n")):
        (tmp_path / f"memory.{file}").write_text(text, encoding="utf-8")
    assert devices.free_bytes(torch.device("cpu")) == 700_000
    (tmp_path / "memory.max").write_text("max\n", encoding="utf-8")
    assert devices.free_bytes(torch.device("cpu")) > 1_000_000


@pytest.mark.skipif(not psutil.LINUX, reason="only Linux limits the addresses of a process")
def test_a_limit_on_the_process_counts():
    process = psutil.Process()
    before = process.rlimit(psutil.RLIMIT_AS)
    process.rlimit(psutil.RLIMIT_AS, (process.memory_info().vms + 50_000_000, before[1]))
    try:
        assert 0 < devices.free_bytes(torch.device("cpu")) <= 50_000_000
    finally:
        process.rlimit(psutil.RLIMIT_AS, before)
