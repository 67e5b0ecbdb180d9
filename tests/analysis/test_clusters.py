"""Projections find what is there, and the number for separation means what it says."""

import subprocess
import sys

import numpy as np
import pytest

from analysis.diagnostics.clusters import ClusterRecord, pca, project, separations
from analysis.export.files import from_npz, to_csv, to_npz
from longsight.errors import LongSightError
from tests.analysis.test_probe_figures import hidden


def test_principal_components_are_sklearns():
    from sklearn.decomposition import PCA

    points = np.random.default_rng(0).standard_normal((50, 8)) * np.arange(1, 9)
    found, explained = pca(points, 3)
    reference = PCA(3).fit(points)
    np.testing.assert_allclose(np.abs(found), np.abs(reference.transform(points)), atol=1e-9)
    np.testing.assert_allclose(explained, reference.explained_variance_ratio_)
    assert all(found[np.abs(found[:, axis]).argmax(), axis] > 0 for axis in range(3))


def test_points_that_are_all_alike_have_no_axes_and_break_nothing():
    found, explained = pca(np.ones((10, 4)), 2)
    assert not found.any()
    assert not explained.any()


def test_separation_is_a_distance_in_spreads():
    """Others at ±1 around 0, each alike: spread 1. The first two tokens stand at 5."""
    others = np.array([[1.0], [-1.0]] * 20)
    apart, ordinary = separations([np.concatenate(([[5.0], [5.0]], others))], starting=2)
    assert apart == pytest.approx(5)
    assert ordinary == pytest.approx(0)


def test_separation_of_tokens_like_all_others_is_ordinary():
    record = project([hidden(shift=0.0)])
    np.testing.assert_allclose(record.separation, record.ordinary, atol=0.3)
    assert (project([hidden(shift=30.0)]).separation > 5).all()


def test_a_text_of_nothing_but_starting_tokens_has_no_separation():
    assert np.isnan(separations([np.ones((5, 2))], starting=10)).all()


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
    """In a process of its own: it compiles for seconds, and the page loads it only when it is asked for."""
    code = """
import sys
import numpy as np
import psutil
from analysis.diagnostics.clusters import project, project_steps
from tests.analysis.test_probe_figures import hidden
assert "umap" not in sys.modules and "sklearn" not in sys.modules
record = hidden(60, depths=1)
one, two = project([record], projection="umap"), project([record], projection="umap")
assert np.array_equal(one.coordinates, two.coordinates) and np.isnan(one.explained).all()
points, first = one.coordinates[0], one.starting
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
