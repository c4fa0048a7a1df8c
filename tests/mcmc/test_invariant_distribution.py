"""Transitions from exact draws leave the moments alone, and broken ones do not.

That the draws start exact gives the test its power: there is no convergence to wait
for, and the standard errors are as for independent rows. Wrong gradients it cannot
see, as the Metropolis test corrects them; the order of the energy error can.
"""

import numpy as np
import pytest
from support.known_targets import gaussian, mixture, moment_errors

import skdsm.mcmc.hmc
from skdsm.mcmc.hmc import State, hmc_step

N_CHAINS = 40_000
KNOWN = {"gaussian": gaussian(N_CHAINS), "mixture": mixture(N_CHAINS)}
# so long that there is something for the Metropolis test to correct
STEP_SIZES = {"gaussian": 0.4, "mixture": 1.0}
EACH = pytest.mark.parametrize("name", KNOWN)


def largest_error(name, rng_type=np.random.Generator):
    """Largest error of a moment after five transitions, in standard errors."""
    known, rng = KNOWN[name], rng_type(np.random.PCG64(5))
    state = State(known.draws, *known.target.log_density_and_score(known.draws))
    for _ in range(5):
        state, _ = hmc_step(rng, state, known.target, STEP_SIZES[name], 3)
    return np.abs(moment_errors(state.position, known)).max()


class AlwaysAccepting(np.random.Generator):
    def standard_exponential(self, size):
        return np.full(size, np.inf)


class TooMuchMomentum(np.random.Generator):
    def standard_normal(self, size):
        return 1.1 * super().standard_normal(size)


def asymmetric(target, state, momentum, step_size, n_steps):
    """Whole kicks before the moves: order one, and not reversible."""
    for _ in range(n_steps):
        momentum = momentum + step_size * state.score
        position = state.position + step_size * momentum
        state = State(position, *target.log_density_and_score(position))
    return state, momentum


@EACH
def test_exact_draws_have_the_stated_moments(name):
    assert np.abs(moment_errors(KNOWN[name].draws, KNOWN[name])).max() < 5


@EACH
def test_transitions_leave_the_moments_alone(name):
    assert largest_error(name) < 5


@EACH
@pytest.mark.parametrize("rng_type", [AlwaysAccepting, TooMuchMomentum])
def test_with_other_random_numbers_the_moments_move(name, rng_type):
    assert largest_error(name, rng_type) > 5


@EACH
def test_without_kinetic_energy_the_moments_move(name, monkeypatch):
    monkeypatch.setattr(
        skdsm.mcmc.hmc, "_kinetic_energy", lambda momentum: np.zeros(len(momentum))
    )
    assert largest_error(name) > 5


@EACH
def test_with_an_asymmetric_integrator_the_moments_move(name, monkeypatch):
    monkeypatch.setattr(skdsm.mcmc.hmc, "leapfrog", asymmetric)
    assert largest_error(name) > 5
