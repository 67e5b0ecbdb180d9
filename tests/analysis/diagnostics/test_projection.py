"""Projections find what is there, and the number for separation means what it says."""

import numpy as np
import pytest

from analysis.diagnostics.projection import pca, separations


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


def test_a_text_of_nothing_but_starting_tokens_has_no_separation():
    assert np.isnan(separations([np.ones((5, 2))], starting=10)).all()
