"""A file that anyone may bring, with any one thing in it replaced: it is read, or refused in a sentence, and its size
decides what memory reading it takes.

LONGSIGHT_FUZZ=2000 pytest tests/hostile/test_read_files.py tries that many of each kind.
"""

import contextlib
import copy
import json
import os
import resource

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis.documents import epub_book, pdf_pages, word_file
from analysis.documents.plain_text import read_plain
from analysis.evaluation.results import read_rows
from app.assets import RESULTS, SAMPLES
from app.session.opened_results import open_results
from app.session.passkey_grids import read_grid
from longsight.errors import LongSightError
from longsight.models.model import load
from tests.analysis.documents.made_files import docx, epub, pdf
from tests.longsight.matrix import variants

ODD = (
    *(None, True, 0, -1, 1, 0.5, 1e308, -1e308, float("nan"), float("inf"), 10**30, 2**31, 2**63, 10**400),
    *("", " ", "0", "nan", "1e400", "\0", "x" * 100_000, "é", [], [[]], [None], {}, {"a": {}}, [1] * 100_000),
)
MOST_MEMORY = 400_000_000  # bytes that the process may grow by, over all that is read here


def places(value, path=()):
    """Every place in a document of JSON, as keys from the top."""
    yield path
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in list(parts)[:20]:
        yield from places(part, (*path, key))


def replaced(document, path, odd):
    """A copy of a document in which `odd` stands at `path`."""
    if not path:
        return odd
    document = copy.deepcopy(document)
    holder = document
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = odd
    return document


def broken(document):
    return st.builds(replaced, st.just(document), st.sampled_from(list(places(document))), st.sampled_from(ODD))


def tried(count):
    return settings(
        max_examples=int(os.environ.get("LONGSIGHT_FUZZ", count)), deadline=None, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip


@pytest.fixture(autouse=True)
def little_memory():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MOST_MEMORY


def test_more_layers_than_any_model_has_are_refused_before_room_is_made(tmp_path):
    variants.build("llama").save_pretrained(tmp_path)
    file = tmp_path / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text(encoding="utf-8")) | {"num_hidden_layers": 2**31}))
    with pytest.raises(LongSightError, match="num_hidden_layers=2147483648; it must be 1 to 10,000"):
        load(tmp_path)


GRID = json.loads((SAMPLES / "finished" / "rope-small" / "passkey.json").read_text(encoding="utf-8"))
ROWS = [json.loads(line) for line in (RESULTS / "embedded" / "results.jsonl").read_text(encoding="utf-8").splitlines()]


@tried(60)
@given(broken(GRID))
def test_grids(document):
    with contextlib.suppress(LongSightError):
        read_grid(json.dumps(document).encode())


@tried(60)
@given(st.sampled_from(ROWS[::40]).flatmap(broken))
def test_results(row):
    with contextlib.suppress(LongSightError):
        open_results("theirs.jsonl", read_rows(json.dumps(row).encode(), "theirs.jsonl"))


BOOKS = [
    (pdf("One page", ""), pdf_pages),
    (epub("<p>One</p>", "<p>Two</p>"), epub_book),
    (docx("One", "Two"), word_file),
]


@tried(60)
@given(st.sampled_from(BOOKS), st.integers(0, 10**6), st.binary(min_size=1, max_size=9))
def test_books_with_other_bytes_anywhere(book, place, odd):
    """What a reader raises of its own becomes a sentence where its process ends; here it must come to an end at all."""
    raw, reader = book
    place %= len(raw)
    try:
        found = reader.read(raw[:place] + odd + raw[place + len(odd) :], "theirs", lambda *told: None)
    except Exception:
        return
    assert found.text.strip()


@tried(100)
@given(st.binary(max_size=120) | st.text(max_size=120).map(lambda text: text.encode("utf-16-le", "surrogatepass")))
def test_plain_texts_of_any_bytes(raw):
    with contextlib.suppress(LongSightError):
        assert read_plain(raw, "theirs").text.strip()


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
@pytest.mark.parametrize("name", ["llama", "bloom"])
def test_configs_of_models(name, tmp_path):
    variants.build(name).save_pretrained(tmp_path)
    file = tmp_path / "config.json"
    config = json.loads(file.read_text(encoding="utf-8"))

    @tried(40)
    @given(broken(config))
    def holds(document):
        file.write_text(json.dumps(document), encoding="utf-8")
        with contextlib.suppress(LongSightError):
            load(tmp_path)

    holds()
