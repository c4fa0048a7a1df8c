"""Training starts from hinged units, near the best linear denoiser or steeper."""

import numpy as np
import pytest
from scipy.stats import kstest
from support.quick_fits import settings

from skdsm.model.energy import EnergyModel
from skdsm.training.corruption import NoiseLevels
from skdsm.training.initialization import (
    data_dependent_start,
    draw_start,
    linear_denoiser,
    steep_start,
)

SIGMA = 0.6
D = 4


@pytest.fixture
def data():
    """Correlated rows of weighted mean zero, and their weights."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, D)) @ rng.standard_normal((D, D))
    weight = rng.uniform(0.1, 3, 300)
    return X - np.average(X, axis=0, weights=weight), weight


def covariance(X, weight):
    return (X.T * weight) @ X / weight.sum()


def matrix_of(linear):
    return linear.directions @ np.diag(linear.shrinkage) @ linear.directions.T


def start(data, m, seed=0):
    X, weight = data
    linear = linear_denoiser(X, weight, SIGMA**2)
    rng = np.random.default_rng(seed)
    return linear, data_dependent_start(X, weight, linear, m, rng)


def expected_loss(A, S):
    """Half the mean squared error of A x~, for covariance S and level SIGMA."""
    bias = A - np.eye(D)
    return 0.5 * (np.trace(bias @ S @ bias.T) + SIGMA**2 * np.trace(A @ A.T))


def test_linear_denoiser_is_ridge_regression_on_the_clean_row(data):
    S = covariance(*data)
    linear = linear_denoiser(*data, SIGMA**2)
    expected = np.linalg.solve(S + SIGMA**2 * np.eye(D), S)
    np.testing.assert_allclose(matrix_of(linear), expected, atol=1e-12)
    assert (np.diff(linear.shrinkage) <= 0).all()
    np.testing.assert_allclose(
        linear.directions.T @ linear.directions, np.eye(D), atol=1e-12
    )


def test_loss_of_the_linear_denoiser_is_the_smallest_of_any_linear_map(data):
    S = covariance(*data)
    linear = linear_denoiser(*data, SIGMA**2)
    A = matrix_of(linear)
    assert linear.loss == pytest.approx(expected_loss(A, S), rel=1e-12)
    rng = np.random.default_rng(1)
    for _ in range(20):
        other = A + 0.1 * rng.standard_normal((D, D))
        assert expected_loss(other, S) > linear.loss


def test_loss_of_the_linear_denoiser_is_what_monte_carlo_finds(data):
    X, weight = data
    linear = linear_denoiser(X, weight, SIGMA**2)
    rng = np.random.default_rng(2)
    batches = []
    for _ in range(400):
        residual = (X + SIGMA * rng.standard_normal(X.shape)) @ matrix_of(linear) - X
        batches.append(np.average(0.5 * (residual**2).sum(axis=1), weights=weight))
    standard_error = np.std(batches, ddof=1) / 20
    assert abs(np.mean(batches) - linear.loss) < 5 * standard_error
    assert 5 * standard_error < 0.02 * linear.loss


def test_constant_rows_have_a_denoiser_that_maps_to_zero():
    linear = linear_denoiser(np.zeros((5, D)), np.ones(5), SIGMA**2)
    assert linear.loss == 0
    np.testing.assert_array_equal(linear.shrinkage, 0)


@pytest.mark.parametrize("m", [D, D + 1, 50])
def test_jacobian_at_the_hinges_is_the_linear_denoiser(data, m):
    linear, (W, _, _, g) = start(data, m)
    np.testing.assert_allclose(W.T @ W / 4, matrix_of(linear), atol=1e-12)
    np.testing.assert_array_equal(g, np.ones(m))


@pytest.mark.parametrize("m", [1, 2, D - 1])
def test_fewer_units_span_the_leading_directions(data, m):
    linear, (W, _, _, _) = start(data, m)
    U = linear.directions[:, :m]
    leading = U @ np.diag(linear.shrinkage[:m]) @ U.T
    np.testing.assert_allclose(W.T @ W / 4, leading, atol=1e-12)


@pytest.mark.parametrize("m", [2, 30])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-5)]
)
def test_mean_residual_is_zero(data, m, dtype, tolerance):
    X, weight = data
    _, parameters = start((X.astype(dtype), weight), m)
    assert all(block.dtype == np.float64 for block in parameters)
    residual = EnergyModel(parameters, SIGMA).reconstruct(X) - X
    mean = np.average(residual, axis=0, weights=weight)
    np.testing.assert_allclose(mean, 0, atol=tolerance)


def test_units_are_hinged_at_rows_drawn_by_weight(data):
    X, weight = data
    weight = np.where(np.arange(300) < 150, 3 * weight, weight)
    X = X - np.average(X, axis=0, weights=weight)
    m = 2000
    _, (W, b, _, _) = start((X, weight), m)
    distance = np.abs(W @ X.T + b[:, None])
    hinge = distance.argmin(axis=1)
    assert distance.min(axis=1).max() < 1e-12
    share = weight[:150].sum() / weight.sum()
    standard_error = np.sqrt(share * (1 - share) / m)
    assert abs((hinge < 150).mean() - share) < 5 * standard_error
    assert abs(share - 0.5) > 10 * standard_error


def test_rows_of_vanishing_weight_are_never_hinges(data):
    X, weight = data
    weight = np.where(np.arange(300) < 3, weight, 1e-300)
    X = X - np.average(X, axis=0, weights=weight)
    _, (W, b, _, _) = start((X, weight), 40)
    np.testing.assert_allclose(
        np.abs(W @ X[:3].T + b[:, None]).min(axis=1), 0, atol=1e-12
    )


def test_units_differ_much_in_size(data):
    """Many units of one small size would be all but linear."""
    _, (W, _, _, _) = start(data, 400)
    smallest, largest = np.quantile(np.linalg.norm(W, axis=1), [0.1, 0.9])
    assert largest > 8 * smallest  # three times, were the rows of Q all alike


def test_start_turns_with_the_data(data):
    X, weight = data
    rotation, _ = np.linalg.qr(np.random.default_rng(3).standard_normal((D, D)))
    _, one = start(data, 7)
    _, other = start((X @ rotation.T, weight), 7)
    # same random numbers; but each direction has an arbitrary sign, which W W' has not
    gram = [p.components @ p.components.T for p in (one, other)]
    np.testing.assert_allclose(gram[1], gram[0], atol=1e-12)
    turned = other.components.T @ other.components
    expected = rotation @ one.components.T @ one.components @ rotation.T
    np.testing.assert_allclose(turned, expected, atol=1e-12)


@pytest.mark.parametrize("m", [1, 3, 6])
def test_no_unit_and_no_sign_is_preferred(data, m):
    draws = np.array([start(data, m, seed)[1].components for seed in range(400)])
    standard_error = draws.std(axis=0, ddof=1) / 20
    assert (np.abs(draws.mean(axis=0)) < 5 * standard_error).all()
    square = (draws**2).sum(axis=2)
    spread = square.mean(axis=0) - square.mean()
    assert (np.abs(spread) <= 5 * square.std(axis=0, ddof=1) / 20 + 1e-12).all()


def test_draw_depends_on_the_generator_only(data):
    for one, again in zip(start(data, 5)[1], start(data, 5)[1], strict=True):
        np.testing.assert_array_equal(one, again)
    assert not np.allclose(
        start(data, 5, 0)[1].components, start(data, 5, 1)[1].components
    )


LEVELS = NoiseLevels(0.2, 1.3)


def steep(data, m, seed=0):
    X, weight = data
    linear = linear_denoiser(X, weight, LEVELS.mean_square)
    return steep_start(X, weight, linear, LEVELS, m, np.random.default_rng(seed))


def test_steep_units_are_hinged_units_of_the_plain_start_and_up_to_the_noise_level(
    data,
):
    X, weight = data
    m = 3000
    linear = linear_denoiser(X, weight, LEVELS.mean_square)
    plain = data_dependent_start(X, weight, linear, m, np.random.default_rng(0))
    W, b, _, _ = steep(data, m)
    factor = W[:, 0] / plain.components[:, 0]
    np.testing.assert_allclose(W, factor[:, None] * plain.components, rtol=1e-12)
    np.testing.assert_allclose(b, factor * plain.intercept_hidden, rtol=1e-12)
    typical = 2 * np.sqrt(D / m)
    quantile = np.log(factor) / np.log(1 / LEVELS.low / typical)
    assert kstest(quantile, "uniform").pvalue > 1e-3


@pytest.mark.parametrize(
    ("levels", "m"), [(NoiseLevels(50.0, 100.0), 7), (NoiseLevels(1e-150, 1.0), D)]
)
def test_units_stay_under_wide_noise_and_where_they_are_few(data, levels, m):
    X, weight = data
    linear = linear_denoiser(X, weight, SIGMA**2)
    W, b, _, _ = steep_start(X, weight, linear, levels, m, np.random.default_rng(0))
    plain = data_dependent_start(X, weight, linear, m, np.random.default_rng(0))
    np.testing.assert_array_equal(W, plain.components)
    np.testing.assert_array_equal(b, plain.intercept_hidden)


@pytest.mark.parametrize("m", [3, 40])
def test_gains_and_intercept_of_a_steep_start_denoise_best(data, m):
    """Brute force, on the same corrupted rows, one residual at a time."""
    X, weight = data
    linear = linear_denoiser(X, weight, LEVELS.mean_square)
    rng = np.random.default_rng(0)
    W, b, c, g = steep_start(X, weight, linear, LEVELS, m, rng)

    again = np.random.default_rng(0)
    data_dependent_start(X, weight, linear, m, again)
    again.random(m)
    level = LEVELS.at(again.random((len(X), 1)))
    X_noisy = X + level * again.standard_normal(X.shape)

    H = 1 / (1 + np.exp(-(X_noisy @ W.T + b)))
    share = weight / weight.sum()
    # columns of the design: what a gain or an intercept of one adds to all residuals
    design = np.stack([np.outer(H[:, j], W[j]).ravel() for j in range(m)], axis=1)
    design = np.hstack([design, np.tile(np.eye(D), (len(X), 1))])
    root = np.sqrt(np.repeat(share, D))[:, None]
    centred = H - share @ H
    curvature = [share @ centred[:, j] ** 2 * (W[j] @ W[j]) for j in range(m)]
    ridge = np.sqrt(np.r_[np.full(m, 0.3 * np.mean(curvature)), np.zeros(D)])
    expected = np.linalg.lstsq(
        np.vstack([root * design, np.diag(ridge)]),
        np.r_[root[:, 0] * X.ravel(), np.zeros(m + D)],
        rcond=None,
    )[0]
    np.testing.assert_allclose(g, expected[:m], rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(c, expected[m:], rtol=1e-7, atol=1e-9)


def test_constant_rows_have_a_steep_start():
    X = np.zeros((5, D))
    linear = linear_denoiser(X, None, LEVELS.mean_square)
    rng = np.random.default_rng(0)
    for block in steep_start(X, None, linear, LEVELS, 6, rng):
        np.testing.assert_array_equal(block, 0)


@pytest.mark.parametrize(
    ("learn_gains", "objective", "steep"),
    [(True, "dsm", True), (True, "ism", False), (False, "dsm", False)],
)
def test_gains_start_at_one_where_they_are_fixed_or_the_loss_has_no_bound(
    data, learn_gains, objective, steep
):
    X, weight = data
    linear = linear_denoiser(X, weight, LEVELS.mean_square)
    options = settings(
        n_components=6, learn_gains=learn_gains, objective=objective, levels=LEVELS
    )
    g = draw_start(X, weight, linear, options, np.random.default_rng(0)).gains
    assert (g == 1).all() != steep
