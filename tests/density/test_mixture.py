"""Finite mixtures of Gaussians against brute force, quadrature and symmetries."""

import numpy as np
import pytest
from support import exact_reference, reference
from support.gaussian_mixtures import moment_z_scores
from support.random_models import random_model, random_parameters

from skdsm.density.mixture import (
    exact_mixture,
    is_enumerable,
    mixture_log_partition,
    unit_counts,
)
from skdsm.model.energy import EnergyModel
from skdsm.model.parameters import Parameters

COUNTS = [[1, 1, 1], [2, 1, 3], [0, 4, 1], [0, 0, 0], [9, 0, 0]]


def mixture_model(seed, counts, d=3, sigma=0.8):
    W, b, c, _ = random_parameters(seed, len(counts), d)
    return EnergyModel(Parameters(W, b, c, sigma**2 * np.array(counts)), sigma)


def changed(model, **blocks):
    return EnergyModel(model.parameters._replace(**blocks), model.sigma)


def exact(model):
    """Brute-force log Z of `EnergyModel.energy`."""
    theta = model.parameters
    constant = exact_reference.model_constant(theta, model.sigma)
    return exact_reference.mixture_log_Z(theta, model.sigma) - constant


@pytest.mark.parametrize("counts", COUNTS)
def test_log_partition_is_the_sum_over_all_components(counts):
    model = mixture_model(1, counts)
    expected = exact(model)
    assert exact_mixture(model).log_partition == pytest.approx(expected, abs=1e-12)
    assert mixture_log_partition(model) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_log_partition_is_that_of_the_energy_by_quadrature(seed):
    model = mixture_model(seed, [2, 1, 3], d=1, sigma=0.6)
    theta = model.parameters
    integral = exact_reference.integrated_log_Z(theta, 0.6, radius=20)
    constant = exact_reference.model_constant(theta, 0.6)
    assert constant > 0.01  # seen, if it were forgotten
    assert mixture_log_partition(model) == pytest.approx(integral - constant, abs=1e-9)


@pytest.mark.parametrize("counts", COUNTS)
def test_moments_are_the_sum_over_all_components(counts):
    model = mixture_model(2, counts)
    mean, covariance = exact_reference.mixture_moments(model.parameters, model.sigma)
    mixture = exact_mixture(model)
    np.testing.assert_allclose(mixture.mean(), mean, atol=1e-12)
    np.testing.assert_allclose(mixture.covariance(), covariance, atol=1e-12)


def test_weights_and_means_are_those_of_the_components():
    model = mixture_model(3, [2, 1, 3])
    log_weights, means = reference.gaussian_mixture(model.parameters, model.sigma)
    log_weights = np.array(log_weights) - exact_reference.log_sum_exp(log_weights)
    mixture = exact_mixture(model)
    index = np.indices(mixture.log_weights.shape).reshape(2, -1)
    ours = mixture.component_means(*index)
    order, expected_order = np.lexsort(ours.T), np.lexsort(np.transpose(means))
    np.testing.assert_allclose(ours[order], np.array(means)[expected_order], atol=1e-12)
    np.testing.assert_allclose(
        mixture.log_weights.ravel()[order], log_weights[expected_order], atol=1e-12
    )


def test_energy_is_minus_the_log_of_the_sum_over_components():
    model = mixture_model(4, [2, 1, 3])
    X = np.random.default_rng(0).standard_normal((10, 3))
    mixture = exact_mixture(model)
    index = np.indices(mixture.log_weights.shape).reshape(2, -1)
    square = ((X[:, None] - mixture.component_means(*index)) ** 2).sum(axis=-1)
    log_terms = mixture.log_weights.ravel() - square / (2 * 0.8**2)
    expected = np.logaddexp.reduce(log_terms, axis=1) - 1.5 * np.log(2 * np.pi * 0.8**2)
    actual = -model.energy(X) - mixture.log_partition
    np.testing.assert_allclose(actual, expected, atol=1e-12)


def z_scores(X, mixture):
    return moment_z_scores(X, mixture.mean(), mixture.covariance())


def test_draws_have_the_moments_of_the_mixture():
    mixture = exact_mixture(mixture_model(5, [2, 1, 3, 1]))
    X = mixture.sample(np.random.default_rng(0), 40_000)
    assert np.abs(z_scores(X, mixture)).max() < 4


def gibbs_step(rng, model, X):
    """Draw k given x, binomial of probability h_j(x), then x given k."""
    W, b, c, _ = model.parameters
    hidden = 1 / (1 + np.exp(-(X @ W.T + b)))
    k = rng.binomial(unit_counts(model), hidden)
    return c + model.sigma**2 * (k @ W) + model.sigma * rng.standard_normal(X.shape)


