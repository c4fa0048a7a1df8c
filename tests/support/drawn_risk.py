"""Empirical risks for tests, and a way to see the noise that they were given."""

import numpy as np

from skdsm.rows.in_memory import InMemoryRows
from skdsm.training.corruption import NoiseLevels
from support.quick_fits import settings

SIGMA = 0.05
SINGLE = NoiseLevels(SIGMA, SIGMA)
RANGE = NoiseLevels(0.2, 1.0)


def draw(X, weight=None, *, seed=(0,), map=map, levels=SINGLE, **changes):
    """The one place that knows how a risk is made."""
    rows = InMemoryRows(X, weight, np.zeros(X.shape[1]))
    return rows.risk(settings(levels=levels, **changes), seed, map=map)


def lattice(n):
    """Rows so far apart that noise of level SIGMA does not hide which is which."""
    grid = np.stack(np.meshgrid(*[np.arange(-2.0, 3.0)] * 3), axis=-1).reshape(-1, 3)
    return np.random.default_rng(0).permutation(grid)[:n]


def corrupted_pairs(risk, X):
    """Which clean row each corrupted row belongs to, the latter, and its weight."""
    X_noisy, weight = risk.sample(10**9)
    distance = np.linalg.norm(X_noisy[:, None] - X, axis=2)
    assert distance.min(axis=1).max() < 0.4
    return distance.argmin(axis=1), X_noisy, weight


def flat(value_and_gradient):
    value, gradient = value_and_gradient
    return np.concatenate([[value], gradient.pack()])
