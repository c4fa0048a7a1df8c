"""Steps of likelihood: against a minimiser, and towards models that are known."""

import numpy as np
import pytest
from scipy.optimize import minimize

from skdsm.density import likelihood
from skdsm.density.likelihood import likelier_model, quick_draws
from skdsm.density.log_partition import exact_log_partition
from skdsm.density.mixture import exact_mixture
from skdsm.model.energy import EnergyModel
from skdsm.model.parameters import Parameters

# unit gains and sigma = 1: a mixture of four Gaussians
W = np.array([[3.0, 0.0], [0.0, -2.0]])
B = np.array([-4.0, -1.0])
MODEL = EnergyModel(Parameters(W, B, np.zeros(2), np.ones(2)), 1.0)
DRAWS = exact_mixture(MODEL).sample(np.random.default_rng(0), 3000)
IS_RIGHT = DRAWS[:, 0] > 1.5  # in one of its two clusters


@pytest.fixture
def one_round(monkeypatch):
    """One step, from exact draws of the model; other models are drawn from as usual."""

    def draws(model, rng):
        return DRAWS if model is MODEL else quick_draws(model, rng)

    monkeypatch.setattr(likelihood, "quick_draws", draws)
    monkeypatch.setattr(likelihood, "_ROUNDS", 1)


def statistics(rows):
    """Derivatives of -E by the gains and by the hidden intercepts, written out."""
    odds = np.exp(rows @ W.T + B)
    return np.hstack([np.log1p(odds), odds / (1 + odds)])


def penalised_likelihood(change, X, weight):
    """Written out: mean log-likelihood ratio of rows, by draws, less the penalty."""
    s = statistics(DRAWS)
    of_gains, of_intercepts = s[:, :2].var(axis=0).mean(), s[:, 2:].var(axis=0).mean()
    rho = 4 * 2 * (1 / weight.sum() + 1 / len(DRAWS))
    rho *= np.array([of_gains, of_gains, of_intercepts, of_intercepts])
    fit = np.average(statistics(X) @ change, weights=weight)
    return fit - np.log(np.mean(np.exp(s @ change))) - rho @ change**2 / 2


def moved(X, weight=None):
    weight = np.ones(len(X)) if weight is None else weight
    return likelier_model(MODEL, X, weight, np.random.default_rng(1))


def step(X, weight=None):
    _, b, _, g = moved(X, weight).parameters
    return np.concatenate([g - 1, b - B])


@pytest.mark.usefixtures("one_round")
def test_step_is_the_maximum_of_the_penalised_likelihood():
    X = DRAWS[:200] * 0.9 + 0.2
    weight = np.random.default_rng(2).integers(1, 4, len(X)).astype(float)
    best = minimize(lambda c: -penalised_likelihood(c, X, weight), np.zeros(4))
    assert np.abs(best.x).max() > 0.1
    np.testing.assert_allclose(step(X, weight), best.x, atol=5e-3)


def log_likelihood(model, X):
    return -model.energy(X).mean() - exact_log_partition(model)


def share_right(model):
    """Share of the mass on the right, by the sum over a grid."""
    x, y = np.arange(-8, 12, 0.05), np.arange(-10, 8, 0.05)
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    p = np.exp(-model.energy(grid))
    return p[grid[:, 0] > 1.5].sum() / p.sum()


@pytest.mark.parametrize("wanted", [0.2, 0.5])
def test_clusters_get_the_shares_of_the_rows(wanted):
    """Whatever the model's shares have been: 0.5 and 0.22, over seeds +- 0.005."""
    right, left = DRAWS[IS_RIGHT], DRAWS[~IS_RIGHT]
    n = 2000
    n_right = int(wanted * n)
    rng = np.random.default_rng(3)
    X = np.concatenate([rng.choice(right, n_right), rng.choice(left, n - n_right)])
    model = moved(X)
    assert abs(share_right(MODEL) - wanted) > 0.1
    assert abs(share_right(model) - wanted) < 0.03
    assert log_likelihood(model, X) > log_likelihood(MODEL, X)


@pytest.mark.usefixtures("one_round")
def test_step_is_not_taken_where_fresh_draws_refute_it(monkeypatch):
    """They say that the new model has nearly all of its mass far from the rows."""
    X = DRAWS[IS_RIGHT][:300]
    assert np.abs(step(X)).max() > 0.01

    def far(model, rng):
        return DRAWS if model is MODEL else DRAWS + 100

    monkeypatch.setattr(likelihood, "quick_draws", far)
    np.testing.assert_array_equal(step(X), 0)


@pytest.mark.parametrize("most_rounds", [likelihood._ROUNDS, likelihood._MOST_ROUNDS])
def test_mass_far_from_the_rows_goes_in_as_many_rounds_as_it_takes(
    monkeypatch, most_rounds
):
    monkeypatch.setattr(likelihood, "_MOST_ROUNDS", most_rounds)
    # clusters at 0 and at 8, which has a share of 1 / (1 + exp(-9)); rows at 0 only
    W = np.array([[8.0, 0.0], [0.0, -2.0]])
    model = EnergyModel(
        Parameters(W, np.array([9.0 - 32, -1.0]), np.zeros(2), np.ones(2)), 1.0
    )
    mixture = exact_mixture(model).sample(np.random.default_rng(0), 20_000)
    X = np.random.default_rng(1).standard_normal((500, 2))
    assert (mixture[:, 0] > 4).mean() > 0.99
    model = likelier_model(model, X, np.ones(500), np.random.default_rng(2))
    is_gone = share_right(model) < 0.2
    assert is_gone == (most_rounds > likelihood._ROUNDS)


def test_model_hardly_moves_where_rows_come_from_it():
    X = exact_mixture(MODEL).sample(np.random.default_rng(1), 20_000)
    assert abs(log_likelihood(moved(X), X) - log_likelihood(MODEL, X)) < 2e-3
    assert abs(share_right(moved(X)) - share_right(MODEL)) < 0.02


@pytest.mark.usefixtures("one_round")
def test_intercepts_of_units_without_gains_stay():
    flat = EnergyModel(MODEL.parameters._replace(gains=np.zeros(2)), 1.0)
    rng = np.random.default_rng(0)
    _, b, _, g = likelier_model(flat, DRAWS, np.ones(len(DRAWS)), rng).parameters
    assert np.abs(g).max() > 0.1
    np.testing.assert_array_equal(b, B)


def test_quick_draws_have_the_moments_of_the_model():
    mixture = exact_mixture(MODEL)
    rows = quick_draws(MODEL, np.random.default_rng(0))
    deviation = np.sqrt(np.diag(mixture.covariance()))
    assert (np.abs(rows.mean(axis=0) - mixture.mean()) < 0.15 * deviation).all()
    np.testing.assert_allclose(rows.std(axis=0), deviation, rtol=0.1)
