"""A model that fits q_sigma well is its posterior mean, and its density."""

import numpy as np
import pytest
from scipy.optimize import minimize
from support.random_models import random_parameters, unpack_like

from skdsm.model.energy import EnergyModel
from skdsm.model.parameters import Parameters
from skdsm.model.parzen import parzen_log_density, parzen_posterior_mean, parzen_score
from skdsm.training.objectives import explicit_score_matching, implicit_score_matching


def quadrature(data, sigma, probability):
    """A grid, weighted by q_sigma."""
    d = data.shape[1]
    n_nodes = 400 if d == 1 else 40
    # one column of nodes for each feature
    axes = np.linspace(data.min(0) - 5 * sigma, data.max(0) + 5 * sigma, n_nodes).T
    X = np.stack([grid.ravel() for grid in np.meshgrid(*axes)], axis=1)
    weight = np.exp(parzen_log_density(X, data, sigma, probability))
    return X, weight / weight.sum()


def fit(objective, start, sigma, *, learn_gains):
    """Minimise an objective of a model by SciPy alone."""
    n_free = len(start.pack()) - (0 if learn_gains else len(start.gains))

    def model_at(free):
        vector = np.concatenate([free, start.pack()[n_free:]])
        return EnergyModel(unpack_like(vector, start), sigma)

    def value_and_gradient(free):
        value, gradient = objective(model_at(free))
        return value, gradient.pack()[:n_free]

    result = minimize(
        value_and_gradient,
        start.pack()[:n_free],
        method="L-BFGS-B",
        jac=True,
        options={"maxiter": 3000, "maxfun": 10000, "ftol": 1e-15, "gtol": 1e-10},
    )
    return model_at(result.x)


@pytest.mark.parametrize("objective", ["explicit", "implicit"])
def test_one_unit_with_gain_denoises_two_points_exactly(objective):
    # q_sigma is then a two-component mixture: W = D / sigma^2, g = sigma^2
    sigma, probability = 0.6, np.array([0.3, 0.7])
    data = np.array([[-0.4], [1.1]])
    X, weight = quadrature(data, sigma, probability)
    score = parzen_score(X, data, sigma, probability)

    def value_and_gradient(model):
        if objective == "explicit":
            return explicit_score_matching(model, X, score, weight)
        return implicit_score_matching(model, X, weight)

    start = Parameters(*map(np.array, ([[1.0]], [0.0], [0.0], [1.0])))
    model = fit(value_and_gradient, start, sigma, learn_gains=True)
    W, _, c, g = model.parameters
    np.testing.assert_allclose(W, [[1.5 / sigma**2]], rtol=1e-3)
    np.testing.assert_allclose(c, [-0.4], rtol=1e-3)
    np.testing.assert_allclose(g, [sigma**2], rtol=1e-3)
    np.testing.assert_allclose(
        model.reconstruct(X),
        parzen_posterior_mean(X, data, sigma, probability),
        atol=1e-3,
    )
    log_ratio = -model.energy(X) - parzen_log_density(X, data, sigma, probability)
    np.testing.assert_allclose(log_ratio, weight @ log_ratio, atol=0.02)


@pytest.mark.parametrize(
    ("d", "learn_gains", "tolerance"),
    [(1, False, 0.01), (1, True, 1e-3), (2, True, 0.1)],
)
def test_well_fitted_model_is_the_posterior_mean_and_the_density(
    d, learn_gains, tolerance
):
    sigma = 1.0
    data = 2 * np.array([[-1.0, 0.5], [0.0, -0.8], [1.2, 0.6], [0.3, 0.9]])[:, :d]
    X, weight = quadrature(data, sigma, np.ones(4))
    score = parzen_score(X, data, sigma)
    start = random_parameters(0, m=12, d=d)
    model = fit(
        lambda model: explicit_score_matching(model, X, score, weight),
        start,
        sigma,
        learn_gains=learn_gains,
    )

    def root_mean_square_errors(model):
        """Of denoised rows and of the log-density, over the mass of q_sigma."""
        denoised = model.reconstruct(X) - parzen_posterior_mean(X, data, sigma)
        log_ratio = -model.energy(X) - parzen_log_density(X, data, sigma)
        log_ratio -= weight @ log_ratio
        return np.sqrt([weight @ (denoised**2).sum(axis=1), weight @ log_ratio**2])

    assert (root_mean_square_errors(EnergyModel(start, sigma)) > 1).all()
    assert (root_mean_square_errors(model) < tolerance).all()
