"""The script that hears every answer, run by node against a server that says what each test has it say."""

import json
import shutil
import subprocess

import pytest

from app.components import messages

SERVER = """
const streams = %s;  // what the server says on one stream after the other; a number is a refusal
globalThis.window = globalThis;
globalThis.location = {href: 'http://here/'};
let asked = 0;
globalThis.fetch = async (input) => {
  const url = String(input.url ?? input);
  if (url.endsWith('/queue/join')) return Response.json({event_id: `e${++asked}`});
  const said = streams.shift();
  if (typeof said === 'number') return new Response('', {status: said});
  return new Response(said.map((message) => `data: ${JSON.stringify(message)}\\n\\n`).join(''));
};
"""
READ = """
const join = () => fetch('http://here/queue/join', {method: 'POST'});
const heard = [];
async function read() {
  const answer = await fetch(new Request('http://here/queue/data'));
  const parts = answer.body.pipeThrough(new TextDecoderStream());
  try {
    for await (const part of parts) heard.push(JSON.parse(part.slice('data: '.length)).event_id);
  } catch (error) { heard.push(error.message); }
}
const settle = () => new Promise((done) => setTimeout(done, 50));
"""
END = {"msg": "close_stream"}


def done(event):
    return {"msg": "process_completed", "event_id": event, "output": {"data": ["line\n\nline"]}}


@pytest.fixture(scope="module")
def hear():
    """What the page hears when it does something while the server says these streams."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node runs the script; none was found on the path")

    def call(streams, does):
        told = "await settle(); console.log(JSON.stringify([heard, streams.length])); process.exit();"
        script = f"{SERVER % json.dumps(streams)}{messages.SCRIPT}{READ}{does}; {told}"
        asked = subprocess.run([node, "--input-type=module", "-e", script], capture_output=True, text=True, check=True)
        return json.loads(asked.stdout)

    return call


def test_what_is_asked_before_the_end_is_heard_is_told_on_the_next_stream(hear):
    assert hear([[done("e1"), END], [done("e2"), END]], "await join(); await join(); read()") == [["e1", "e2"], 0]


def test_the_server_is_asked_for_messages_only_while_something_is_pending(hear):
    assert hear([[done("e1"), END], []], "await join(); read()") == [["e1"], 1]
    assert hear([[done("e1"), END], [done("e2"), END]], "await join(); read(); await settle(); await join()") == [
        ["e1", "e2"],
        0,
    ]


def test_an_answer_may_come_before_its_name(hear):
    assert hear([[done("e1"), done("e2"), END], []], "await join(); read(); await settle(); await join()") == [
        ["e1", "e2"],
        1,
    ]


def test_a_cut_or_refused_stream_is_told_as_such_and_a_new_one_is_read(hear):
    assert hear([[]], "await join(); read()") == [["the connection was cut"], 0]
    assert hear([404], "await join(); read()") == [["the server answered 404"], 0]
    assert hear([404, [done("e1"), END]], "await join(); await read(); read()") == [
        ["the server answered 404", "e1"],
        0,
    ]
