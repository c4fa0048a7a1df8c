"""Marginal energies against quadrature and exact mixtures, and conditional modes."""

import numpy as np
import pytest
from scipy.special import logsumexp
from support.exact_reference import components
from support.random_models import random_model

from skdsm.density.mixture import exact_mixture
from skdsm.model.energy import EnergyModel
from skdsm.model.marginal import has_missing, whitened_conditionals
from skdsm.model.parameters import Parameters

GRID = np.linspace(-9, 9, 361)
STEP = GRID[1] - GRID[0]


def one_mode(seed, d, gains):
    """A model whose conditional densities have one mode: F'' > 0 everywhere."""
    model = random_model(seed, m=5, d=d, gains=gains)
    W, b, c, g = model.parameters
    # sum_j |g_j| |W_j|^2 / 4 < 1
    size = np.sqrt(0.2 * np.abs(g) @ np.einsum("ij,ij->i", W, W))
    return EnergyModel(Parameters(W / size, b, c, g), model.sigma)


def with_every_pattern(rng, d, most=2):
    """Rows with each choice of at most so many missing cells."""
    patterns = np.stack(np.meshgrid(*[[0, 1]] * d), axis=-1).reshape(-1, d)
    patterns = patterns[patterns.sum(axis=1) <= most]
    X = rng.standard_normal((len(patterns), d))
    X[patterns == 1] = np.nan
    return X


def integrated(model, x):
    """log of the integral of exp(-E) over the missing cells of a row, on a grid."""
    missing = np.flatnonzero(np.isnan(x))
    grids = np.meshgrid(*[GRID] * len(missing), indexing="ij")
    X = np.tile(x, (GRID.size ** len(missing), 1))
    for cell, values in zip(missing, grids, strict=True):
        X[:, cell] = values.ravel() + model.parameters.intercept_visible[cell]
    return logsumexp(-model.energy(X)) + len(missing) * np.log(STEP)


@pytest.mark.parametrize("gains", ["unit", "positive", "mixed"])
@pytest.mark.parametrize("d", [2, 3])
def test_marginals_of_one_mode_are_those_of_quadrature(d, gains):
    model = one_mode(d, d, gains)
    X = with_every_pattern(np.random.default_rng(0), d)
    marginal = model.marginal(np.zeros(d)).unnormalised_log_density(X)
    expected = [integrated(model, x) for x in X]
    np.testing.assert_allclose(marginal, expected, atol=0.05)


def test_marginals_of_a_gaussian_are_exact():
    model = random_model(0, m=3, d=4)
    W, b, c, _ = model.parameters
    model = EnergyModel(Parameters(0 * W, b, c, np.ones(3)), 0.3)
    X = with_every_pattern(np.random.default_rng(0), 4, most=4)
    n_missing = np.isnan(X).sum(axis=1)
    marginal = model.marginal(np.zeros(4))
    at_mode = np.where(np.isnan(X), c, X)
    np.testing.assert_allclose(marginal.complete(X), at_mode, atol=1e-12)
    # a missing cell counts as an average one, 1 / 2
    expected = model.energy(at_mode) + 0.5 * n_missing
    np.testing.assert_allclose(marginal.energy(X), expected, rtol=1e-12)
    log_density = -model.energy(at_mode) + n_missing * 0.5 * np.log(2 * np.pi * 0.3**2)
    np.testing.assert_allclose(marginal.unnormalised_log_density(X), log_density)


def mixture_marginal(theta, sigma, x):
    """log p of the observed cells: each Gaussian of the mixture, one at a time."""
    weights, means = components(theta, sigma)
    observed = np.flatnonzero(~np.isnan(x))
    terms = [
        np.log(weight)
        - sum((x[i] - mean[i]) ** 2 for i in observed) / (2 * sigma**2)
        - 0.5 * len(observed) * np.log(2 * np.pi * sigma**2)
        for weight, mean in zip(weights, means, strict=True)
    ]
    return logsumexp(terms)