def test_gibbs_sampling_finds_the_density_from_anywhere():
    model = mixture_model(6, [1, 2, 1], sigma=1.0)
    rng = np.random.default_rng(2)
    X = np.full((10_000, 3), 10.0)
    for _ in range(40):
        X = gibbs_step(rng, model, X)
    assert np.abs(z_scores(X, exact_mixture(model))).max() < 4


def test_log_partition_does_not_depend_on_the_order_of_the_units():
    model = mixture_model(7, [3, 0, 1, 2, 5])
    expected = mixture_log_partition(model)
    rng = np.random.default_rng(0)
    for _ in range(5):
        W, b, c, g = model.parameters
        order = rng.permutation(5)
        permuted = changed(
            model, components=W[order], intercept_hidden=b[order], gains=g[order]
        )
        assert mixture_log_partition(permuted) == pytest.approx(expected, abs=1e-11)


def test_log_partition_follows_translation_and_rotation():
    model = mixture_model(8, [3, 1, 2])
    expected = mixture_log_partition(model)
    moved = EnergyModel(model.parameters.translate(np.full(3, 100.0)), model.sigma)
    assert mixture_log_partition(moved) == pytest.approx(expected, abs=1e-10)
    Q, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))
    W, _, c, _ = model.parameters
    turned = changed(model, components=W @ Q.T, intercept_visible=Q @ c)
    assert mixture_log_partition(turned) == pytest.approx(expected, abs=1e-11)


def test_flipping_a_unit_shifts_the_log_partition_by_the_shift_of_the_energy():
    model = mixture_model(9, [3, 1, 2])
    W, b, c, g = model.parameters
    sign = np.array([1, -1, 1])
    flipped = changed(
        model,
        components=sign[:, None] * W,
        intercept_hidden=sign * b,
        intercept_visible=c + g[1] * W[1],
    )
    X = np.random.default_rng(0).standard_normal((5, 3))
    shift = flipped.energy(X) - model.energy(X)
    assert np.ptp(shift) < 1e-10
    assert abs(shift[0]) > 0.1
    difference = mixture_log_partition(model) - mixture_log_partition(flipped)
    assert difference == pytest.approx(shift[0], abs=1e-10)


def test_many_components_are_summed_in_blocks():
    model = random_model(10, m=8, d=10, sigma=0.5)  # 5^8 components
    counts = unit_counts(model)
    np.testing.assert_array_equal(counts, 4)
    mixture = exact_mixture(model)
    assert mixture.log_weights.size == 5**8
    assert mixture_log_partition(model) == pytest.approx(
        mixture.log_partition, abs=1e-10
    )
    # and nothing is lost on the way
    W, b, c, g = model.parameters
    parts = []
    for k in range(5):  # the last unit's count is fixed: a mixture of the others
        shifted = c + 0.25 * k * W[-1]
        rest = EnergyModel(Parameters(W[:-1], b[:-1], shifted, g[:-1]), 0.5)
        square = shifted @ shifted - c @ c
        parts.append(
            mixture_log_partition(rest)
            + np.log([1, 4, 6, 4, 1][k])
            + k * b[-1]
            + square / (2 * 0.25)
        )
    total = np.logaddexp.reduce(parts)
    assert mixture_log_partition(model) == pytest.approx(total, abs=1e-10)


@pytest.mark.parametrize("sigma", [0.1, 0.2, np.sqrt(0.1), 1 / 3, 0.5, 1.0])
def test_whole_ratios_are_recognised_in_spite_of_rounding(sigma):
    model = random_model(0, sigma=sigma)
    np.testing.assert_array_equal(unit_counts(model), round(1 / sigma**2))
    assert not is_enumerable(random_model(0, sigma=sigma * (1 + 1e-12)))


@pytest.mark.parametrize("gains", [[1.0, -1.0, 1.0], [1.0, 1.5, 1.0]])
def test_other_gains_are_refused(gains):
    model = mixture_model(0, [1, 1, 1], sigma=1.0)
    model = changed(model, gains=np.array(gains))
    assert not is_enumerable(model)
    for function in (unit_counts, exact_mixture, mixture_log_partition):
        with pytest.raises(ValueError, match="whole multiple"):
            function(model)


def test_too_many_components_are_refused():
    assert is_enumerable(random_model(0, m=20, sigma=1.0))  # 2^20
    model = random_model(0, m=21, sigma=1.0)
    assert not is_enumerable(model)
    for function in (exact_mixture, mixture_log_partition):
        with pytest.raises(ValueError, match="exp\\(14.6\\) components"):
            function(model)
