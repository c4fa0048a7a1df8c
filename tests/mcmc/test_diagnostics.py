"""Diagnostics of convergence against chains whose worth is known."""

import sys

import numpy as np
import pytest

from skdsm.mcmc.diagnostics import convergence


def autoregressive(correlation, n_chains=16, n_draws=1000):
    """Chains of standard normal rows (x, y) of which x has this autocorrelation."""
    rng = np.random.default_rng(0)
    draws = rng.standard_normal((n_chains, n_draws, 2))
    for i in range(1, n_draws):
        draws[:, i, 0] *= np.sqrt(1 - correlation**2)
        draws[:, i, 0] += correlation * draws[:, i - 1, 0]
    return draws


def test_effective_sample_size_is_that_of_an_autoregression():
    rhat, ess = convergence(autoregressive(0.8))
    expected = 16_000 * np.array([0.2 / 1.8, 1])
    np.testing.assert_allclose(ess, expected, rtol=0.15)
    assert rhat.max() < 1.01


def test_chains_stuck_in_places_of_their_own_are_told():
    draws = autoregressive(0.0)
    draws[:8, :, 1] += 3
    rhat, ess = convergence(draws)
    assert rhat[0] < 1.01 < 1.5 < rhat[1]
    assert ess[1] < 100


def test_a_missing_arviz_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "arviz_stats.base", None)
    with pytest.raises(ImportError, match="pip install arviz-stats"):
        convergence(np.zeros((4, 10, 2)))
