"""Which models the page offers, and that no others can be asked for."""

import pytest

from app.session import model_catalogue
from longsight.errors import LongSightError
from longsight.models.registry import Packaged
from tests.app.conftest import save_model


def test_the_models_that_ship_are_offered_and_the_page_opens_with_the_first(tmp_path, monkeypatch):
    monkeypatch.delenv(model_catalogue.NAMED, raising=False)
    monkeypatch.setattr(model_catalogue, "MODELS", tmp_path)
    monkeypatch.setattr(model_catalogue, "PACKAGED", {})
    for name in ("zebra", "rope-small", "alibi-small", "notes"):
        (tmp_path / name).mkdir()
        if name != "notes":
            (tmp_path / name / "config.json").write_text("{}")
    assert model_catalogue.names() == [model_catalogue.FIRST, "alibi-small", "zebra"]


def test_folders_and_hub_ids_are_offered_by_their_last_part(model, monkeypatch, tmp_path):
    monkeypatch.setenv(model_catalogue.NAMED, f" {tmp_path / 'mine'} , someone/their-model,")
    assert model_catalogue.names() == ["tiny", "mine", "their-model"]
    assert model_catalogue.sources()["their-model"] == "someone/their-model"


@pytest.mark.parametrize("installed", [True, False])
def test_a_model_that_a_package_brings_is_offered_where_that_is_installed(installed, model, monkeypatch, tmp_path):
    monkeypatch.setattr(model_catalogue, "PACKAGED", {"real": Packaged("real", "llm-of-ours", "someone/real")})
    (tmp_path / "llm_of_ours").mkdir()
    (tmp_path / "llm_of_ours" / "real.gguf").touch()
    if installed:
        monkeypatch.syspath_prepend(tmp_path)
    assert model_catalogue.names() == ["tiny", "real"][: 1 + installed]
    monkeypatch.setenv(model_catalogue.NAMED, "real")
    assert model_catalogue.sources()["real"] == "real", "named, it comes from the package or else from the Hub"


def test_a_named_folder_is_loaded_once_and_only_when_it_is_used(model, monkeypatch, tmp_path):
    save_model(tmp_path / "mine", seed=1)
    monkeypatch.setenv(model_catalogue.NAMED, str(tmp_path / "mine"))
    assert not model_catalogue.is_loaded("mine")
    mine = model_catalogue.model("mine")
    assert model_catalogue.is_loaded("mine")
    assert model_catalogue.model("mine") is mine is not model
    assert mine.name == "mine"


def test_two_models_of_one_name_are_refused(model, monkeypatch):
    monkeypatch.setenv(model_catalogue.NAMED, "someone/tiny")
    with pytest.raises(LongSightError, match=r"names someone/tiny, but .*tiny is called tiny already; rename one\."):
        model_catalogue.names()


@pytest.mark.parametrize("name", ["", "../tiny", "someone/other-model", "/etc"])
def test_what_is_not_offered_cannot_be_asked_for(model, name):
    with pytest.raises(LongSightError, match=r"No model called .* is offered; there is tiny\."):
        model_catalogue.model(name)


@pytest.mark.parametrize("name", [None, [], "nope", 5])
def test_whether_a_model_that_is_not_offered_is_loaded_is_a_sentence(name):
    with pytest.raises(LongSightError, match="No model called"):
        model_catalogue.is_loaded(name)
