"""Transitions from exact draws leave the moments alone, and broken ones do not.

That the draws start exact gives the test its power: there is no convergence to wait
for, and the standard errors are those of independent rows. Wrong gradients it cannot
see, as the Metropolis test corrects them; the order of the energy error can.
"""

import numpy as np
import pytest
from support.known_targets import gaussian, mixture, moment_errors

import skdsm.mcmc.hmc
from skdsm.mcmc.hmc import hmc_step, initial_state
from skdsm.mcmc.mass_matrix import (
    Metric,
    dense_metric,
    diagonal_metric,
    identity_metric,
)

N_CHAINS = 40_000
KNOWN = {"gaussian": gaussian(N_CHAINS), "mixture": mixture(N_CHAINS)}
METRICS = {
    "identity": lambda covariance: identity_metric(len(covariance)),
    "diagonal": lambda covariance: diagonal_metric(np.diag(covariance)),
    "dense": dense_metric,
}
# so long that there is something for the Metropolis test to correct
STEP_SIZES = {
    ("gaussian", "identity"): 0.4,
    ("gaussian", "diagonal"): 0.5,
    ("gaussian", "dense"): 0.8,
    ("mixture", "identity"): 1.0,
    ("mixture", "diagonal"): 0.8,
    ("mixture", "dense"): 0.8,
}
CASES = pytest.mark.parametrize(("name", "metric"), STEP_SIZES)


def largest_error(name, metric, break_metric=None, rng=None):
    """Largest error of a moment after five transitions, in standard errors."""
    known = KNOWN[name]
    matrices = METRICS[metric](known.covariance)
    if break_metric is not None:
        matrices = break_metric(*matrices)
    rng = rng or np.random.default_rng(5)
    state = initial_state(known.target, known.draws)
    for _ in range(5):
        state, _ = hmc_step(
            rng, state, known.target, STEP_SIZES[name, metric], 3, matrices
        )
    return np.abs(moment_errors(state.position, known)).max()


class AlwaysAccepting(np.random.Generator):
    def standard_exponential(self, size):
        return np.full(size, np.inf)


class WithoutKineticEnergy(Metric):
    def kinetic_energy(self, momentum):
        return np.zeros(len(momentum))


class TooMuchMomentum(Metric):
    def draw(self, *args):
        return 1.1 * super().draw(*args)


def asymmetric(score_of, position, momentum, score, step_size, n_steps, metric, last):
    """Whole kicks before the moves: order one, and not reversible."""
    for i in range(n_steps):
        momentum = momentum + step_size * score
        position = position + step_size * metric.velocity(momentum)
        score = (last if i == n_steps - 1 else score_of)(position)
    return position, momentum, score


@pytest.mark.parametrize("name", KNOWN)
def test_exact_draws_have_the_stated_moments(name):
    assert np.abs(moment_errors(KNOWN[name].draws, KNOWN[name])).max() < 5


@CASES
def test_transitions_leave_the_moments_alone(name, metric):
    assert largest_error(name, metric) < 5


@CASES
def test_without_the_metropolis_test_the_moments_move(name, metric):
    rng = AlwaysAccepting(np.random.PCG64(5))
    assert largest_error(name, metric, rng=rng) > 5


@CASES
@pytest.mark.parametrize("broken", [WithoutKineticEnergy, TooMuchMomentum])
def test_with_another_kinetic_energy_the_moments_move(name, metric, broken):
    assert largest_error(name, metric, broken) > 5


@CASES
def test_with_an_asymmetric_integrator_the_moments_move(name, metric, monkeypatch):
    monkeypatch.setattr(skdsm.mcmc.hmc, "leapfrog", asymmetric)
    assert largest_error(name, metric) > 5


def test_step_sizes_and_lengths_that_vary_leave_the_moments_alone():
    """As in tempering, and as in `sample_chains`."""
    known = KNOWN["mixture"]
    rng = np.random.default_rng(6)
    state = initial_state(known.target, known.draws)
    steps = np.geomspace(0.1, 2.0, N_CHAINS)
    for n_steps in (1, 4, 2, 3):
        state, _ = hmc_step(rng, state, known.target, steps, n_steps)
    assert np.abs(moment_errors(state.position, known)).max() < 5


def test_single_precision_leaves_the_moments_alone():
    known = KNOWN["gaussian"]
    rng = np.random.default_rng(7)
    state = initial_state(known.target, known.draws.astype(np.float32))
    metric = dense_metric(known.covariance)
    for _ in range(5):
        state, _ = hmc_step(rng, state, known.target, 0.8, 3, metric)
    errors = moment_errors(state.position.astype(np.float64), known)
    assert np.abs(errors).max() < 5
