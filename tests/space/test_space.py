"""The Spacefile, the README and what is published agree; publishing makes the calls that a dry run prints."""

import inspect
import shutil
from pathlib import Path

import pytest
import yaml
from huggingface_hub import HfApi, RepoUrl
from huggingface_hub.errors import HTTPError, LocalTokenNotFoundError

from app import space
from app.space import Spacefile, check, deploy, main, plan
from longsight.errors import LongSightError

ROOT = Path(__file__).resolve().parents[2]


class RecordingApi:
    """Stands where the Hub is, which no test reaches. Takes only calls whose arguments the real client would take."""

    def __init__(self, refuses=None, error=None):
        self.calls = []
        self.refuses, self.error = refuses, error

    def __getattr__(self, name):
        def call(**arguments):
            inspect.signature(getattr(HfApi, name)).bind(self, **arguments)
            if name == self.refuses:
                raise self.error
            self.calls.append((name, arguments))
            return RepoUrl("https://huggingface.co/spaces/someone/longsight")

        return call


@pytest.fixture
def project(tmp_path):
    """A small project with this project's own Spacefile, README and requirements."""
    for name in ("Spacefile", "README.md", "requirements.txt", "pre-requirements.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("app.py", "app/chat.py", "longsight/deep/er.py", "analysis/maps.py", "assets/style.css"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("# a file\n")
    for name in ("CHANGELOG.md", "LICENSE", ".env", "notes.txt", ".venv/app.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("private\n")
    return tmp_path


def changed(project, block, **settings):
    """Rewrite the project's Spacefile with other settings in one block, and read it."""
    text = yaml.safe_load((project / "Spacefile").read_text())
    text[block].update(settings)
    (project / "Spacefile").write_text(yaml.safe_dump(text, sort_keys=False))
    return Spacefile.read(project)


def test_this_project_can_be_published():
    assert check(Spacefile.read(ROOT), ROOT) == []


def test_this_project_publishes_what_the_page_needs_and_nothing_else():
    paths = set(Spacefile.read(ROOT).published(ROOT))
    assert {"app.py", "app/space.py", "longsight/methods/base.py", "analysis/export/records.py", "README.md"} <= paths
    tops = {path.split("/")[0] for path in paths if "/" in path}
    assert tops == {"app", "longsight", "analysis", "assets"}
    assert not any("__pycache__" in path for path in paths)


def test_only_what_the_patterns_name_is_published(project):
    assert Spacefile.read(project).published(project) == sorted(
        ["app.py", "app/chat.py", "longsight/deep/er.py", "analysis/maps.py", "assets/style.css", "Spacefile",
         "README.md", "CHANGELOG.md", "LICENSE", "requirements.txt", "pre-requirements.txt"]
    )  # fmt: skip


def test_a_readme_that_disagrees_is_told_how_to_mend_it_and_mended(project, capsys):
    body = (project / "README.md").read_text().split("---\n", 2)[2]
    changed(project, "card", emoji="🔬", tags=["attention"])
    assert main(["check"], project) == 1
    assert (
        "README.md does not begin with the Spacefile's card; run `python -m app.space card`." in capsys.readouterr().err
    )
    assert main(["card"], project) == 0
    assert main(["check"], project) == 0
    assert (project / "README.md").read_text().endswith(body)


def test_the_card_stays_the_same_when_written_again(project):
    before = (project / "README.md").read_text()
    assert main(["card"], project) == 0
    assert (project / "README.md").read_text() == before


def test_python_version_stays_a_string_in_the_readme(project):
    """As a number, 3.10 would reach Hugging Face as 3.1."""
    changed(project, "card", python_version="3.10")
    main(["card"], project)
    assert "python_version: '3.10'" in (project / "README.md").read_text()


def test_a_long_description_is_refused(project):
    manifest = changed(project, "card", short_description="x" * 61)
    main(["card"], project)
    assert check(manifest, project) == ["The card's short_description has 61 characters; Hugging Face takes 60."]


def test_versions_of_the_space_must_be_admitted_by_the_requirements(project):
    manifest = changed(project, "card", sdk_version="5.0.0")
    main(["card"], project)
    (project / "pre-requirements.txt").write_text("torch==2.7.1\n")
    gradio, torch = check(manifest, project)
    assert gradio.startswith("The Space would install gradio==5.0.0, but requirements.txt asks for gradio~=")
    assert torch.startswith("The Space would install torch==2.7.1, but requirements.txt asks for torch<=")


def test_a_large_file_is_refused_with_its_size(project):
    (project / "assets" / "model.safetensors").write_bytes(bytes(10_000_001))
    (project / "notes.bin").write_bytes(bytes(10_000_001))
    (problem,) = check(Spacefile.read(project), project)
    assert problem == (
        "assets/model.safetensors has 10,000,001 bytes; "
        "a Space takes at most 10,000,000 per file. Shrink it, or exclude it."
    )


def test_a_pattern_without_a_file_is_named(project):
    manifest = changed(project, "files", include=["app.py", "asets/*", "README.md"])
    assert check(manifest, project) == ["The Spacefile publishes 'asets/*', but no file matches it."]


def test_unknown_and_missing_settings_are_refused(project):
    text = (project / "Spacefile").read_text()
    (project / "Spacefile").write_text(text.replace("  hardware:", "  hardwear:"))
    with pytest.raises(LongSightError) as refused:
        Spacefile.read(project)
    assert "space.hardware: Field required" in str(refused.value)
    assert "space.hardwear: Extra inputs are not permitted" in str(refused.value)


def test_publishing_makes_exactly_these_calls(project):
    manifest = changed(project, "space", secrets=["HF_TOKEN"], variables={"A": "1"}, sleep_time=None)
    api, said = RecordingApi(), []
    assert deploy(manifest, project, api, {"HF_TOKEN": "hidden"}, said.append) == (
        "https://huggingface.co/spaces/someone/longsight"
    )
    names = [name for name, _ in api.calls]
    assert names == ["create_repo", "request_space_hardware", "add_space_variable", "add_space_secret", "upload_folder"]
    made, hardware, variable, secret, upload = (arguments for _, arguments in api.calls)
    assert made == {
        "repo_id": "longsight",
        "repo_type": "space",
        "space_sdk": "gradio",
        "space_hardware": "zero-a10g",
        "visibility": "public",
        "exist_ok": True,
    }
    assert hardware == {"repo_id": "someone/longsight", "hardware": "zero-a10g", "sleep_time": None}
    assert variable == {"repo_id": "someone/longsight", "key": "A", "value": "1"}
    assert secret == {"repo_id": "someone/longsight", "key": "HF_TOKEN", "value": "hidden"}
    assert upload["folder_path"] == str(project)
    assert (upload["allow_patterns"], upload["ignore_patterns"]) == (manifest.files.include, manifest.files.exclude)
    assert not any("hidden" in line for line in said)


def test_a_dry_run_prints_the_calls_and_the_files_and_calls_nobody(project, capsys, monkeypatch):
    monkeypatch.setattr("huggingface_hub.HfApi", lambda: pytest.fail("a dry run must not make a client"))
    assert main(["deploy", "--dry-run", "--repo", "someone/else"], project) == 0
    printed = capsys.readouterr().out.splitlines()
    manifest = Spacefile.read(project)
    assert printed[0] == "To someone/else, without calling anyone:"
    calls = [space.creation(manifest), *plan(manifest)]
    assert printed[1:-1] == [str(call) for call in calls] + manifest.published(project)
    assert printed[-1].startswith("11 files, ")


def test_nothing_is_published_while_something_is_wrong(project):
    (project / "app.py").unlink()
    manifest = changed(project, "space", secrets=["HF_TOKEN"])
    api = RecordingApi()
    with pytest.raises(LongSightError, match=r"Nothing was published\. .*'app.py'.* The environment lacks HF_TOKEN"):
        deploy(manifest, project, api, {}, print)
    assert api.calls == []


def test_a_refusal_of_the_hub_names_the_call_and_the_reason(project):
    api = RecordingApi("request_space_hardware", HTTPError("402 Payment Required"))
    with pytest.raises(
        LongSightError, match="request_space_hardware did not succeed for someone/longsight: 402 Payment Required"
    ):
        deploy(Spacefile.read(project), project, api, {}, lambda line: None)
    assert [name for name, _ in api.calls] == ["create_repo"]


def test_publishing_without_an_account_says_how_to_get_one(project):
    api = RecordingApi("create_repo", LocalTokenNotFoundError())
    with pytest.raises(LongSightError, match="run `hf auth login`"):
        deploy(Spacefile.read(project), project, api, {}, lambda line: None)


def test_every_argument_of_every_call_is_one_the_hub_client_has():
    manifest = Spacefile.read(ROOT)
    for step in [space.creation(manifest), *plan(manifest)]:
        known = inspect.signature(getattr(HfApi, step.call)).parameters
        assert set(step.arguments) < set(known)
