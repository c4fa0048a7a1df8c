"""The leapfrog rule: reversible, volume preserving, of second order."""

import numpy as np
import pytest
from support.known_targets import mixture_model
from support.random_models import numerical_gradient

from skdsm.density.target import model_target
from skdsm.mcmc.hmc import leapfrog
from skdsm.mcmc.mass_matrix import dense_metric, diagonal_metric, identity_metric

METRICS = {
    "identity": None,
    "diagonal": diagonal_metric([0.4, 2.0]),
    "dense": dense_metric([[1.0, 0.5], [0.5, 0.7]]),
}
TARGET = model_target(mixture_model())


def start(n_chains, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((2, n_chains, 2))


def integrate(position, momentum, step_size, n_steps, metric=None, score=TARGET.score):
    return leapfrog(
        score, position, momentum, score(position), step_size, n_steps, metric
    )


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
@pytest.mark.parametrize("step_size", [0.2, np.linspace(0.05, 0.4, 30)])
def test_leapfrog_is_reversible(metric, step_size):
    position, momentum = start(30)
    there, moved, _ = integrate(position, momentum, step_size, 12, metric)
    assert np.abs(there - position).min() > 1e-3
    back, returned, score = integrate(there, -moved, step_size, 12, metric)
    np.testing.assert_allclose(back, position, atol=1e-13, rtol=0)
    np.testing.assert_allclose(-returned, momentum, atol=1e-13, rtol=0)
    np.testing.assert_allclose(score, TARGET.score(position), atol=1e-12)


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_leapfrog_preserves_volume(metric):
    def flow(x):
        position, momentum, _ = integrate(x[None, :2], x[None, 2:], 0.4, 5, metric)
        return np.append(position, momentum)

    for x in np.hstack(start(5)):
        jacobian = numerical_gradient(flow, x)
        assert np.abs(jacobian - np.eye(4)).max() > 0.1
        np.testing.assert_allclose(np.linalg.det(jacobian), 1, atol=1e-8)


def energy_error_orders(score, metric=None):
    """Orders of the energy error over a time of 1.6, from steps of 0.1 on."""
    position, momentum = start(200)
    errors = []
    for n_steps in (16, 32, 64, 128):
        there, moved, _ = integrate(
            position, momentum, 1.6 / n_steps, n_steps, metric, score
        )
        velocity = metric or identity_metric(2)
        change = TARGET.log_density(position) - TARGET.log_density(there)
        change += velocity.kinetic_energy(moved) - velocity.kinetic_energy(momentum)
        errors.append(np.sqrt(np.mean(change**2)))
    return np.log2(np.divide(errors[:-1], errors[1:]))


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_energy_error_is_of_second_order(metric):
    orders = energy_error_orders(TARGET.score, metric)
    np.testing.assert_allclose(orders, 2.0, atol=0.02)
    np.testing.assert_allclose(orders[-1], 2.0, atol=0.003)


@pytest.mark.parametrize("factor", [0.99, 1.01])
def test_order_of_the_energy_error_betrays_a_wrong_gradient(factor):
    orders = energy_error_orders(lambda X: factor * TARGET.score(X))
    assert orders[-1] < 0.5


def test_each_chain_has_its_own_step_size():
    position, momentum = start(3)
    steps = np.array([0.1, 0.2, 0.3])
    together = integrate(position, momentum, steps, 4)
    for i, step in enumerate(steps):
        one = slice(i, i + 1)
        alone = integrate(position[one], momentum[one], step, 4)
        for a, b in zip(together, alone, strict=True):
            np.testing.assert_allclose(a[one], b, atol=1e-14)
