"""Training learns: to denoise new rows, and the score of known densities."""

import numpy as np
import pytest
from sklearn.datasets import (
    load_breast_cancer,
    load_digits,
    load_iris,
    make_blobs,
    make_moons,
)
from sklearn.preprocessing import StandardScaler
from support.quick_fits import normal_rows, quick

from skdsm.model.energy import EnergyModel
from skdsm.model.parameters import Parameters
from skdsm.training.initialization import data_dependent_start, linear_denoiser

SIGMA = 0.5


def halves(X, scale=True):
    """Standardised rows to train on, and as many held out."""
    X = X[np.random.default_rng(0).permutation(len(X))[:600]]
    half = len(X) // 2
    if scale:
        X = StandardScaler().fit(X[:half]).transform(X)
    return X[:half], X[half:]


DATA = {
    "blobs": halves(make_blobs(600, 4, centers=5, random_state=0)[0]),
    "moons": halves(make_moons(600, noise=0.1, random_state=0)[0]),
    "iris": halves(load_iris().data),
    "breast cancer": halves(load_breast_cancer().data),
    "digits": halves(load_digits().data / 4, scale=False),
}
with_every_data_set = pytest.mark.parametrize("name", DATA)


def denoising_loss(reconstruct, X, n_copies=10):
    """Mean of half the squared error, on noise that no training has seen."""
    clean = np.tile(X, (n_copies, 1))
    noise = np.random.default_rng(99).standard_normal(clean.shape)
    return ((reconstruct(clean + SIGMA * noise) - clean) ** 2).sum(1).mean() / 2


def best_linear_denoiser(X):
    mean, covariance = X.mean(axis=0), np.cov(X.T)
    gain = np.linalg.solve(covariance + SIGMA**2 * np.eye(X.shape[1]), covariance)
    return lambda noisy: mean + (noisy - mean) @ gain


def drawn_start(X, n_components):
    """A start drawn as training draws it."""
    centred = X - X.mean(axis=0)
    linear = linear_denoiser(centred, None, SIGMA**2)
    rng = np.random.default_rng(0)
    start = data_dependent_start(centred, None, linear, n_components, rng)
    return EnergyModel(start.translate(X.mean(axis=0)), SIGMA)


@pytest.mark.parametrize(
    "parameters",
    [{}, {"gains": "unit"}, {"objective": "ism", "gains": "unit"}],
    ids=["learned gains", "unit gains", "implicit"],
)
@with_every_data_set
def test_training_beats_its_start_and_random_weights(name, parameters):
    X, held_out = DATA[name]
    matcher = quick(32, sigma=SIGMA, tol=0.01, **parameters).fit(X)
    trained = denoising_loss(matcher.reconstruct, held_out)

    start = drawn_start(X, 32)
    assert trained < 0.9 * denoising_loss(start.reconstruct, held_out)

    rng = np.random.default_rng(1)
    W = rng.standard_normal(matcher.components_.shape) / np.sqrt(X.shape[1])
    c = X.mean(axis=0) - 0.5 * W.sum(axis=0)
    untrained = EnergyModel(Parameters(W, np.zeros(32), c, np.ones(32)), SIGMA)
    assert trained < 0.5 * denoising_loss(untrained.reconstruct, held_out)


@with_every_data_set
def test_training_beats_doing_nothing(name):
    X, held_out = DATA[name]
    matcher = quick(32, sigma=SIGMA, gains="learned", tol=0.01).fit(X)
    assert denoising_loss(matcher.reconstruct, held_out) < 0.7 * denoising_loss(
        lambda noisy: noisy, held_out
    )


@pytest.mark.parametrize("name", ["blobs", "moons", "iris"])
def test_training_beats_the_best_linear_denoiser_where_it_can(name):
    X, held_out = DATA[name]
    matcher = quick(32, sigma=SIGMA).fit(X)
    linear = denoising_loss(best_linear_denoiser(X), held_out)
    assert denoising_loss(matcher.reconstruct, held_out) < 0.92 * linear


