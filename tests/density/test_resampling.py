"""Means of log-weights, effective sample sizes and resampling."""

import numpy as np
import pytest

from skdsm.density.resampling import (
    log_effective_size,
    log_mean_exp,
    systematic_resampling,
)


def test_log_mean_exp_does_not_overflow():
    assert log_mean_exp(np.array([1000.0, 1000.0])) == pytest.approx(1000)
    values = np.log([[1.0, 3.0], [2.0, 6.0]])
    np.testing.assert_allclose(log_mean_exp(values, axis=1), np.log([2, 4]))


def test_effective_size_counts_equal_weights_and_ignores_scale():
    weights = np.array([[1.0, 1, 1, 1], [2, 2, 0, 0], [3, 1, 0, 0]])
    with np.errstate(divide="ignore"):
        log_weights = np.log(weights) - 1000
    expected = np.log([4, 2, 16 / 10])
    np.testing.assert_allclose(log_effective_size(log_weights), expected)


def test_systematic_resampling_rounds_each_share_up_or_down():
    rng = np.random.default_rng(16)
    log_weights = rng.standard_normal(50) - 1000
    shares = np.exp(log_weights + 1000)
    shares *= 50 / shares.sum()
    total = np.zeros(50)
    for _ in range(1000):
        counts = np.bincount(systematic_resampling(rng, log_weights), minlength=50)
        assert counts.sum() == 50
        assert np.all(counts >= np.floor(shares - 1e-9))
        assert np.all(counts <= np.ceil(shares + 1e-9))
        total += counts
    np.testing.assert_allclose(total / 1000, shares, atol=5 * 0.5 / np.sqrt(1000))
    alternating = np.tile([0.0, -np.inf], 500)
    chosen = systematic_resampling(rng, alternating)
    np.testing.assert_array_equal(chosen, np.repeat(np.arange(0, 1000, 2), 2))
