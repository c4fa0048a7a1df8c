"""Whitened rows: uncorrelated columns of variance one, where there is any."""

import numpy as np

from skdsm.model.whitening import whitening_of


def test_whitened_rows_have_identity_covariance():
    X = np.random.default_rng(0).standard_normal((50, 3)) @ np.diag([1, 10, 100.0])
    weight = np.random.default_rng(1).random(50)
    Z = whitening_of(X, weight).apply(X)
    np.testing.assert_allclose(
        np.cov(Z.T, aweights=weight, ddof=0), np.eye(3), atol=1e-5
    )


def test_directions_without_variance_stay_finite():
    x = np.random.default_rng(0).standard_normal(50)
    X = np.column_stack([x, -2 * x, np.full(50, 7.0)])
    whitening = whitening_of(X, np.ones(50))
    Z = whitening.apply(X)
    assert np.isfinite(Z).all()
    assert np.isfinite(whitening.log_determinant())
    np.testing.assert_allclose(np.trace(np.cov(Z.T, ddof=0)), 1, atol=1e-4)