@with_every_data_set
def test_loss_holds_on_fresh_noise(name):
    X, _ = DATA[name]
    matcher = quick(
        32,
        sigma=SIGMA,
        n_corruptions=8,
        tol=0.01,
        energy_matching=0.0,
        screening=False,
    ).fit(X)
    fresh = denoising_loss(matcher.reconstruct, X)
    assert fresh == pytest.approx(matcher.loss_, rel=0.1)


@pytest.mark.parametrize("name", ["breast cancer", "digits"])
def test_errors_of_the_denoiser_average_out(name):
    """The derivative by the visible intercept is zero: it was trained as well."""
    X, _ = DATA[name]
    matcher = quick(8, sigma=SIGMA, gains="unit", tol=0.01, screening=False).fit(X)
    clean = np.repeat(X, 20, axis=0)
    noisy = np.random.default_rng(7).normal(clean, SIGMA)
    error = matcher.reconstruct(noisy) - clean
    bias = np.linalg.norm(error.mean(axis=0))
    assert bias < 0.02 * np.sqrt((error**2).sum(axis=1).mean())


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"gains": "learned", "sigma": (0.1, 1.0)},
        {"objective": "ism", "gains": "unit"},
        {"ranking": "score_norm"},
    ],
    ids=["default", "learned gains, noise range", "implicit", "score norm"],
)
def test_scores_of_normal_data_fall_along_every_ray(parameters):
    X = normal_rows(n_samples=500)
    matcher = quick(16, **parameters).fit(X)
    directions = normal_rows(n_samples=50, seed=1)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    radii = np.geomspace(8.0, 1e4, 60)  # further than a corrupted row ever came
    scores = np.array([matcher.score_samples(r * directions) for r in radii])
    assert (np.diff(scores, axis=0) < 0).all()
    assert (matcher.predict(10.0 * directions) == -1).all()


@pytest.mark.parametrize("objective", ["dsm", "ism"])
@pytest.mark.parametrize("gains", ["unit", "learned"])
def test_score_of_gaussian_data_is_known(gains, objective):
    """N(mean, S) plus noise is N(mean, S + sigma^2 I): its score is linear.

    On rows of that density the error is below two per cent of the score, in mean
    squares.
    """
    mean = np.array([1.0, 2.0, 3.0])
    axes, _ = np.linalg.qr(normal_rows(3, seed=3))
    S = axes @ np.diag([4.0, 1.0, 0.25]) @ axes.T
    X = normal_rows(3000) @ np.linalg.cholesky(S).T + mean
    matcher = quick(16, sigma=1.0, gains=gains, objective=objective).fit(X)

    smoothed = S + np.eye(3)
    rows = normal_rows(5000, seed=1) @ np.linalg.cholesky(smoothed).T + mean
    score = -(rows - mean) @ np.linalg.inv(smoothed)
    error = matcher.score_function(rows) - score
    assert (error**2).sum() < 0.02 * (score**2).sum()


def test_denoiser_of_two_points_is_known():
    """E[x given x + noise] for x = +1 or -1 is tanh(x / sigma^2)."""
    X = np.repeat([[-1.0], [1.0]], 50, axis=0)
    matcher = quick(8, sigma=0.7, n_corruptions=64, energy_matching=0.0).fit(X)
    x = np.linspace(-2, 2, 41)[:, None]
    np.testing.assert_allclose(matcher.reconstruct(x), np.tanh(x / 0.49), atol=0.1)


def test_rows_between_clusters_are_outliers():
    X, _ = make_blobs(400, centers=[[-3, 0], [3, 0]], cluster_std=0.4, random_state=0)
    matcher = quick(16, contamination=0.02).fit(X)
    between = [[0.0, 0.0], [0.5, 1.0], [-1.0, 0.0]]
    np.testing.assert_array_equal(matcher.predict(between), [-1, -1, -1])
    np.testing.assert_array_equal(matcher.predict([[-3, 0], [3, 0]]), [1, 1])


def test_feature_contributions_point_at_the_odd_feature():
    X = normal_rows(n_samples=500, n_features=4)
    matcher = quick(16).fit(X)
    odd = np.zeros((4, 4)) + 5 * np.eye(4)
    contributions = matcher.feature_contributions(odd)
    np.testing.assert_array_equal(contributions.argmax(axis=1), np.arange(4))
    assert (contributions.max(axis=1) > 0.8 * contributions.sum(axis=1)).all()
