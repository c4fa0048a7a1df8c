"""The step of likelihood: against a minimiser, and towards a model that is known."""

import numpy as np
import pytest
from scipy.optimize import minimize

from skdsm.density import likelihood
from skdsm.density.likelihood import likelier_gains, quick_draws
from skdsm.density.mixture import exact_mixture
from skdsm.model.energy import EnergyModel
from skdsm.model.parameters import Parameters

# unit gains and sigma = 1: a mixture of four Gaussians
W = np.array([[3.0, 0.0], [0.0, -2.0]])
MODEL = EnergyModel(Parameters(W, np.array([-4.0, -1.0]), np.zeros(2), np.ones(2)), 1.0)
DRAWS = exact_mixture(MODEL).sample(np.random.default_rng(0), 3000)
IS_RIGHT = DRAWS[:, 0] > 1.5  # in one of its two clusters


@pytest.fixture
def exact_draws(monkeypatch):
    """Draws of the model that is moved from are exact; of others they are as usual."""

    def draws(model, rng):
        return DRAWS if model is MODEL else quick_draws(model, rng)

    monkeypatch.setattr(likelihood, "quick_draws", draws)


def statistics(rows):
    return np.log1p(np.exp(rows @ W.T + MODEL.parameters.intercept_hidden))


def penalised_likelihood(change, X, weight):
    """Written out: mean log-likelihood ratio of rows, by draws, less the penalty."""
    s = statistics(DRAWS)
    rho = 8 * 2 * s.var(axis=0).mean() * (1 / weight.sum() + 1 / len(DRAWS))
    fit = np.average(statistics(X) @ change, weights=weight)
    return fit - np.log(np.mean(np.exp(s @ change))) - rho / 2 * np.sum(change**2)


def step(X, weight=None):
    weight = np.ones(len(X)) if weight is None else weight
    gains = likelier_gains(MODEL, X, weight, np.random.default_rng(1))
    return gains - MODEL.parameters.gains


@pytest.mark.usefixtures("exact_draws")
def test_step_is_the_maximum_of_the_penalised_likelihood():
    X = DRAWS[:200] * 0.9 + 0.2
    weight = np.random.default_rng(2).integers(1, 4, len(X)).astype(float)
    best = minimize(lambda c: -penalised_likelihood(c, X, weight), np.zeros(2))
    np.testing.assert_allclose(step(X, weight), best.x, atol=2e-3)


@pytest.mark.usefixtures("exact_draws")
def test_step_brings_the_shares_of_clusters_to_those_of_the_rows():
    few = min(IS_RIGHT.sum(), (~IS_RIGHT).sum())
    # as many rows from either cluster, whatever the model's shares are
    X = np.concatenate([DRAWS[IS_RIGHT][:few], DRAWS[~IS_RIGHT][:few]])
    share = np.exp(statistics(DRAWS) @ step(X))
    before, after = IS_RIGHT.mean(), share[IS_RIGHT].sum() / share.sum()
    assert abs(before - 0.5) > 0.08
    assert abs(after - 0.5) < 0.4 * abs(before - 0.5)


@pytest.mark.usefixtures("exact_draws")
def test_step_is_not_taken_where_fresh_draws_refute_it(monkeypatch):
    """They say that the new model has nearly all of its mass far from the rows."""
    X = DRAWS[IS_RIGHT][:300]
    assert np.abs(step(X)).max() > 0.01

    def far(model, rng):
        return DRAWS if model is MODEL else DRAWS + 100

    monkeypatch.setattr(likelihood, "quick_draws", far)
    np.testing.assert_array_equal(step(X), 0)


def test_gains_hardly_move_where_rows_come_from_the_model():
    X = exact_mixture(MODEL).sample(np.random.default_rng(1), 20_000)
    assert np.abs(step(X)).max() < 0.03


def test_quick_draws_have_the_moments_of_the_model():
    mixture = exact_mixture(MODEL)
    rows = quick_draws(MODEL, np.random.default_rng(0))
    deviation = np.sqrt(np.diag(mixture.covariance()))
    assert (np.abs(rows.mean(axis=0) - mixture.mean()) < 0.15 * deviation).all()
    np.testing.assert_allclose(rows.std(axis=0), deviation, rtol=0.1)
