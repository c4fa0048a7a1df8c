"""One transition of Hybrid (today: Hamiltonian) Monte Carlo, for many chains at once.

The paper's method (Duane et al., Physics Letters B 195, 1987; Neal, Handbook of Markov
Chain Monte Carlo, 2011). Chains are rows, for which the target is evaluated together.
Masses are one; a caller who wants others scales the coordinates, which is the same.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

__all__ = ["Info", "State", "Target", "hmc_step", "leapfrog"]


class Target(NamedTuple):
    """A density p to sample, known up to a factor; both functions make new arrays.

    `score` maps positions (n_chains, d) to the gradients of log p, of the same shape.
    `log_density_and_score` returns log p, of shape (n_chains,), and these gradients.
    Inside a trajectory only the former is called, which costs less.
    """

    score: Callable
    log_density_and_score: Callable


class State(NamedTuple):
    """Where the chains are, and log p and its gradient there: as in `Target`."""

    position: np.ndarray
    log_density: np.ndarray
    score: np.ndarray


class Info(NamedTuple):
    """Of each chain: the probability of accepting the proposal, and whether it was."""

    acceptance_rate: np.ndarray
    is_accepted: np.ndarray


def leapfrog(target, state, momentum, step_size, num_integration_steps):
    """Integrate Hamilton's equations; return the State and the momenta at the end.

    The map preserves volume, is its own inverse when the momentum is reversed, and has
    an energy error of second order in the step size.
    """
    position = state.position.copy()
    momentum = momentum + 0.5 * step_size * state.score
    for i in range(num_integration_steps):
        position += step_size * momentum
        if i < num_integration_steps - 1:
            score = target.score(position)
        else:
            log_density, score = target.log_density_and_score(position)
        momentum += step_size * score
    momentum -= 0.5 * step_size * score  # of the last kick, only half
    return State(position, log_density, score), momentum


def hmc_step(rng, state, target, step_size, num_integration_steps):
    """Draw momenta, follow a trajectory, accept its end or stay: return State and Info.

    The end is accepted with probability ``min(1, exp(H_start - H_end))``, where
    ``H = |momentum|^2 / 2 - log p``.
    """
    momentum = rng.standard_normal(state.position.shape)
    energy = _kinetic_energy(momentum) - state.log_density
    # a trajectory that flies off overflows, and is rejected
    with np.errstate(over="ignore", invalid="ignore"):
        end, momentum = leapfrog(
            target, state, momentum, step_size, num_integration_steps
        )
        energy_error = _kinetic_energy(momentum) - end.log_density - energy
    # not a number, or minus infinity, which no density is
    energy_error[~(energy_error > -np.inf)] = np.inf
    is_accepted = rng.standard_exponential(len(energy)) > energy_error
    stay = np.flatnonzero(~is_accepted)
    for new, old in zip(end, state, strict=True):
        new[stay] = old[stay]
    return end, Info(np.exp(-np.maximum(energy_error, 0)), is_accepted)


def _kinetic_energy(momentum):
    return 0.5 * np.einsum("ij,ij->i", momentum, momentum)