@pytest.mark.parametrize("d", [2, 3, 6])
def test_marginals_of_an_exact_mixture(d):
    sigma = 0.8
    rng = np.random.default_rng(d)
    W = 0.7 * rng.standard_normal((4, d))  # Gaussians that overlap
    theta = W, rng.standard_normal(4), rng.standard_normal(d), sigma**2 * np.ones(4)
    model = EnergyModel(Parameters(*theta), sigma)
    X = with_every_pattern(rng, d, most=d - 1)
    log_Z = exact_mixture(model).log_partition
    marginal = model.marginal(theta[2]).unnormalised_log_density(X) - log_Z
    expected = [mixture_marginal(theta, sigma, x) for x in X]
    error = np.abs(marginal - expected)
    # few points, for up to five missing cells
    assert error.mean() < 0.02
    assert error.max() < (0.05 if d < 4 else 0.3)


def test_of_two_modes_apart_one_is_integrated():
    """What the page says: a half, of two equal modes, is 0.69 nats."""
    unit = np.array([[6.0, 0.0]]), np.array([-18.0]), np.zeros(2), np.ones(1)
    model = EnergyModel(Parameters(*unit), 1.0)  # modes at 0 and 6, as likely
    x = np.array([[np.nan, 0.0]])
    marginal = model.marginal(np.zeros(2)).unnormalised_log_density(x)
    lost = integrated(model, x[0]) - marginal[0]
    assert lost == pytest.approx(np.log(2), abs=0.02)


