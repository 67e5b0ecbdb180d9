"""What the page opens with was recorded with the model that it is shown for."""

import pytest

from app.session import finished_examples, passkey_grids, verdicts
from app.session.finished_examples import CHAT, DIAGNOSTICS, FINISHED, ODOMETER, PASSKEY
from app.session.samples import samples
from longsight.errors import LongSightError

FOLDERS = sorted(FINISHED.iterdir())


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_recording_is_of_the_model_that_its_folder_is_called_after_and_small(folder):
    chat, measured = (finished_examples.view(folder.name, file) for file in (CHAT, DIAGNOSTICS))
    for shown in filter(None, (chat, measured)):
        assert f"recorded with {folder.name} on" in shown["note"]
    assert {cell["state"] for turn in chat["turns"] for cell in turn["cells"]} == {"done"}
    for turn in chat["turns"]:
        keys = verdicts.hidden_keys("".join(sample.document().text for sample in samples().values()), turn["question"])
        for cell in turn["cells"]:
            assert (cell["verdict"] == "found the key") == any(key in cell["text"] for key in keys)
            assert cell["why"] or cell["verdict"] == ""
    assert measured is None or measured["figures"]
    grid = finished_examples.grid(folder.name)
    assert grid is None or (grid.model, grid.finished) == (folder.name, True)
    reading = finished_examples.odometer(folder.name)
    assert reading is None or (reading.model, len(reading.runs())) == (folder.name, 2)
    assert {file.name for file in folder.iterdir()} <= {CHAT, DIAGNOSTICS, PASSKEY, ODOMETER}
    assert sum(file.stat().st_size for file in folder.iterdir()) < 150_000


@pytest.mark.parametrize("name", ["tiny", "..", "../finished/rope-small", "", None])
def test_a_model_without_a_recording_is_never_shown_that_of_another(name, session):
    assert finished_examples.view(name, CHAT) is finished_examples.view(name, DIAGNOSTICS) is None
    assert passkey_grids.known(session, name) is None
    with pytest.raises(LongSightError, match="press Run first"):
        passkey_grids.current(session, name)
