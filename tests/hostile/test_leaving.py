"""A client that asks for much and is gone, without a word and without a page: the device is free again at once."""

import time
import uuid

import torch

from app.session.device_sharing import line_of

PATIENCE = 60.0  # seconds, on the most crowded machine


def test_work_for_a_client_that_left_ends(client, tmp_path):
    text = tmp_path / "long.txt"
    text.write_text("The grass is green. The sky is blue. " * 40_000, encoding="utf-8")
    with text.open("rb") as file:
        [path] = client.http.post("/gradio_api/upload", files={"files": file}).json()
    session = uuid.uuid4().hex
    given = {"path": path, "orig_name": text.name, "meta": {"_type": "gradio.FileData"}}
    taken = client.call(client.named("document"), [given, "", "", "rope-small"], session=session)[-1]
    assert taken["success"], taken

    line, patience, seen = line_of(torch.device("cpu")), 1.0, False
    asked = ["What is it about?", "", "", "", "vanilla", "rope-small", 64, 0, 0]
    while not seen:  # until it leaves in the middle of reading
        client.call(client.named("ask"), asked, patience=patience, session=session)
        seen, patience = line.busy, patience * 2
    until = time.monotonic() + PATIENCE
    while line.busy:
        assert time.monotonic() < until, "the device is still held for a client that is gone"
        time.sleep(0.1)
