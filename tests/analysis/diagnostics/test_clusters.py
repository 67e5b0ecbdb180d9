"""Hidden states of several texts in one space, and the figure of it."""

import subprocess
import sys

import numpy as np
import pytest

from analysis.diagnostics.clusters import ClusterRecord, clusters_figure, project
from analysis.diagnostics.hidden_states import HiddenRecord
from analysis.export.files import from_npz, to_csv, to_npz
from longsight.errors import LongSightError
from tests.analysis.diagnostics.made import LONGEST, RNG, check_figure, header


def hidden(points=1088, depths=4, shift=30.0, method="vanilla"):
    states = RNG.standard_normal((depths, points, 16))
    states[:, :10, 0] += shift
    return HiddenRecord(
        **header(method), depth=np.arange(depths), position=np.arange(points), token=np.array([LONGEST] * points),
        states=states,
    )  # fmt: skip


def test_the_figure_of_four_texts_in_space_is_one_like_all_others():
    check_figure(clusters_figure(project([hidden() for _ in range(4)], axes=3)))


def test_starting_tokens_stand_out_among_the_points():
    record = project([hidden(), hidden()], ("one", "two"))
    figure = clusters_figure(record)
    assert len(figure.data) == 4 * 2 * 2
    names = [trace.name for trace in figure.data if trace.showlegend]
    assert names == ["one, others", "one, first tokens", "two, others", "two, first tokens"]
    first = figure.data[1]
    assert len(first.x) == 10
    assert first.marker.size > figure.data[0].marker.size
    assert "embedding" in figure.layout.annotations[0].text
    assert f"separation {record.separation[0]:.1f}" in figure.layout.annotations[0].text


def test_separation_of_tokens_like_all_others_is_ordinary():
    record = project([hidden(shift=0.0)])
    np.testing.assert_allclose(record.separation, record.ordinary, atol=0.3)
    assert (project([hidden(shift=30.0)]).separation > 5).all()


def test_several_texts_share_one_space():
    record = project([hidden(100), hidden(80)], ("a", "b"), axes=3)
    assert record.coordinates.shape == (4, 180, 3)
    assert record.text.tolist() == [0] * 100 + [1] * 80
    assert record.starting.sum() == 20
    assert record.texts == ("a", "b")
    assert from_npz(ClusterRecord, to_npz(record)) == record
    assert "separation" in to_csv(record)


@pytest.mark.parametrize(
    ("records", "options", "said"),
    [
        ([], {}, "No hidden states were given"),
        ([hidden(50)], {"projection": "tsne"}, "There is no projection 'tsne'; there are pca, umap."),
        ([hidden(50)], {"axes": 4}, "A projection to 4 dimensions was asked for; 2 or 3 can be drawn."),
        ([hidden(50), hidden(50, method="ceiling")], {}, "Hidden states of different readings were given"),
        ([hidden(3)], {}, "3 points were given to a projection; 4 to 8,192 can be drawn."),
    ],
)
def test_what_cannot_be_projected_is_refused_in_one_sentence(records, options, said):
    with pytest.raises(LongSightError, match=said):
        project(records, **options)


def test_a_text_that_was_not_read_to_its_end_is_refused():
    states = np.full((4, 50, 16), np.nan)
    record = hidden(50)
    object.__setattr__(record, "states", states)
    with pytest.raises(LongSightError, match="not read to its end"):
        project([record])


def test_umap_finds_the_starting_tokens_apart_and_the_same_twice():
    """In a process of its own: it compiles for many seconds, and the page loads it only when it is asked for. One run
    lays out the same states twice, as two depths."""
    code = """
import sys
from dataclasses import replace
import numpy as np
import psutil
from analysis.diagnostics.clusters import project, project_steps
from tests.analysis.diagnostics.test_clusters import hidden
assert "umap" not in sys.modules and "sklearn" not in sys.modules
record = hidden(60, depths=1)
twice = replace(record, depth=np.arange(2), states=np.repeat(record.states, 2, axis=0))
found = project([twice], projection="umap")
assert np.array_equal(*found.coordinates) and np.isnan(found.explained).all()
points, first = found.coordinates[0], found.starting
gap = np.linalg.norm(points[first].mean(0) - points[~first].mean(0))
assert gap > 2 * points[first].std(0).max(), gap
assert "umap" not in sys.modules and "sklearn" not in sys.modules  # they stay in the process that lays out
steps = project_steps([hidden(3000, depths=1)], (), "umap", 2, 10)
assert "UMAP of depth 1 of 1, 3,000 points" in next(steps)
[worker] = psutil.Process().children()
steps.close()
assert not worker.is_running()  # Stop ends the process, and frees what it holds
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
