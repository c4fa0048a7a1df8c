"""Paths from a Gaussian to a density: their ends, derivatives and moves."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from support.gaussian_mixtures import coordinates, mixture_target, moment_z_scores
from support.known_targets import target_of
from support.random_models import numerical_gradient, random_model

from skdsm.density.path import geometric_path
from skdsm.density.target import model_target
from skdsm.mcmc.hmc import State

MEAN = np.array([1.0, -2.0, 0.5])
COVARIANCE = np.array([[2.0, 0.6, 0.0], [0.6, 1.0, -0.3], [0.0, -0.3, 0.5]])
MODEL = random_model(0, gains="mixed")


def model_path():
    return geometric_path(model_target(MODEL), MEAN, COVARIANCE)


def log_density(target, Z):
    return target.log_density_and_score(Z)[0]


def test_rows_have_the_moments_of_the_gaussian():
    path = model_path()
    np.testing.assert_allclose(path.factor @ path.factor.T, COVARIANCE, atol=1e-14)
    X = path.rows(np.random.default_rng(0).standard_normal((40_000, 3)))
    assert np.abs(moment_z_scores(X, MEAN, COVARIANCE)).max() < 4


def test_a_volume_in_coordinates_is_a_volume_of_rows():
    path = model_path()
    Z = np.random.default_rng(0).standard_normal((10, 3))
    X = path.rows(Z)
    log_volume = 0.5 * np.linalg.slogdet(COVARIANCE)[1]
    gaussian = multivariate_normal(MEAN, COVARIANCE).logpdf(X)
    state = path.state(Z)
    np.testing.assert_allclose(path.log_reference(Z), gaussian + log_volume, atol=1e-12)
    np.testing.assert_allclose(
        state.log_density, -MODEL.energy(X) + log_volume, atol=1e-12
    )
    np.testing.assert_allclose(
        path.log_ratio(state), -MODEL.energy(X) - gaussian, atol=1e-12
    )


def test_the_ends_of_the_path_are_the_two_densities():
    path = model_path()
    Z = np.random.default_rng(0).standard_normal((10, 3))
    start = path.intermediate(0.0).log_density_and_score(Z)
    end = path.intermediate(1.0).log_density_and_score(Z)
    expected = path.target.log_density_and_score(Z)
    np.testing.assert_allclose(start[0], path.log_reference(Z), atol=1e-13)
    np.testing.assert_allclose(start[1], -Z, atol=1e-13)
    np.testing.assert_allclose(end[0], expected[0])
    np.testing.assert_allclose(end[1], expected[1])


@pytest.mark.parametrize("beta", [0.0, 0.3, 1.0])
def test_the_score_of_an_intermediate_density_is_its_gradient(beta):
    density = model_path().intermediate(beta)
    for z in np.random.default_rng(1).standard_normal((5, 3)):
        gradient = numerical_gradient(lambda z: log_density(density, z[None])[0], z)
        np.testing.assert_allclose(density.score(z[None])[0], gradient, rtol=1e-7)
        _, score = density.log_density_and_score(z[None])
        np.testing.assert_array_equal(score, density.score(z[None]))


def test_each_row_may_have_a_beta_of_its_own():
    path = model_path()
    Z = np.random.default_rng(1).standard_normal((3, 3))
    betas = np.array([0.1, 0.5, 1.0])
    together = path.intermediate(betas)
    for i, beta in enumerate(betas):
        alone = path.intermediate(beta)
        row = slice(i, i + 1)
        np.testing.assert_allclose(
            log_density(together, Z)[row], log_density(alone, Z[row])
        )
        np.testing.assert_allclose(together.score(Z)[row], alone.score(Z[row]))


@pytest.mark.parametrize("per_chain", [False, True])
def test_a_move_keeps_what_is_known_of_the_density(per_chain):
    rng = np.random.default_rng(3)
    path = model_path()
    start = path.draw(rng, 200)
    beta, step = 1e-5, np.array([0.3, 0.5, 0.1])
    if per_chain:
        beta = np.geomspace(1e-5, 1, 200)
        step = step * rng.uniform(0.5, 1, (200, 1))
    end, rate = path.move(rng, start, beta, step, 5)
    anew = path.state(end.position)
    np.testing.assert_allclose(end.log_density, anew.log_density, rtol=1e-8)
    np.testing.assert_allclose(end.score, anew.score, rtol=1e-6, atol=1e-6)
    assert rate.shape == (200,)
    stayed = (end.position == start.position).all(axis=1)
    assert 0 < stayed.sum() < 150
    np.testing.assert_array_equal(end.log_density[stayed], start.log_density[stayed])


@pytest.mark.parametrize("beta", [0.2, 1.0])
def test_moves_leave_an_intermediate_density_invariant(beta):
    # a Gaussian to a Gaussian: all between are, with a precision between theirs
    rng = np.random.default_rng(4)
    width, shift = 0.3, np.array([0.4, -0.3])
    target = mixture_target([shift], [1], width, log_scale=3.0)
    path = geometric_path(target, np.zeros(2), np.eye(2))
    precision = 1 - beta + beta / width**2
    mean = beta * shift / width**2 / precision
    path_mean = coordinates(path, mean[None])[0]
    Z = path_mean + rng.standard_normal((40_000, 2)) / np.sqrt(precision)
    state = path.state(Z)
    # large steps, so that the Metropolis test has something to do
    step = 1.5 * np.array([1.0, 0.8]) / np.sqrt(precision)
    rates = []
    for _ in range(5):
        state, rate = path.move(rng, state, beta, step, 3)
        rates.append(rate.mean())
    assert 0.3 < np.mean(rates) < 0.9
    z_scores = moment_z_scores(state.position, path_mean, np.eye(2) / precision)
    assert np.abs(z_scores).max() < 4


def test_where_the_density_is_zero_the_path_is_a_number():
    def half_normal(X):
        return np.where(X[:, 0] > 0, -0.5 * (X**2).sum(axis=1), -np.inf)

    cut_off = target_of(half_normal, np.negative)
    path = geometric_path(cut_off, np.zeros(2), np.eye(2))
    start = path.draw(np.random.default_rng(6), 100)
    for beta in (0.0, 1e-9, 1.0):
        density = path.intermediate(beta)
        assert np.isfinite(log_density(density, start.position)).all()
    positive = State(*(array[start.position[:, 0] > 0] for array in start))
    for beta in (1e-9, 1.0):
        end, rate = path.move(
            np.random.default_rng(7), positive, beta, np.full(2, 0.3), 5
        )
        assert (end.position[:, 0] > 0).all()
        assert 0.3 < rate.mean() < 0.95


def test_a_covariance_must_be_positive_definite():
    with pytest.raises(ValueError, match="positive definite"):
        geometric_path(model_target(MODEL), MEAN, np.diag([1.0, 0.0, 1.0]))
