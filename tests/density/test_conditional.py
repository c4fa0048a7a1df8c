"""Draws of missing cells against quadrature and exact mixtures."""

import numpy as np
import pytest
from support.random_models import random_model

from skdsm.density.conditional import conditional_draws
from skdsm.density.mixture import exact_mixture
from skdsm.model.energy import EnergyModel
from skdsm.model.parameters import Parameters

N_DRAWS = 4000
KOLMOGOROV = 1.95 / N_DRAWS**0.5  # at 0.1 %


@pytest.mark.parametrize("gains", ["unit", "positive", "mixed"])
def test_draws_of_a_cell_are_those_of_quadrature(gains):
    W, b, c, g = random_model(1, m=5, d=3, gains=gains).parameters
    model = EnergyModel(Parameters(0.4 * W, b, c, g), 0.7)
    row = np.array([[0.5, np.nan, -0.3]])
    grid = np.linspace(-8, 8, 4001)
    rows = np.repeat(row, len(grid), axis=0)
    rows[:, 1] = grid
    energy = model.energy(rows)
    share = np.cumsum(np.exp(energy.min() - energy))
    rng = np.random.default_rng(0)
    draws = conditional_draws(rng, model.marginal(c), row, N_DRAWS)[:, 0]
    assert (draws[:, [0, 2]] == row[0, [0, 2]]).all()
    uniform = np.sort(np.interp(draws[:, 1], grid, share / share[-1]))
    assert np.abs(uniform - (np.arange(N_DRAWS) + 0.5) / N_DRAWS).max() < KOLMOGOROV


def test_draws_of_all_cells_have_the_moments_of_a_mixture():
    rng = np.random.default_rng(1)
    W = 0.5 * rng.standard_normal((4, 3))
    parameters = Parameters(W, rng.standard_normal(4), np.ones(3), np.ones(4))
    model = EnergyModel(parameters, 1.0)
    row = np.full((1, 3), np.nan)
    draws = conditional_draws(rng, model.marginal(np.zeros(3)), row, N_DRAWS)[:, 0]
    exact = exact_mixture(model)
    np.testing.assert_allclose(draws.mean(axis=0), exact.mean(), atol=0.1)
    np.testing.assert_allclose(np.cov(draws.T), exact.covariance(), atol=0.15)


def test_each_row_has_draws_of_its_own():
    model = random_model(2, m=5, d=3)
    X = np.array([[0.0, np.nan, 1.0], [1.0, 2.0, 3.0], [np.nan, np.nan, 0.0]])
    draws = conditional_draws(
        np.random.default_rng(0), model.marginal(np.zeros(3)), X, 40
    )
    assert draws.shape == (40, 3, 3)
    assert (draws[:, 1] == X[1]).all()
    assert len(np.unique(draws[:, 0, 1])) > 30
    assert len(np.unique(draws[:, 2, 0])) > 30
