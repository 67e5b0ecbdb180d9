"""The models that ship are found by their folders."""

from app import embedded


def test_the_page_opens_with_rope(tmp_path, monkeypatch):
    monkeypatch.setattr(embedded, "MODELS", tmp_path)
    for name in ("zebra", "rope-small", "alibi-small", "notes"):
        (tmp_path / name).mkdir()
        if name != "notes":
            (tmp_path / name / "config.json").write_text("{}")
    assert embedded.names() == ["rope-small", "alibi-small", "zebra"]
