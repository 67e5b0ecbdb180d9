"""Files made for a visitor: one as it is, several as one."""

import zipfile
from pathlib import Path

from app.components import downloads


def test_one_file_is_saved_as_it_is_and_several_as_one(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    assert Path(downloads.write("all", {"a.csv": b"1"})).read_bytes() == b"1"
    with zipfile.ZipFile(downloads.write("all", {"a.csv": b"1", "b.csv": b"2"})) as archive:
        assert archive.read("b.csv") == b"2"
