"""A visitor's request names files of the server: none is read or deleted. An upload that cannot be is told so."""

import errno
import os

import gradio as gr
import pytest
from gradio import route_utils

from app.assets import STYLES
from app.components.plot import PLOTLY_JS

SERVED = (PLOTLY_JS, STYLES / "longsight.css", next(STYLES.glob("*.woff2")))


def taking_files(demo):
    """Every callback that is given a file: its index, its inputs, and the place of the file among them."""
    for index, fn in demo.fns.items():
        for place, part in enumerate(fn.inputs):
            if isinstance(part, (gr.UploadButton, gr.MultimodalTextbox)) and fn.fn is not None:
                yield index, fn.inputs, place


def test_files_that_are_served_to_everyone_are_neither_read_nor_deleted(client):
    callbacks = list(taking_files(client.demo))
    assert len(callbacks) >= 5
    for index, inputs, place in callbacks:
        for path in SERVED:
            file = {"path": str(path), "meta": {"_type": "gradio.FileData"}}
            data = [None if isinstance(part, gr.State) else part.value for part in inputs]
            data[place] = file if isinstance(inputs[place], gr.UploadButton) else {"text": "Hello", "files": [file]}
            said = str(client.call(index, data))
            assert any(sentence in said for sentence in REFUSED), said
            assert path.exists()
    assert client.http.get(f"/gradio_api/file={PLOTLY_JS}").status_code == 200


REFUSED = (
    "is not among the uploads of this server any more", "Invalid file type",
    "The pasted text is still coming in",  # of a question beside a file: it waits until that is taken in
)  # fmt: skip
ELSEWHERE = ("/etc/passwd", "../../etc/passwd", "/gradio_api/file=/etc/passwd", "", "\0", "x" * 9000)


@pytest.mark.parametrize("path", ELSEWHERE)
def test_no_other_file_is_read_either(client, path):
    for index, inputs, place in taking_files(client.demo):
        data = [None] * len(inputs)
        data[place] = {"path": path, "meta": {"_type": "gradio.FileData"}}
        assert "root:" not in str(client.call(index, data))


@pytest.mark.parametrize("name", ["", '; filename=""', '; filename="/"', '; filename=".."', '; filename="\x00"'])
def test_an_upload_with_no_name_to_speak_of_is_refused_or_taken(client, name):
    body = f'--x\r\nContent-Disposition: form-data; name="files"{name}\r\n\r\nwords\r\n--x--\r\n'
    answer = client.http.post(
        "/gradio_api/upload", content=body.encode(), headers={"Content-Type": "multipart/form-data; boundary=x"}
    )
    assert answer.status_code in (200, 400)
    assert name or "no file with a name; give the file a name" in answer.text


def test_a_full_disk_is_told_in_a_sentence(client, monkeypatch):
    def full(*args, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/secret/folder/tmp1")

    monkeypatch.setattr(route_utils, "NamedTemporaryFile", full)
    answer = client.http.post("/gradio_api/upload", files={"files": ("a.txt", b"words")})
    assert (answer.status_code, answer.text) == (
        507, "The server has no room for this file now; try a shorter text, or later.",
    )  # fmt: skip
