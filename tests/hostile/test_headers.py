"""Who may ask, and what every answer says of itself."""

import pytest
from starlette.middleware.trustedhost import TrustedHostMiddleware

from app.serving import HEADERS, middleware


@pytest.mark.parametrize("path", ["/", "/config", "/gradio_api/info", "/nowhere"])
def test_every_answer_forbids_other_hosts_and_guessing(client, path):
    answer = client.http.get(path)
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", ""])
def test_a_server_of_this_machine_answers_to_no_other_name(client, host):
    assert client.http.get("/config", headers={"Host": host}).status_code == 400
    assert client.http.get("/config").status_code == 200


def test_a_server_for_others_answers_to_any_and_a_proxy_may_be_named(monkeypatch):
    assert TrustedHostMiddleware not in [each.cls for each in middleware("0.0.0.0")]
    monkeypatch.setenv("LONGSIGHT_HOSTS", "chat.example.org, other")
    [hosts] = [each for each in middleware("127.0.0.1") if each.cls is TrustedHostMiddleware]
    assert hosts.kwargs["allowed_hosts"][-2:] == ["chat.example.org", "other"]


def test_the_page_is_sent_compressed_and_what_comes_event_by_event_is_not(client):
    page = client.http.get("/")
    assert page.headers["content-encoding"] == "gzip"
    assert int(page.headers["content-length"]) < len(page.content) / 5
    with client.http.stream("GET", "/gradio_api/heartbeat/somebody") as beats:
        assert beats.headers["content-type"].startswith("text/event-stream")
        assert "content-encoding" not in beats.headers
