"""The Parzen density: against the reference, scikit-learn and its own derivatives."""

import numpy as np
import pytest
from sklearn.neighbors import KernelDensity
from support import reference
from support.random_models import numerical_gradient

from skdsm.model import parzen
from skdsm.model.parzen import parzen_log_density, parzen_posterior_mean, parzen_score

RNG = np.random.default_rng(0)
DATA = RNG.standard_normal((30, 3))
X = 1.5 * RNG.standard_normal((20, 3))
WEIGHT = RNG.integers(0, 4, 30)
SIGMA = 0.6
FUNCTIONS = [parzen_log_density, parzen_posterior_mean, parzen_score]

every_function = pytest.mark.parametrize("function", FUNCTIONS)


def test_density_and_score_equal_the_reference():
    density = [reference.q_sigma(x, DATA, SIGMA) for x in X]
    np.testing.assert_allclose(
        parzen_log_density(X, DATA, SIGMA), np.log(density), rtol=1e-12
    )
    score = [reference.q_sigma_score(x, DATA, SIGMA) for x in X]
    np.testing.assert_allclose(parzen_score(X, DATA, SIGMA), score, atol=1e-12)


@pytest.mark.parametrize("weight", [None, WEIGHT])
@pytest.mark.parametrize("sigma", [0.05, 0.6, 4.0])
def test_density_equals_scikit_learns_kernel_density(sigma, weight):
    # scikit-learn wants positive weights
    kept = np.ones(30, bool) if weight is None else weight > 0
    peer = KernelDensity(bandwidth=sigma, kernel="gaussian", rtol=0, atol=0)
    peer.fit(DATA[kept], sample_weight=None if weight is None else weight[kept])
    np.testing.assert_allclose(
        parzen_log_density(X, DATA, sigma, weight), peer.score_samples(X), rtol=1e-10
    )


@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_score_is_the_gradient_of_the_log_density(weight):
    score = parzen_score(X, DATA, SIGMA, weight)
    for x, expected in zip(X, score, strict=True):
        gradient = numerical_gradient(
            lambda x: parzen_log_density(x[None], DATA, SIGMA, weight)[0], x
        )
        np.testing.assert_allclose(gradient, expected, atol=1e-8)


@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_posterior_mean_is_bayes_rule(weight):
    prior = np.ones(30) if weight is None else weight
    for x in X:
        likelihood = [reference.kernel(x, clean, SIGMA) for clean in DATA]
        expected = np.average(DATA, axis=0, weights=prior * likelihood)
        mean = parzen_posterior_mean(x[None], DATA, SIGMA, weight)[0]
        np.testing.assert_allclose(mean, expected, atol=1e-12)


def test_posterior_mean_is_tweedies_formula():
    gradient = np.array(
        [
            numerical_gradient(lambda x: parzen_log_density(x[None], DATA, SIGMA)[0], x)
            for x in X
        ]
    )
    np.testing.assert_allclose(
        parzen_posterior_mean(X, DATA, SIGMA), X + SIGMA**2 * gradient, atol=1e-8
    )


@every_function
def test_weights_are_repetitions(function):
    np.testing.assert_allclose(
        function(X, DATA, SIGMA, WEIGHT),
        function(X, np.repeat(DATA, WEIGHT, axis=0), SIGMA),
        atol=1e-12,
    )
    np.testing.assert_allclose(
        function(X, DATA, SIGMA, 7.3 * WEIGHT),
        function(X, DATA, SIGMA, WEIGHT),
        atol=1e-12,
    )


@pytest.mark.parametrize("sigma", [0.2, 1.0])
def test_density_integrates_to_one(sigma):
    grid = np.linspace(-12, 12, 4001)
    density = np.exp(parzen_log_density(grid[:, None], DATA[:, :1], sigma))
    # the trapezium rule is exact to rounding for such functions
    assert np.trapezoid(density, grid) == pytest.approx(1, abs=1e-12)


def test_far_away_data_keep_their_digits():
    offset = 1e8 * np.array([1.0, -2.0, 3.0])
    data, queries = DATA + offset, X + offset
    home_data, home_queries = data - offset, queries - offset  # exact
    np.testing.assert_allclose(
        parzen_log_density(queries, data, SIGMA),
        parzen_log_density(home_queries, home_data, SIGMA),
        rtol=1e-12,
    )
    mean = parzen_posterior_mean(queries, data, SIGMA)
    home_mean = parzen_posterior_mean(home_queries, home_data, SIGMA)
    # no worse than the spacing of floats there
    assert (np.abs(mean - (home_mean + offset)) <= np.spacing(np.abs(offset))).all()


def test_queries_far_from_all_data_see_the_nearest_row():
    queries = np.array([[1e3, 0.0, 0.0], [0.0, -1e6, 0.0]])
    nearest = DATA[[DATA[:, 0].argmax(), DATA[:, 1].argmin()]]
    mean = parzen_posterior_mean(queries, DATA, 0.05)
    np.testing.assert_allclose(mean, nearest, rtol=1e-12)
    assert np.isfinite(parzen_log_density(queries, DATA, 0.05)).all()


@every_function
@pytest.mark.parametrize("elements", [1, 31, 95])
def test_blocks_change_nothing(function, elements, monkeypatch):
    whole = function(X, DATA, SIGMA, WEIGHT)
    monkeypatch.setattr(parzen, "_MATRIX_ELEMENTS", elements)
    np.testing.assert_allclose(function(X, DATA, SIGMA, WEIGHT), whole, atol=1e-13)


@every_function
def test_lists_are_accepted(function):
    np.testing.assert_array_equal(
        function(X.tolist(), DATA.tolist(), SIGMA, WEIGHT.tolist()),
        function(X, DATA, SIGMA, WEIGHT),
    )
