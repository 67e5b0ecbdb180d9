"""What the board is sent: figures wide or side by side, and what is said beside them."""

import json

import plotly.graph_objects as go

from analysis.drawing.drawn_figure import DrawnFigure
from app.components.board import BoardText, board_value


def test_a_figure_of_one_run_stands_beside_the_others_and_one_of_several_is_wide():
    figure = go.Figure(go.Scatter(x=[1], y=[2]))
    drawn = [DrawnFigure("map", figure, "window"), DrawnFigure("map", figure, "window-2"), DrawnFigure("mass", figure)]
    value = board_value(drawn, 2, [BoardText(title="Window 2", colour="#123456", html="<i>said</i>")], "A note.")
    assert [(each["name"], each["wide"]) for each in value["figures"]] == [
        ("map-window", False),
        ("map-window-2", False),
        ("mass", True),
    ]
    assert json.loads(value["figures"][0]["json"])["data"][0]["type"] == "scatter"
    assert (value["columns"], value["note"]) == (2, "A note.")
    assert value["texts"] == [{"title": "Window 2", "colour": "#123456", "html": "<i>said</i>"}]


def test_an_empty_board_can_say_why_it_is():
    assert board_value(note="Press Run.") == {"note": "Press Run.", "columns": 1, "figures": [], "texts": []}
