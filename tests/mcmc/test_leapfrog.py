"""The leapfrog rule: reversible, volume preserving, of second order."""

import numpy as np
import pytest
from support.known_targets import mixture_model
from support.random_models import numerical_gradient

from skdsm.density.target import model_target
from skdsm.mcmc.hmc import State, Target, leapfrog

TARGET = model_target(mixture_model())


def start(n_chains, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((2, n_chains, 2))


def integrate(position, momentum, step_size, n_steps, target=TARGET):
    state = State(position, *target.log_density_and_score(position))
    return leapfrog(target, state, momentum, step_size, n_steps)


def test_leapfrog_is_reversible():
    position, momentum = start(30)
    there, moved = integrate(position, momentum, 0.2, 12)
    assert np.abs(there.position - position).min() > 1e-3
    back, returned = integrate(there.position, -moved, 0.2, 12)
    np.testing.assert_allclose(back.position, position, atol=1e-13, rtol=0)
    np.testing.assert_allclose(-returned, momentum, atol=1e-13, rtol=0)


def test_the_state_at_the_end_is_that_of_its_position():
    end, _ = integrate(*start(30), 0.2, 12)
    log_density, score = TARGET.log_density_and_score(end.position)
    np.testing.assert_array_equal(end.log_density, log_density)
    np.testing.assert_array_equal(end.score, score)


def test_leapfrog_preserves_volume():
    def flow(x):
        end, momentum = integrate(x[None, :2], x[None, 2:], 0.4, 5)
        return np.append(end.position, momentum)

    for x in np.hstack(start(5)):
        jacobian = numerical_gradient(flow, x)
        assert np.abs(jacobian - np.eye(4)).max() > 0.1
        np.testing.assert_allclose(np.linalg.det(jacobian), 1, atol=1e-8)


def energy_error_orders(target):
    """Orders of the energy error over a time of 1.6, from steps of 0.1 on."""
    position, momentum = start(200)
    log_density, _ = TARGET.log_density_and_score(position)
    errors = []
    for n_steps in (16, 32, 64, 128):
        end, moved = integrate(position, momentum, 1.6 / n_steps, n_steps, target)
        change = 0.5 * (moved**2 - momentum**2).sum(axis=1)
        change += log_density - end.log_density
        errors.append(np.sqrt(np.mean(change**2)))
    return np.log2(np.divide(errors[:-1], errors[1:]))


def test_energy_error_is_of_second_order():
    orders = energy_error_orders(TARGET)
    np.testing.assert_allclose(orders, 2.0, atol=0.02)
    np.testing.assert_allclose(orders[-1], 2.0, atol=0.003)


@pytest.mark.parametrize("factor", [0.99, 1.01])
def test_order_of_the_energy_error_betrays_a_wrong_gradient(factor):
    def wrong_score(X):
        return factor * TARGET.score(X)

    def with_wrong_score(X):
        return TARGET.log_density_and_score(X)[0], wrong_score(X)

    orders = energy_error_orders(Target(wrong_score, with_wrong_score))
    assert orders[-1] < 0.5
