"""The one command: it hands each command its arguments and its name, and says which extra is missing."""

import subprocess
import sys
from pathlib import Path

import pytest

from longsight import __version__, cli
from longsight.cli import COMMANDS, main

ROOT = Path(__file__).resolve().parents[2]


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert left.value.code == 0
    assert capsys.readouterr().out == f"longsight {__version__}\n"


def test_the_help_names_every_command(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    assert all(f"  {name}" in said and command.help in said for name, command in COMMANDS.items())


def test_an_unknown_command_is_refused_with_the_known_ones(capsys):
    with pytest.raises(SystemExit) as left:
        main(["train"])
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert all(name in said for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_its_own_help_under_its_own_name(name, capsys):
    with pytest.raises(SystemExit) as left:
        main([name, "--help"])
    assert left.value.code == 0
    said = capsys.readouterr().out
    assert said.startswith(f"usage: longsight {name} ")
    assert "python -m" not in said
    assert "%(prog)s" not in said


def test_the_exit_status_is_the_commands_own(tmp_path, capsys):
    assert main(["report", str(tmp_path / "none")]) == 1
    assert str(tmp_path / "none") in capsys.readouterr().err


def test_a_missing_extra_is_named_with_what_installs_it(capsys, monkeypatch):
    needed = ["numpy", "plotly; extra == 'drawing'", "no-such-thing>=2; extra == 'drawing'"]
    monkeypatch.setattr(cli.metadata, "requires", lambda name: needed)
    assert main(["look", "entropy"]) == 1
    assert capsys.readouterr().err == (
        "longsight look needs no-such-thing, which this Python does not have: pip install 'longsight[drawing]'\n"
    )
    assert main(["report", "nowhere"]) == 1
    assert "pip install 'longsight[drawing,evaluation]'" in capsys.readouterr().err
    cli.require("doctor")


def test_it_runs_as_a_module_of_a_checkout_and_imports_no_command_before_it_is_asked_for():
    asked = [sys.executable, "-X", "importtime", "-m", "longsight", "--version"]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == f"longsight {__version__}\n"
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "longsight.cli" in imported
    assert imported & {"longsight.doctor", "analysis", "plotly", "torch"} == set()
