"""Files of every format become a text and a sentence on it, whoever gives them; damaged ones become one sentence."""

import io
import subprocess
import sys

import pytest
from pypdf import PdfWriter

from analysis.documents import archive, pdf_pages, reader_process
from analysis.documents.file_text import FileText, NoWordsError
from analysis.documents.reading_files import FORMATS, format_of, read_path, read_steps
from longsight.errors import LongSightError
from longsight.progress import finish
from tests.analysis.documents.made_files import docx, epub, pdf, zipped

HIDDEN_ENTITY = '<!DOCTYPE x [<!ENTITY a "b">]>'
LOCKED = '<encryption><EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/></encryption>'


def read(raw, name="given"):
    return finish(read_steps(raw, name))


@pytest.mark.parametrize(
    ("raw", "text", "said"),
    [
        (pdf("One page", "", "Another"), "One page\n\nAnother",
         "PDF, 3 pages. Without text, perhaps scans: 1 of the pages. Left out: 1 image."),
        (epub("<h1>One</h1><p>First.</p><img src='x'/>", "<p>Second.</p>"), "One\n\nFirst.\n\nSecond.",
         "EPUB, 2 parts. Left out: 1 image."),
        (docx("One &amp; two", "Three", more={"word/header1.xml": "<a/>"}), "One & two\n\nThree",
         "Word document. Left out: 1 page header."),
        (b"<!doctype html><meta charset=latin-1><p>caf\xe9<script>x</script>", "café",
         "HTML in LATIN-1. Left out: 1 script."),
        (b"Plain words.", "Plain words.", "UTF-8"),
    ],
)  # fmt: skip
def test_every_format_is_known_by_its_content_and_what_is_left_out_is_said(raw, text, said):
    assert read(raw).text == text
    assert read(raw).said == said


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"%PDF-1.7\n%junk", "given cannot be read as PDF (PdfStreamError); it may be damaged."),
        (pdf("x", trailer="/Encrypt << /Filter /Standard /V 9 >>"), "given cannot be read as PDF"),
        (b"PK\3\4junk", "given is a damaged archive (File is not a zip file); save it again."),
        (zipped({"a": "b"}), "given is a ZIP archive, but neither an EPUB nor a Word document; give the text itself."),
        (b"{\\rtf1 hi}", "given is a file of an older word processor; save it as .docx or .txt and give that."),
        (docx("a", doctype=HIDDEN_ENTITY), "given declares entities of its own, which are not read"),
        (epub("a", doctype=HIDDEN_ENTITY), "given declares entities of its own, which are not read"),
        (epub("a", more={"META-INF/encryption.xml": LOCKED}), "given is protected against copying (DRM)"),
        (epub("a", more={"META-INF/container.xml": "<no"}), "given is a damaged EPUB: "),
        (epub(), "given is an EPUB that names no chapters"),
    ],
)
def test_what_cannot_be_read_gets_one_sentence(raw, sentence):
    with pytest.raises(LongSightError) as refused:
        read(raw)
    assert sentence in str(refused.value)


@pytest.mark.parametrize("raw", [pdf("", ""), docx(" "), epub("<img src='x'/>"), b"<html></html>"])
def test_formats_without_words_are_told_as_such(raw):
    with pytest.raises(NoWordsError, match="given has .*(no text in it|pages without text)"):
        read(raw)


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-256"])
def test_a_pdf_with_a_password_is_refused_and_one_that_only_forbids_printing_is_read(algorithm):
    def locked(password):
        writer, made = PdfWriter(clone_from=io.BytesIO(pdf("words"))), io.BytesIO()
        writer.encrypt(password, "owner", algorithm=algorithm)
        writer.write(made)
        return made.getvalue()

    assert pdf_pages.read(locked(""), "given", print).text == "words"
    with pytest.raises(LongSightError, match="given is encrypted; save it without a password"):
        pdf_pages.read(locked("secret"), "given", print)


def test_sizes_are_looked_at_before_anything_is_unpacked(monkeypatch):
    with pytest.raises(LongSightError, match=r"holds 3 files with 120,\d{3},\d{3} bytes of text; up to 20,000 with"):
        format_of(docx("x" * 120_000_000), "given")
    monkeypatch.setattr(archive, "MOST_FILES", 2)
    with pytest.raises(LongSightError, match="up to 2 with"):
        format_of(docx("x"), "given")
    monkeypatch.setattr(pdf_pages, "MOST_PAGES", 2)
    with pytest.raises(LongSightError, match="given has 3 pages; up to 2 are read"):
        pdf_pages.read(pdf("a", "b", "c"), "given", print)


def test_a_reader_says_how_far_it_is_and_ends_when_nobody_listens():
    started = []
    popen = subprocess.Popen

    def start(*args, **options):
        started.append(popen(*args, **options))
        return started[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess, "Popen", start)
        steps = read_steps(pdf(*["words"] * 200), "given")
        told = next(step for step in steps if step.total)
        assert (told.total, told.doing) == (200, "reading pages")
        steps.close()
    assert started[0].returncode is not None
    assert reader_process.AT_ONCE.acquire(blocking=False), "the place of the reader is free again"
    reader_process.AT_ONCE.release()


def test_more_files_than_readers_wait(monkeypatch):
    monkeypatch.setattr(reader_process, "POLL", 0.01)
    taken = [reader_process.AT_ONCE.acquire(blocking=False) for _ in range(2)]
    assert taken == [True, True]
    steps = read_steps(b"<html>words", "given")
    assert next(steps).doing == "waiting for other files to be read"
    for _ in taken:
        reader_process.AT_ONCE.release()
    assert finish(steps).text == "words"


def test_a_reader_that_dies_is_one_sentence(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(LongSightError, match="given takes more than 120 seconds or 2 GB to be read as HTML"):
        read(b"<html>words")


@pytest.mark.parametrize("key", FORMATS)
def test_a_package_that_is_missing_is_named(key):
    found, raw = FORMATS[key], {"pdf": pdf("a"), "epub": epub("a"), "docx": docx("a"), "html": b"<html>a"}[key]
    task = f'{{"name": "given", "title": "{found.title}", "module": "{found.module}", "package": "{found.package}"}}\n'
    code = (
        f"import sys; sys.modules[{found.package!r}] = None; from analysis.documents import reader_process; "
        "reader_process.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], input=task.encode() + raw, capture_output=True)
    assert f"given is a {found.title}, which {found.package} reads; that is not installed here: pip install" in (
        done.stdout.decode()
    )


def test_files_of_ones_own(tmp_path):
    (tmp_path / "a.txt").write_bytes("\ufeffwords".encode())
    assert read_path(tmp_path / "a.txt") == FileText("words", "UTF-8 with a byte order mark")
    with pytest.raises(LongSightError, match=r"b\.txt cannot be read: No such file or directory\."):
        read_path(tmp_path / "b.txt")
    with pytest.raises(LongSightError, match="Is a directory"):
        read_path(tmp_path)