@pytest.mark.parametrize("gains", ["unit", "positive", "mixed"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_denoiser_leaves_filled_cells_where_they_are(gains, dtype):
    model = random_model(3, m=6, d=5, gains=gains)
    X = with_every_pattern(np.random.default_rng(1), 5, most=5).astype(dtype)
    marginal, missing = model.marginal(np.zeros(5)), np.isnan(X)
    filled = marginal.complete(X)
    assert filled.dtype == dtype
    np.testing.assert_array_equal(filled[~missing], X[~missing])
    tolerance = 1e-5 if dtype == np.float32 else 1e-8
    moved = model.reconstruct(filled) - filled
    np.testing.assert_allclose(moved[missing], 0, atol=tolerance)
    # a minimum, not a saddle: no step along an axis goes down
    for step in (-1e-3, 1e-3):
        for cell in range(5):
            there = filled.astype(float)
            there[:, cell] += np.where(missing[:, cell], step, 0)
            rise = model.energy(there) - model.energy(filled.astype(float))
            assert (rise >= -1e-6).all()


def filled_by(name, model, whitening, X):
    """Rows filled by an attribute of their conditionals."""
    filled = X.copy()
    for group in whitened_conditionals(model, whitening, np.arange(4) / 8, X):
        filled[group.at] = getattr(group, name)
    return filled


@pytest.mark.parametrize("gains", ["unit", "positive", "mixed"])
def test_whitened_rows_are_filled_where_the_energy_is_least(gains):
    model = random_model(3, m=6, d=4, gains=gains)
    rng = np.random.default_rng(5)
    whitening = np.eye(4) + 0.3 * rng.standard_normal((4, 4))
    X = with_every_pattern(rng, 4, most=4)
    filled, missing = filled_by("mode", model, whitening, X), np.isnan(X)
    slope = -model.score(filled @ whitening) @ whitening.T  # of the energy, by X
    np.testing.assert_allclose(slope[missing], 0, atol=1e-6)
    energy = model.energy(filled @ whitening)
    for step in 1e-3 * rng.standard_normal((20, *X.shape)):
        there = filled + np.where(missing, step, 0)
        assert (model.energy(there @ whitening) >= energy - 1e-9).all()


def test_rows_that_are_not_whitened_have_the_same_modes():
    model = one_mode(3, 4, "positive")
    X = with_every_pattern(np.random.default_rng(1), 4, most=4)
    filled = filled_by("mode", model, np.eye(4), X)
    np.testing.assert_allclose(
        filled, model.marginal(np.zeros(4)).complete(X), atol=1e-5
    )


def test_whitened_rows_have_the_mean_of_a_gaussian():
    rng = np.random.default_rng(5)
    whitening = np.eye(4) + 0.3 * rng.standard_normal((4, 4))
    X = with_every_pattern(rng, 4, most=4)
    filled = filled_by("gaussian", random_model(3, m=6, d=4), whitening, X)
    unwhiten = np.linalg.inv(whitening)
    mean, covariance = np.arange(4) / 8 @ unwhiten, unwhiten.T @ unwhiten
    for x, y in zip(X, filled, strict=True):
        o, m = ~np.isnan(x), np.isnan(x)
        regression = np.linalg.solve(covariance[np.ix_(o, o)], covariance[np.ix_(o, m)])
        expected = mean[m] + (x[o] - mean[o]) @ regression
        np.testing.assert_allclose(y[m], expected, rtol=1e-9)
        np.testing.assert_array_equal(y[o], x[o])


def test_deviations_of_whitened_cells_are_those_of_the_curvature():
    model = random_model(3, m=6, d=4)
    rng = np.random.default_rng(5)
    whitening = np.eye(4) + 0.3 * rng.standard_normal((4, 4))
    X = with_every_pattern(rng, 4, most=2)
    for group in whitened_conditionals(model, whitening, np.zeros(4), X):
        filled = X.copy()
        filled[group.at] = group.mode
        for row, cells, scale in zip(group.rows, group.cells, group.scale, strict=True):
            # minus the derivative of the score, by the missing cells
            step = 1e-5 * np.eye(4)[cells]
            ahead, behind = filled[row] + step, filled[row] - step
            slopes = [model.score(x @ whitening) @ whitening.T for x in (ahead, behind)]
            curvature = (slopes[1] - slopes[0])[:, cells] / 2e-5
            np.testing.assert_allclose(
                scale @ scale.T @ curvature, np.eye(len(cells)), atol=1e-6
            )


def test_score_and_contributions_are_zero_at_missing_cells():
    model = random_model(4, m=6, d=4)
    X = with_every_pattern(np.random.default_rng(2), 4, most=4)
    marginal, missing = model.marginal(np.zeros(4)), np.isnan(X)
    score, shares = marginal.score(X), marginal.feature_contributions(X)
    assert (score[missing] == 0).all()
    assert (shares[missing] == 0).all()
    np.testing.assert_allclose(shares, 0.5 * model.sigma**2 * score**2, rtol=1e-12)
    expected = model.score(marginal.complete(X))
    np.testing.assert_array_equal(score[~missing], expected[~missing])


@pytest.mark.parametrize("unit", [1e-6, 1e5])
def test_energies_are_the_same_in_another_unit(unit):
    model = random_model(5, m=6, d=4, gains="mixed")
    scaled = EnergyModel(model.parameters.scale(unit), model.sigma * unit)
    X = with_every_pattern(np.random.default_rng(3), 4, most=4)
    expected = model.marginal(np.zeros(4)).energy(X)
    actual = scaled.marginal(np.zeros(4)).energy(unit * X)
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-6)


def test_rows_far_away_have_energies():
    model = random_model(6, m=6, d=3, gains="mixed")
    marginal = model.marginal(np.zeros(3))
    for size in (1e3, 1e10, 1e150, 1e300):
        X = np.array([[size, np.nan, 0], [np.nan, np.nan, -size], [0, 0, np.nan]])
        energy = marginal.energy(X)
        assert not np.isnan(energy).any()
        assert (energy[:2] > energy[2]).all()


def test_each_row_is_by_itself():
    model = random_model(7, m=6, d=4)
    X = with_every_pattern(np.random.default_rng(4), 4, most=4)
    marginal = model.marginal(np.zeros(4))
    one_by_one = [marginal.energy(x[None])[0] for x in X]
    np.testing.assert_allclose(marginal.energy(X), one_by_one, rtol=1e-12)


@pytest.mark.parametrize("n_rows", [3, 3000])
@pytest.mark.parametrize("largest", [1.0, np.finfo(float).max])
def test_missing_cells_are_found(largest, n_rows):
    X = np.full((n_rows, 2), largest)
    X[1] *= -1
    assert not has_missing(X)
    X[2, 1] = np.nan
    assert has_missing(X)
