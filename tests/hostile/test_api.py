"""Calls as a script or someone ill-meaning makes them: every value is checked on the server, and told in a sentence."""

import json

import pytest

MODEL = "rope-small"


def call(client, name, given):
    """The kind and the content of the last event that a call with named parameters ends with."""
    asked = client.http.post(f"/gradio_api/call/v2/{name}", json=given)
    if asked.status_code != 200:
        return asked.status_code, asked.text
    events = client.http.get(f"/gradio_api/call/v2/{name}/{asked.json()['event_id']}").text
    *_, kind, content = [line.partition(": ")[2] for line in events.strip().splitlines() if line]
    return kind, content


def ask(**given):
    return {"question": "Hello", "model": MODEL, "longest": 4, "methods": "vanilla"} | given


def keys_asked(**given):
    return {"lengths": "256", "depths": "50", "trials": 1, "methods": "vanilla"} | given


def look(**given):
    return {"panel": "logits", "length": 64, "methods": "vanilla"} | given


def test_a_question_is_answered_with_each_method_as_the_command_line_names_them(client):
    kind, content = call(client, "ask", ask(methods="self-extend:group=4,window=128;vanilla,window"))
    assert kind == "complete"
    [told] = json.loads(content)
    assert [(answer["method"], answer["state"]) for answer in told["answers"]] == [
        ("self-extend:group=4,window=128", "done"),
        ("vanilla", "done"),
        ("window:window=512", "done"),
    ]
    assert all(answer["verdict"] and answer["why"] for answer in told["answers"])
    assert told["doing"] == ""


@pytest.mark.parametrize(
    ("name", "given", "sentence"),
    [
        ("ask", ask(methods="vanilla;window;lambda;ceiling"), "4 methods were chosen"),
        ("ask", ask(methods=""), "No method was named"),
        ("ask", ask(methods=["vanilla"]), "methods must be a text such as vanilla;"),
        ("ask", ask(methods="<img src=x>"), "There is no method '<img src=x>'"),
        ("ask", ask(longest=10**9), "1 to 1,024, but 1,000,000,000 was given"),
        ("ask", ask(longest="many"), "must be a whole number of tokens from 1 to 1,024, but 'many' was given"),
        ("ask", ask(temperature=-5), "temperature must be between 0 and 100, but -5"),
        ("ask", ask(seed=-1), "The seed must be a whole number from 0"),
        ("ask", ask(question="x" * 50_000), "has 50,000 characters; up to 4,000 are read"),
        ("ask", ask(question=""), "There is no question yet"),
        ("ask", ask(model="../../etc"), "No model called '../../etc' is offered"),
        ("ask", ask(model=["x"]), "is offered"),
        ("ask", ask(text="words", example="hound"), "text and example were given; one text is read at a time."),
        ("ask", ask(text=[1]), "The text must be words"),
        ("ask", ask(text="a\0b"), "it has a NUL character"),
        ("ask", ask(text="x" * 20_000_001), "has 20.0 MB; up to 20.0 MB are read here"),
        ("ask", ask(example="../../../etc/passwd"), "There is no example document"),
        ("ask", ask(file={"a": 1}), "The file must be one that was uploaded here"),
        ("ask", ask(methods="window:window=-7"), "window must be between 1 and"),
        ("ask", ask(methods=f"window:window={10**30}"), "window must be between 1 and"),
        ("ask", ask(methods="self-extend:group=16,window=50"), "is not a multiple of group"),
        ("maps", {"small": 10**6}, "The small text must be a whole number of tokens from 4 to 24, but 1,000,000"),
        ("maps", {"length": -5}, "1 to 10,000,000, but -5"),
        ("maps", {"length": 10**15}, "tokens from 1 to 10,000,000"),
        ("maps", {"group": -1}, "The group of frequencies or heads (1: the first, 0: the last) must be a"),
        ("maps", {"numbers": "some"}, "numbers must be summary or all, but 'some' was given"),
        ("passkey", keys_asked(lengths="10"), "Lengths must be a whole number from 64 to 131,072, but 10 was given"),
        ("passkey", keys_asked(depths="0-100"), "1 to 21 depths can be shown, but 101 were given"),
        ("passkey", keys_asked(trials=10**9), "Trials must be a whole number from 1 to 50"),
        ("passkey", keys_asked(filler="/etc/passwd"), "There is no filler '/etc/passwd'"),
        ("passkey", keys_asked(filler=["own"]), "There is no filler"),
        ("passkey", keys_asked(filler="own"), "There is no document to hide keys in"),
        ("passkey", keys_asked(prompt="please"), "There is no prompt 'please'"),
        (
            "passkey",
            keys_asked(lengths="64, 65", depths="0-20", trials=50, methods="vanilla;window;rerope"),
            "6,300 trials; up to 5,000",
        ),
        ("look", look(), "There is no text yet"),
        ("look", look(panel="magic"), "There is no panel 'magic'; there are"),
        ("look", look(panel=[]), "There is no panel []"),
        ("look", look(length=10**9, example="grass"), "tokens from 8 to 131,072, but 1,000,000,000 was given"),
        (
            "look",
            look(panel="nll", smoothing=10**9, example="grass"),
            "whole number from 1 to 65,536, but 1,000,000,000 was",
        ),
        ("look", look(panel="nll", layers="0", example="grass"), "NLL does not read layers; it reads smoothing, mark."),
        ("look", look(layers="many", example="grass"), "Layers must give a whole number, but 'many' was given"),
        ("odometer", {"example": "grass", "length": "a lot"}, "The length must give a number of tokens"),
        ("odometer", {"example": "grass", "length": "1g"}, "Up to 200,000,000 tokens are read here"),
        ("odometer", {"example": "grass", "methods": "vanilla"}, "Vanilla remembers the whole text"),
        ("odometer", {"example": "grass", "numbers": "some"}, "numbers must be summary or all, but 'some' was given"),
        ("evaluate", {"tasks": "magic"}, "There is no task 'magic'; there are perplexity, passkey"),
        ("evaluate", {"tasks": "passkey:filler=/etc/passwd"}, "There is no task 'passkey:filler=/etc/passwd'"),
        ("evaluate", {"tasks": {"a": 1}}, "There is no task {'a': 1}"),
        ("evaluate", {"tasks": " , "}, "No task is named; there are perplexity, passkey"),
        ("evaluate", {"lengths": "10"}, "Lengths must be a whole number from 64 to 131,072, but 10 was given"),
        ("evaluate", {"trials": 10**9}, "Trials must be a whole number from 1 to 50"),
        ("evaluate", {"trials": 0}, "Trials must be a whole number from 1 to 50"),
        ("evaluate", {"lengths": "131072", "trials": 50}, "up to 1M are held at once"),
        ("evaluate", {"methods": "magic"}, "There is no method 'magic'"),
        ("evaluate", {"methods": ["vanilla"]}, "methods must be a text such as vanilla;"),
        ("document", {}, "No text arrived; give a file, a text, or the name of an example."),
    ],
)
def test_values_out_of_range_get_a_sentence(client, name, given, sentence):
    kind, content = call(client, name, given)
    assert kind == "error"
    assert sentence in json.loads(content)["error"]


