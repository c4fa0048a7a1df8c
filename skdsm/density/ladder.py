"""Ladders of levels on a path, and the pilot run that finds one.

Levels are chosen to leave equal conditional effective sample sizes [1]_.

References
----------
.. [1] Y. Zhou, A. M. Johansen, J. A. D. Aston, "Toward automatic model comparison: an
   adaptive sequential Monte Carlo approach", Journal of Computational and Graphical
   Statistics 25(3), 2016.
"""

from typing import NamedTuple

import numpy as np

from skdsm.density.resampling import log_effective_size, systematic_resampling
from skdsm.mcmc.hmc import State

__all__ = ["Ladder", "Pilot", "pilot_run", "refine"]

_JITTER = 0.2  # of the step size, so that no trajectory is periodic
_LONGEST = 0.5 * np.pi  # of a trajectory: a quarter of a Gaussian's period
_ACCEPTANCE = 0.8


class Ladder(NamedTuple):
    """The levels of a path, and how to move at each.

    Attributes
    ----------
    betas : ndarray of shape (n_levels,)
        Increasing from 0 to 1.
    steps : ndarray of shape (n_levels, d)
        Step of the leapfrog integrator in each coordinate.
    num_integration_steps : int
        Leapfrog steps in a trajectory.
    """

    betas: np.ndarray
    steps: np.ndarray
    num_integration_steps: int

    def move(self, rng, path, state, level):
        """Move chains by a step of Hamiltonian Monte Carlo.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of randomness.
        path : Path
            The path.
        state : State
            Where the chains are.
        level : int or ndarray of shape (n,), int
            The level, of all chains or of each; above zero.

        Returns
        -------
        state : State
            Where they are then.
        acceptance_rate : ndarray of shape (n,)
            Probability that the proposals were accepted with.
        """
        step = self.steps[level] * rng.uniform(1 - _JITTER, 1 + _JITTER)
        beta = self.betas[level]
        return path.move(rng, state, beta, step, self.num_integration_steps)


class Pilot(NamedTuple):
    """What a pilot run found.

    Attributes
    ----------
    ladder : Ladder
        The levels and the step sizes.
    positions : ndarray of shape (n_levels, n_chains, d)
        Coordinates of particles at each level, of equal weight.
    """

    ladder: Ladder
    positions: np.ndarray


def pilot_run(
    rng,
    path,
    *,
    n_chains=256,
    conditional_ess=0.9,
    n_moves=2,
    num_integration_steps=5,
    max_levels=2000,
):
    """Choose levels and step sizes by a run whose particles carry no weight.

    Each level is as far from the last as leaves the given conditional effective sample
    size: levels are then equally hard to get to. Each coordinate's step is in
    proportion to its width *within* a mode, the inverse of the root mean square of the
    score; a common factor is adapted to an acceptance rate of 0.8, or else such that a
    trajectory is a quarter of a period.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    path : Path
        The path.
    n_chains : int, default=256
        Particles.
    conditional_ess : float, default=0.9
        Share of the particles that a step to the next level is worth, in (0, 1).
    n_moves : int, default=2
        Moves at each level.
    num_integration_steps : int, default=5
        Leapfrog steps in a trajectory.
    max_levels : int, default=2000
        How many levels are too many.

    Returns
    -------
    Pilot
        The ladder, and the particles at each level.

    Raises
    ------
    RuntimeError
        If so many levels do not lead to the density, or if it is zero wherever the
        particles are.
    """
    d = len(path.mean)
    factor = longest = _LONGEST / num_integration_steps
    state = path.draw(rng, n_chains)
    betas, steps, positions = [0.0], [np.full(d, factor)], [state.position]
    while betas[-1] < 1:
        if len(betas) == max_levels:
            raise RuntimeError(
                f"{max_levels} levels lead to beta = {betas[-1]:.3g} only: the "
                "Gaussian is too far from the density."
            )
        log_ratio = path.log_ratio(state)
        beta = _next_beta(log_ratio, betas[-1], conditional_ess)
        chosen = systematic_resampling(rng, (beta - betas[-1]) * log_ratio)
        state = State(*(array[chosen] for array in state))
        score = beta * state.score - (1 - beta) * state.position
        width = np.mean(score**2, axis=0) ** -0.5
        for _ in range(n_moves):
            # as a ladder of one level, that is used as it would be later
            level = Ladder(
                np.array([beta]), (factor * width)[None], num_integration_steps
            )
            state, acceptance = level.move(rng, path, state, 0)
            factor *= np.exp(acceptance.mean() - _ACCEPTANCE)
            factor = min(factor, longest)
        betas.append(beta)
        steps.append(factor * width)
        positions.append(state.position)
    ladder = Ladder(np.array(betas), np.array(steps), num_integration_steps)
    return Pilot(ladder, np.array(positions))


def refine(ladder, n_levels):
    """Interpolate a ladder at another number of levels.

    Parameters
    ----------
    ladder : Ladder
        Levels that are equally hard to get to.
    n_levels : int
        How many there shall be, two at least.

    Returns
    -------
    Ladder
        Levels that are, nearly, equally hard to get to again.
    """
    old = np.arange(len(ladder.betas))
    new = np.linspace(0, old[-1], n_levels)
    log_steps = [np.interp(new, old, column) for column in np.log(ladder.steps).T]
    return ladder._replace(
        betas=np.interp(new, old, ladder.betas), steps=np.exp(log_steps).T
    )


def _next_beta(log_ratio, beta, conditional_ess):
    """The next level: from equal weights, it leaves a share of the particles."""
    log_ratio = log_ratio[log_ratio > -1e290]  # where the density is not zero
    if len(log_ratio) == 0:
        raise RuntimeError("The density is zero wherever the Gaussian was drawn.")
    lowest = np.log(conditional_ess * len(log_ratio))
    low, high = 0.0, 1.0 - beta
    if log_effective_size(high * log_ratio) >= lowest:
        return 1.0
    # relative precision, because from a wide Gaussian the first step is tiny
    while high - low > 1e-3 * high:
        middle = 0.5 * (low + high)
        if log_effective_size(middle * log_ratio) >= lowest:
            low = middle
        else:
            high = middle
    return beta + high
