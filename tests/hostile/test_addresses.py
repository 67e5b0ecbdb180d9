"""An address is typed by anyone: whatever stands in it, the page opens, and its controls hold what they can hold."""

import math
import os

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

VALUES = (
    *("", " ", "0", "1", "-4", "0.5", "99999", "1e400", "NaN", "Infinity", "-inf", "9" * 400, "٣", "½", "\0", "true"),
    *(
        "null",
        "[]",
        "{}",
        "none",
        "hound",
        "vanilla",
        "maps",
        "vanilla;vanilla",
        "self-extend:group=-1",
        "window:window=x",
    ),
    *("<script>alert(1)</script>", "1,2", "0:1", "50," * 500, "é" * 5000, "../../etc/passwd", "%00", "alibi-small"),
)


def numbers(value):
    """Every number in what a page is told."""
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from numbers(part)
    elif isinstance(value, int | float):
        yield value


def test_any_address_opens_the_page(client, capfd):
    opening, filling = client.named("Page.open"), client.named("Page.fill")
    views = client.demo.fns[opening].fn.__self__.views
    names = ["tab", "model", "text", "methods", *(view.name for view in views), "x"]

    @settings(
        max_examples=int(os.environ.get("LONGSIGHT_FUZZ", "25")), deadline=None, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.dictionaries(st.sampled_from(names), st.sampled_from(VALUES), min_size=1, max_size=6))
    def opens(address):
        told = client.call(opening, [""], address=address)[-1]
        assert told["success"], (address, told)
        assert all(math.isfinite(number) and abs(number) <= 2**53 for number in numbers(told["output"]["data"]))
        model = told["output"]["data"][1]
        *_, last = client.call(filling, [model, None], address=address)
        assert last["success"], (address, last)
        assert "Traceback" not in capfd.readouterr().err

    opens()


def test_a_value_that_fits_is_restored(client):
    told = client.call(client.named("Page.open"), [""], address={"longest": "7", "tab": "chat", "seed": "x"})[-1]
    assert 7 in told["output"]["data"]
