"""Nobody comes by somebody else's visit: neither by guessing, nor by what the server takes for a name."""

import uuid

import pytest

TOKEN = "c0ffee" + "0123456789" * 2 + "abcdef"


def opened(client, token, session):
    assert client.call(client.named("Page.open"), [token], session=session, address={"text": "none"})[-1]["success"]


def card(client, session):
    """What the page of a session shows of its text."""
    told = client.call(client.named("Page.fill"), ["rope-small", None], session=session, address={"text": "none"})[-1]
    return str(told["output"]["data"])


@pytest.fixture
def somebody(client):
    """A page with a text of its own."""
    session = uuid.uuid4().hex
    opened(client, TOKEN, session)
    given = ["", "The secret of the first visitor.", "", "rope-small"]
    assert client.call(client.named("document"), given, session=session)[-1]["success"]
    assert "secret of the first" in card(client, session)
    return session


@pytest.mark.parametrize(
    "token", ["", None, True, {}, [TOKEN], TOKEN[:-1], TOKEN[:-1] + "0", TOKEN.upper(), "[0-9a-f]{32}", "0" * 32, "\0"]
)
def test_other_tokens_open_pages_of_their_own(client, somebody, token):
    other = uuid.uuid4().hex
    opened(client, token, other)
    assert "secret" not in card(client, other)
    assert "secret of the first" in card(client, somebody)


def test_the_same_tab_goes_on_and_the_page_before_has_nothing_any_more(client, somebody):
    again = uuid.uuid4().hex
    opened(client, TOKEN, again)
    assert "secret of the first" in card(client, again)
    assert "secret" not in card(client, somebody)


def test_no_answer_of_the_server_tells_a_token(client, somebody):
    told = client.call(client.named("Page.open"), [TOKEN], session=uuid.uuid4().hex)
    assert TOKEN not in str(told)
    assert TOKEN not in client.http.get("/").text