@pytest.mark.parametrize(
    ("name", "given", "status", "sentence"),
    [
        ("ask", {}, 400, "No value provided for required argument: question"),
        ("ask", ask(nope=1), 400, "Parameter `nope` is not a valid key-word argument."),
        ("nope", {}, 404, "There is nothing of this name to call"),
    ],
)
def test_calls_that_cannot_be_are_told_at_once(client, name, given, status, sentence, capfd):
    found, content = call(client, name, given)
    assert found == status
    assert content.startswith(sentence)
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("callback", "data", "sentence"),
    [
        ("TrialPanel.open", ["0:0:0", None, MODEL], "A trial is named by method, length, depth, trial"),
        ("TrialPanel.open", ["9:0:0:0", None, MODEL], "There is no method 9 in this grid"),
        ("TrialPanel.open", ["<b>", None, MODEL], "&lt;b&gt;"),
        ("PasskeyPanel.load_grid", [None, MODEL, None], "No file arrived"),
        ("EvaluatePanel.load_results", [None, "rope-small", None], "No file arrived"),
        ("ContextPanel.take_example", ["../../../etc/passwd", MODEL, None], "not in the list of choices"),
    ],
)
def test_what_no_page_sends_gets_a_sentence(client, callback, data, sentence):
    last = client.call(client.named(callback), data)[-1]
    assert sentence in last["output"]["error"]


@pytest.mark.parametrize("path", ["/etc/passwd", "app.py", "../app.py", "https://example.com/x.txt"])
@pytest.mark.parametrize("wrapped", [True, False])
def test_no_file_of_the_server_can_be_asked_for_as_a_document(client, path, wrapped):
    file = {"path": path, "meta": {"_type": "gradio.FileData"}} if wrapped else path
    kind, content = call(client, "document", {"file": file})
    assert kind == "error"
    assert "root:" not in content
    assert "import" not in content


def test_two_callers_share_nothing(client):
    call(client, "ask", ask(question="A secret question", text="A secret text."))
    assert "secret" not in call(client, "ask", ask())[1]


def test_files_of_the_server_are_not_handed_out(client):
    for path in ("/etc/passwd", "app.py", "assets/models/rope-small/config.json"):
        assert client.http.get(f"/gradio_api/file={path}").status_code in (403, 404)
