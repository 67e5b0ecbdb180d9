"""Raw HTTP calls, as a script or someone ill-meaning makes them: every value is checked again on the server."""

import json

import httpx
import pytest

MODEL = "rope-small"


def call(url, name, data):
    """The kind and the content of the last event that a call ends with."""
    asked = httpx.post(f"{url}gradio_api/call/{name}", json={"data": data}, timeout=120)
    if asked.status_code != 200:
        return "refused", asked.text
    events = httpx.get(f"{url}gradio_api/call/{name}/{asked.json()['event_id']}", timeout=120).text
    *_, kind, content = [line.partition(": ")[2] for line in events.strip().splitlines() if line]
    return kind, content


def ask(question="Hello", longest=4, temperature=0, seed=0, methods="vanilla"):
    return [{"text": question, "files": []}, MODEL, longest, temperature, seed, methods]


CHOICES = {"layers": "", "heads": "", "queries": "", "keys": "", "smoothing": 64, "projection": "pca", "axes": 2,
           "starting": 10, "mark": ""}  # fmt: skip


def look(panel="logits", length=64, beside=(), methods="vanilla", **chosen):
    return [panel, length, list(beside), *(CHOICES | chosen).values(), MODEL, methods]


def keys_asked(lengths="256", depths="50", trials=1, filler="paper", seed=0, prompt="own", methods="vanilla"):
    return [lengths, depths, trials, filler, seed, prompt, MODEL, methods]


def test_a_question_is_answered(url):
    kind, content = call(url, "ask", ask(methods="self-extend:group=4,window=128;self-extend:group=16,window=128"))
    assert kind == "complete"
    [turn] = json.loads(content)[0]["turns"]
    assert [(cell["title"], cell["state"]) for cell in turn["cells"]] == [
        ("SelfExtend G=4", "done"),
        ("SelfExtend G=16", "done"),
    ]


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("ask", ask(methods="vanilla;window;lambda;ceiling"), "4 methods were chosen"),
        ("ask", ask(methods=""), "0 methods were chosen"),
        ("ask", ask(methods="magic"), "There is no method &#x27;magic&#x27;"),
        ("ask", ask(longest=10**9), "1 to 1,024 tokens, but 1,000,000,000 was given"),
        ("ask", ask(temperature=-5), "temperature must be between 0 and 100, but -5"),
        ("ask", ask(seed=-1), "seed must be from 0"),
        ("ask", ask(question="x" * 50_000), "has 50,000 characters; up to 4,000 are read"),
        ("ask", ask(question=""), "There is no question yet"),
        ("ask", ask(methods="window:window=-7"), "window must be between 1 and"),
        ("ask", ask(methods=f"window:window={10**30}"), "window must be between 1 and"),
        ("ask", ask(methods="self-extend:group=16,window=50"), "is not a multiple of group"),
        ("ask", ask(methods="<img src=x>"), "There is no method &#x27;&lt;img src=x&gt;&#x27;"),
        ("maps", [MODEL, 10**6, 8, 0, 0, 0, "vanilla"], "Value 1000000 is greater"),
        ("maps", [MODEL, 16, 8, -5, 0, 0, "vanilla"], "1 to 10,000,000 tokens, but -5"),
        ("maps", [MODEL, 16, 8, 10**15, 0, 0, "vanilla"], "1 to 10,000,000 tokens"),
        ("maps", ["../../etc", 16, 8, 0, 0, 0, "vanilla"], "not in the list of choices"),
        ("maps", [MODEL, 16, 8, 0, -1, 0, "vanilla"], "A group of frequencies or heads is a whole number from 1"),
        ("passkey", keys_asked(lengths="10"), "Lengths must be a whole number from 64 to 131,072, but 10 was given"),
        ("passkey", keys_asked(depths="0-100"), "1 to 21 depths can be shown, but 101 were given"),
        ("passkey", keys_asked(trials=10**9), "greater than"),
        ("passkey", keys_asked(filler="/etc/passwd"), "not in the list of choices"),
        ("passkey", keys_asked(prompt="please"), "not in the list of choices"),
        (
            "passkey",
            keys_asked(lengths="64, 65", depths="0-20", trials=50, methods="vanilla;window;rerope"),
            "6,300 trials; up to 5,000",
        ),
        ("trial", ["0:0:0", MODEL], "A trial is named by method, length, depth, trial"),
        ("trial", ["9:0:0:0", MODEL], "There is no method 9 in this grid"),
        ("trial", ["<b>", MODEL], "&lt;b&gt;"),
        ("load_grid", [None, MODEL], "No file arrived"),
        ("results", [None], "No file arrived"),
        ("example", ["../../../etc/passwd", MODEL], "not in the list of choices"),
        ("look", look(), "There is no text yet"),
        ("look", look("magic"), "not in the list of choices"),
        ("look", look(length=10**9), "8 to 131,072 tokens, but 1000000000 was given"),
        ("look", look(length=-5), "is less than minimum value 0"),
        ("look", look("clusters", beside=["../../etc/passwd"]), "not in the list of choices"),
        ("look", look("nll", smoothing=10**9), "is greater than maximum value"),
    ],
)
def test_values_out_of_range_get_a_sentence(url, name, data, sentence):
    kind, content = call(url, name, data)
    assert kind == "error"
    assert sentence in content


@pytest.mark.parametrize("path", ["/etc/passwd", "app.py", "../app.py", "https://example.com/x.txt"])
def test_no_file_of_the_server_can_be_asked_for_as_a_document(url, path):
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    kind, content = call(url, "document", [file, MODEL])
    assert kind in ("error", "refused")
    assert "root:" not in content
    assert "import" not in content


def test_two_callers_share_nothing(url):
    call(url, "ask", ask("A secret question"))
    assert "secret" not in call(url, "ask", ask("Hello"))[1]


def test_files_of_the_server_are_not_handed_out(url):
    for path in ("/etc/passwd", "app.py", "assets/models/rope-small/config.json"):
        assert httpx.get(f"{url}gradio_api/file={path}", timeout=60).status_code in (403, 404)
