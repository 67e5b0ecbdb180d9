"""What programs are told: the examples of docs/api.md as they stand, named parameters, and tools that share nothing."""

import inspect
import re
import subprocess
import uuid

import pytest
from gradio_client import Client, handle_file
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

from analysis.evaluation.results import FILE, read_rows
from app.panels.option_controls import KINDS
from tests.analysis.documents.made_files import pdf
from tests.conftest import ROOT
from tests.event_loops import run_apart

PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
NAMES = ("ask", "look", "passkey", "odometer", "evaluate", "maps", "document")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def here(text, client):
    return text.replace("http://127.0.0.1:7860", str(client.http.base_url).rstrip("/"))


@pytest.fixture(scope="module")
def program(client):
    made = Client(str(client.http.base_url), verbose=False)
    yield made
    made.close()


def test_the_examples_in_python_run_one_after_the_other(client, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    names = {}
    for block in blocks("python"):
        exec(here(block, client), names)
    assert [row.length for row in read_rows(names["lines"].encode(), FILE)] == [128, 256]
    names["page"].close()
    said = capsys.readouterr().out
    assert re.search(r"^Vanilla .*\d\nSelfExtend .*\d\n", said, re.DOTALL)
    assert re.search(r"^\[\[[01.]+, [01.]+\], \[[01.]+, [01.]+\]\]$", said, re.MULTILINE)
    assert "negative log-likelihood" in said
    assert re.search(r"(fluent|noise|found)", said)
    assert re.search(r"^2000 \d\.\d+ \d+\n\(128, \d\.\d+\) \(256, \d\.\d+\)$", said, re.MULTILINE)
    assert "[2.0, 1.0, 0.0, None, None, None]" in said
    assert "'state': 'done'" in said.splitlines()[-1]


@pytest.mark.parametrize("block", blocks("bash"))
def test_the_examples_with_curl_run(client, block):
    done = subprocess.run(["bash", "-euc", here(block, client)], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "event: complete" in done.stdout
    assert '"tokens": ' in done.stdout


def test_everything_is_named_described_and_but_for_what_is_asked_optional(client):
    told = client.http.get("/gradio_api/info").json()
    assert sorted(told["named_endpoints"]) == sorted(f"/{name}" for name in NAMES)
    assert told["unnamed_endpoints"] == {}
    for endpoint in told["named_endpoints"].values():
        assert endpoint["description"]
        for parameter in endpoint["parameters"]:
            assert not parameter["parameter_name"].startswith("param_")
            assert len(parameter["label"]) > 8
            assert parameter["parameter_has_default"] or parameter["parameter_name"] == "question"
            assert parameter["type"].get("type") in ("string", "integer", "number") or "enum" in parameter["type"]
        assert re.search(rf"^\| `{endpoint_name(told, endpoint)}` \|", PAGE, re.MULTILINE)


def endpoint_name(told, endpoint):
    return next(name.strip("/") for name, found in told["named_endpoints"].items() if found is endpoint)


def test_a_program_may_choose_of_a_diagnostic_what_the_page_may(client):
    look = client.demo.fns[client.named("look")].fn
    assert set(KINDS) <= set(inspect.signature(look).parameters)


def test_a_bad_file_is_an_error_and_the_text_before_it_stays(program, tmp_path):
    (tmp_path / "good.pdf").write_bytes(pdf("The pass key is 12345."))
    (tmp_path / "bad.pdf").write_bytes(b"%PDF-1.7 junk")
    good = program.predict(file=handle_file(tmp_path / "good.pdf"), api_name="/document")
    assert (good["name"], good["form"], good["characters"]) == ("good.pdf", "PDF, 1 page", 22)
    with pytest.raises(Exception, match=r"bad\.pdf cannot be read as PDF"):
        program.predict(file=handle_file(tmp_path / "bad.pdf"), api_name="/document")
    told = program.predict("What is the pass key?", methods="vanilla", longest=2, api_name="/ask")
    assert told["document"]["name"] == "good.pdf"
    again = program.predict("And now?", methods="vanilla", longest=2, api_name="/ask")
    assert again["answers"][0]["tokens_reused"] > 0


def test_two_programs_share_nothing(client, program):
    program.predict(text="A secret text.", api_name="/document")
    other = Client(str(client.http.base_url), verbose=False)
    assert other.predict("Hello", methods="vanilla", longest=2, api_name="/ask")["document"] is None
    other.close()


def tools(client, *calls):
    """What each call of a tool gives, all of one assistant: whether it failed, and its text."""

    async def use():
        address = f"{client.http.base_url}gradio_api/mcp/"
        async with streamable_http_client(address) as (read, write, _), ClientSession(read, write) as session:
            await session.initialize()
            known = [tool.name for tool in (await session.list_tools()).tools]
            answers = [await session.call_tool(name, given) for name, given in calls]
            return known, [(answer.isError, answer.content[0].text) for answer in answers]

    return run_apart(use())


def test_assistants_have_the_same_tools_and_share_nothing(client):
    short = {"methods": "vanilla", "longest": 2}
    known, told = tools(
        client,
        ("document", {"text": "A secret text."}),
        ("ask", {"question": "Hello", **short}),
        ("ask", {"question": "Hello", "text": "The grass is green.", **short}),
        ("ask", {"question": "Hello", **short}),
        ("maps", {"methods": "magic"}),
        ("send", {}),
    )
    assert sorted(known) == sorted(NAMES)
    assert [failed for failed, _ in told] == [False] * 4 + [True] * 2
    assert ["'document': None" in text for _, text in told[1:4]] == [True, False, True]
    assert told[4][1].startswith("There is no method 'magic'; there are")


@pytest.mark.parametrize("path", ["/etc/passwd", "https://example.com/x.txt"])
def test_no_file_of_the_server_can_be_named_to_a_tool(client, path):
    file = {"path": path, "meta": {"_type": "gradio.FileData"}, "orig_name": "x.txt"}
    given = [{"file": path}, {"file": file}, {"text": file}, {"example": file}, {"file": {"a": [file]}}]
    _, told = tools(client, *(("document", each) for each in given))
    assert all(failed for failed, _ in told), told
    assert "root:" not in str(told)


def test_uploads_of_the_client_that_calls_tools_are_refused(client):
    answer = client.http.post("/gradio_api/upload", files={"files": ("a.txt", b"x")}, headers={"x-gradio-user": "mcp"})
    assert answer.status_code == 403


def test_a_call_of_a_tool_has_no_session_whatever_it_says(client):
    for headers, known in (({}, True), ({"x-gradio-user": "mcp"}, False)):
        session = uuid.uuid4().hex
        body = {"data": ["", "Words.", "", ""], "session_hash": session}
        call = client.http.post("/gradio_api/call/document", json=body, headers=headers).json()["event_id"]
        assert "event: complete" in client.http.get(f"/gradio_api/call/document/{call}").text
        last = client.call(client.named("ask"), ["Hi", "", "", "", "vanilla", "", 2, 0, 0], session=session)[-1]
        assert (last["output"]["data"][0]["document"] is not None) is known


def test_nobody_can_name_the_call_of_another(client):
    headers = {"x-gradio-user": "mcp", "x-longsight-call": "0" * 32}
    call = client.http.post("/gradio_api/call/v2/maps", json={}, headers=headers).json()["event_id"]
    assert "Whoever asked for this has left." in client.http.get(f"/gradio_api/call/v2/maps/{call}").text
