"""One transition of Hamiltonian Monte Carlo: its states and acceptance rates."""

import numpy as np
import pytest
from support.known_targets import (
    gaussian,
    gaussian_target,
    mixture,
    mixture_model,
    target_of,
)

from skdsm.density.target import model_target
from skdsm.mcmc.hmc import State, hmc_step, leapfrog

TARGET = model_target(mixture_model())


def state_at(target, position):
    return State(position, *target.log_density_and_score(position))


def test_arguments_are_not_changed():
    rng = np.random.default_rng(0)
    position, momentum = rng.standard_normal((2, 4, 2))
    state = state_at(TARGET, position)
    copies = [array.copy() for array in (*state, momentum)]
    leapfrog(TARGET, state, momentum, 0.3, 3)
    hmc_step(rng, state, TARGET, 0.3, 3)
    for now, then in zip((*state, momentum), copies, strict=True):
        np.testing.assert_array_equal(now, then)


def test_a_rejected_chain_stays_and_an_accepted_one_moves():
    known = gaussian(500)
    state = state_at(known.target, known.draws)
    after, info = hmc_step(np.random.default_rng(0), state, known.target, 0.75, 3)
    assert 50 < info.is_accepted.sum() < 450
    for new, old in zip(after, state, strict=True):
        changed = (new != old).reshape(len(new), -1).all(axis=1)
        np.testing.assert_array_equal(changed, info.is_accepted)
    anew = state_at(known.target, after.position)
    np.testing.assert_allclose(after.log_density, anew.log_density)
    np.testing.assert_allclose(after.score, anew.score)


def test_acceptance_rate_follows_from_the_change_of_the_total_energy():
    known = mixture(2000)
    state = state_at(known.target, known.draws)
    _, info = hmc_step(np.random.default_rng(1), state, known.target, 1.0, 3)
    momentum = np.random.default_rng(1).standard_normal((2000, 2))  # the same
    end, end_momentum = leapfrog(known.target, state, momentum, 1.0, 3)
    start_energy = (momentum**2).sum(axis=1) / 2 - state.log_density
    end_energy = (end_momentum**2).sum(axis=1) / 2 - end.log_density
    expected = np.minimum(1, np.exp(start_energy - end_energy))
    np.testing.assert_allclose(info.acceptance_rate, expected, rtol=1e-12)
    error = info.is_accepted.mean() - info.acceptance_rate.mean()
    assert abs(error) < 5 * 0.5 / np.sqrt(2000)


@pytest.mark.parametrize("outside", [-np.inf, np.nan])
def test_chains_never_leave_the_support(outside):
    """A normal density, cut off at zero."""

    def log_density(X):
        return np.where(X[:, 0] > 0, -0.5 * (X**2).sum(axis=1), outside)

    def score(X):
        return np.where(X[:, :1] > 0, -X, np.nan if np.isnan(outside) else -X)

    target = target_of(log_density, score)
    rng = np.random.default_rng(3)
    state = state_at(target, np.abs(rng.standard_normal((4000, 2))))
    n_outside = 0
    for _ in range(5):
        state, info = hmc_step(rng, state, target, 0.3, 3)
        n_outside += np.sum(info.acceptance_rate == 0)
        assert not (info.is_accepted & (info.acceptance_rate == 0)).any()
        assert all(np.isfinite(part).all() for part in state)
    assert n_outside > 1000
    assert state.position[:, 0].min() > 0
    np.testing.assert_allclose(
        state.position[:, 0].mean(), np.sqrt(2 / np.pi), atol=0.04
    )


@pytest.mark.parametrize("step_size", [1e3, 1e200])
def test_an_unstable_step_is_rejected_without_a_warning(step_size):
    state = state_at(TARGET, np.random.default_rng(0).standard_normal((5, 2)))
    after, info = hmc_step(np.random.default_rng(0), state, TARGET, step_size, 50)
    np.testing.assert_array_equal(info.acceptance_rate, 0)
    np.testing.assert_array_equal(after.position, state.position)


def test_one_chain_in_one_dimension_works():
    target = gaussian_target(np.eye(1))
    state = state_at(target, np.full((1, 1), 3.0))
    positions = []
    rng = np.random.default_rng(0)
    for _ in range(4000):
        state, _ = hmc_step(rng, state, target, 0.7, 2)
        positions.append(state.position[0, 0])
    assert abs(np.mean(positions)) < 0.1
    assert abs(np.var(positions) - 1) < 0.15
