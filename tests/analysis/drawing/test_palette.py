"""Colours that every eye can tell apart."""

import itertools

import numpy as np
import pytest

from analysis.drawing.palette import COLOURS, SEEN, UNSEEN, colour, dash, marker
from longsight.errors import LongSightError
from longsight.methods import METHODS

# How a colour (linear RGB) looks to an eye with a full deficiency: Machado, Oliveira and Fernandes 2009, severity 1.0.
EYES = {
    "ordinary": np.eye(3),
    "protanopic": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deuteranopic": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "tritanopic": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}


def linear(colour):
    channels = np.array([int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def oklab(rgb):
    """Ottosson's OKLab, where a difference of about 0.02 is just noticeable."""
    cone = np.array([[0.4122, 0.5363, 0.0514], [0.2119, 0.6807, 0.1074], [0.0883, 0.2817, 0.6300]]) @ np.clip(rgb, 0, 1)
    return np.array([[0.2105, 0.7936, -0.0041], [1.9780, -2.4286, 0.4506], [0.0259, 0.7828, -0.8087]]) @ np.cbrt(cone)


def difference(one, other, eye):
    return float(np.linalg.norm(oklab(EYES[eye] @ linear(one)) - oklab(EYES[eye] @ linear(other))))


def contrast(colour, background):
    weights = np.array([0.2126, 0.7152, 0.0722])
    lighter, darker = sorted((linear(colour) @ weights, linear(background) @ weights), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize(
    ("eye", "least"), [("ordinary", 0.1), ("protanopic", 0.08), ("deuteranopic", 0.08), ("tritanopic", 0.05)]
)
def test_any_two_methods_differ_to_every_eye(eye, least):
    assert min(difference(a, b, eye) for a, b in itertools.combinations(COLOURS, 2)) > least


@pytest.mark.parametrize("background", ["#ffffff", "#0b0f19"])
def test_method_colours_stand_out_from_a_light_and_a_dark_page(background):
    assert min(contrast(c, background) for c in COLOURS) > 2.4


@pytest.mark.parametrize("eye", EYES)
def test_unseen_distances_differ_from_seen_ones_to_every_eye(eye):
    assert min(difference(a, b, eye) for a in SEEN for b in UNSEEN) > 0.15


def test_every_method_has_its_own_colour_dash_and_marker():
    assert len({colour(key) for key in METHODS}) == len(METHODS)
    assert len({(dash(key), marker(key)) for key in METHODS}) == len(METHODS)


def test_an_unknown_method_has_no_colour():
    with pytest.raises(LongSightError, match="no method 'warp' to colour; the methods are vanilla, "):
        colour("warp")
