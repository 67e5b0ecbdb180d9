"""Which models the page offers, and that no others can be asked for."""

import pytest

from app import offered, page
from engine.errors import LongSightError
from tests.app.conftest import save_model


def test_the_models_that_ship_are_offered_and_the_page_opens_with_the_first(tmp_path, monkeypatch):
    monkeypatch.delenv(offered.NAMED, raising=False)
    monkeypatch.setattr(offered, "MODELS", tmp_path)
    for name in ("zebra", "rope-small", "alibi-small", "notes"):
        (tmp_path / name).mkdir()
        if name != "notes":
            (tmp_path / name / "config.json").write_text("{}")
    assert offered.names() == [offered.FIRST, "alibi-small", "zebra"]


def test_folders_and_hub_ids_are_offered_by_their_last_part(model, monkeypatch, tmp_path):
    monkeypatch.setenv(offered.NAMED, f" {tmp_path / 'mine'} , someone/their-model,")
    assert offered.names() == ["tiny", "mine", "their-model"]
    assert offered.sources()["their-model"] == "someone/their-model"


def test_a_named_folder_is_loaded_once_and_only_when_it_is_used(model, monkeypatch, tmp_path):
    save_model(tmp_path / "mine", seed=1)
    monkeypatch.setenv(offered.NAMED, str(tmp_path / "mine"))
    assert not offered.is_loaded("mine")
    mine = offered.model("mine")
    assert offered.is_loaded("mine")
    assert offered.model("mine") is mine is not model
    assert mine.name == "mine"


def test_two_models_of_one_name_are_refused(model, monkeypatch):
    monkeypatch.setenv(offered.NAMED, "someone/tiny")
    with pytest.raises(LongSightError, match=r"names someone/tiny, but .*tiny is called tiny already; rename one\."):
        offered.names()


@pytest.mark.parametrize("name", ["", "../tiny", "someone/other-model", "/etc"])
def test_what_is_not_offered_cannot_be_asked_for(model, name):
    with pytest.raises(LongSightError, match=r"No model called .* is offered; there is tiny\."):
        offered.model(name)


def test_another_model_says_that_it_is_being_loaded_and_reads_the_same_document(
    model, monkeypatch, tmp_path, visit, document
):
    save_model(tmp_path / "other", seed=2)
    monkeypatch.setenv(offered.NAMED, str(tmp_path / "other"))
    visit.take(document)
    first, *_, last = page.change_model("other", visit)
    assert first[0] == "<span>loading <b>other</b> …</span>"
    assert "trained length" in last[0]
    assert "grass.txt" in last[1]
    assert len(visit.tokens["other"]) > 0
    first, *_ = page.change_model("other", visit)
    assert "loading" not in first[0]
