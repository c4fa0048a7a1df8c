"""Mass matrices: momenta, velocities and kinetic energies belong together."""

import numpy as np
import pytest
from scipy import stats

from skdsm.mcmc.mass_matrix import dense_metric, diagonal_metric, identity_metric

COVARIANCE = np.array([[4.0, 1.0, 0.0], [1.0, 0.5, 0.1], [0.0, 0.1, 0.1]])
METRICS = {
    "identity": (identity_metric(3), np.eye(3)),
    "diagonal": (diagonal_metric(np.diag(COVARIANCE)), np.diag(np.diag(COVARIANCE))),
    "dense": (dense_metric(COVARIANCE), COVARIANCE),
}
EACH = pytest.mark.parametrize("name", METRICS)
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@EACH
@DTYPES
def test_velocity_and_energy_follow_from_the_inverse_mass(name, dtype):
    metric, inverse_mass = METRICS[name]
    momentum = np.random.default_rng(0).standard_normal((6, 3)).astype(dtype)
    metric = metric.astype(dtype)
    velocity = metric.velocity(momentum)
    energy = metric.kinetic_energy(momentum)
    assert velocity.dtype == dtype
    assert energy.dtype == np.float64
    rtol = 1e-13 if dtype == np.float64 else 1e-5
    for p, v, k in zip(momentum, velocity, energy, strict=True):
        np.testing.assert_allclose(v, inverse_mass @ p, rtol=rtol, atol=rtol)
        np.testing.assert_allclose(k, p @ inverse_mass @ p / 2, rtol=rtol)


@EACH
@DTYPES
def test_momenta_are_normal_with_the_mass_as_covariance(name, dtype):
    metric, inverse_mass = METRICS[name]
    n = 100_000
    momentum = metric.draw(np.random.default_rng(1), n, dtype)
    assert momentum.dtype == dtype
    mass = np.linalg.inv(inverse_mass)
    scale = np.sqrt(np.diag(mass))
    standard = momentum.astype(np.float64) / scale
    np.testing.assert_allclose(standard.mean(axis=0), 0, atol=5 / np.sqrt(n))
    np.testing.assert_allclose(
        standard.T @ standard / n, mass / np.outer(scale, scale), atol=7.1 / np.sqrt(n)
    )
    for column in standard.T:
        assert stats.kstest(column, "norm").pvalue > 1e-4


@EACH
def test_kinetic_energies_of_drawn_momenta_are_chi_squared(name):
    metric, _ = METRICS[name]
    energy = metric.kinetic_energy(metric.draw(np.random.default_rng(2), 20_000))
    assert stats.kstest(2 * energy, stats.chi2(3).cdf).pvalue > 1e-4


@pytest.mark.parametrize("shape", [(1, 1), (7, 1), (3, 5), (2, 4)])
def test_single_precision_momenta_are_independent_and_tailed(shape):
    """They come in pairs of a radius and an angle, whose number may be odd."""
    n, d = shape
    metric = identity_metric(d)
    rng = np.random.default_rng(3)
    momenta = np.stack([metric.draw(rng, n, np.float32) for _ in range(20_000)])
    flat = momenta.reshape(20_000, -1).astype(np.float64)
    for power in (1, 2):
        correlation = np.corrcoef(flat**power, rowvar=False)
        np.testing.assert_allclose(correlation, np.eye(n * d), atol=5 / 20_000**0.5)
    kurtosis = np.mean(flat**4)
    assert abs(kurtosis - 3) < 5 * np.sqrt(96 / flat.size)
    assert np.abs(flat).max() > 3.5


@pytest.mark.parametrize("uniform", [0.0, 1 - 2.0**-24])
def test_single_precision_momenta_are_finite_at_either_end(uniform):
    class Constant(np.random.Generator):
        def random(self, size, dtype):
            return np.full(size, uniform, dtype)

    momentum = identity_metric(4).draw(Constant(np.random.PCG64()), 2, np.float32)
    assert np.abs(momentum).max() < 6


def test_scales_far_apart_lose_no_digits():
    scale = np.array([1e-8, 1.0, 1e8])
    correlation = np.array([[1.0, 0.5, 0.2], [0.5, 1.0, 0.3], [0.2, 0.3, 1.0]])
    metric = dense_metric(correlation * np.outer(scale, scale))
    mass = metric.momentum_factor.T @ metric.momentum_factor
    np.testing.assert_allclose(
        mass * np.outer(scale, scale), np.linalg.inv(correlation), rtol=1e-12
    )


@pytest.mark.parametrize("variance", [[1.0, 0.0], [1.0, -1.0], [np.nan], [[1.0]], 1.0])
def test_bad_variances_are_refused(variance):
    with pytest.raises(ValueError, match="one positive number a coordinate"):
        diagonal_metric(variance)


@pytest.mark.parametrize(
    "covariance",
    [
        [1.0, 2.0],
        [[1.0, 0.0]],
        [[1.0, 2.0], [2.0, 1.0]],
        [[1.0, 0.5], [0.1, 1.0]],
        [[0.0, 0.0], [0.0, 1.0]],
        [[np.nan, 0.0], [0.0, 1.0]],
        [[np.inf, 0.0], [0.0, 1.0]],
        [[-1.0, 0.0], [0.0, 1.0]],
    ],
)
def test_bad_covariances_are_refused(covariance):
    with pytest.raises(ValueError, match="symmetric, positive definite"):
        dense_metric(covariance)


def test_a_metric_of_the_right_type_is_not_copied():
    metric = identity_metric(3)
    assert metric.astype(np.float64) is metric
    assert metric.astype(np.float32).inverse_mass.dtype == np.float32
