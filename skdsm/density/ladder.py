"""Ladders of inverse temperatures on a path, and the pilot run that finds one.

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

    `betas` (n_levels,) increase from 0 to 1; the leapfrog integrator has
    `step_sizes` (n_levels, d), one per coordinate.
    """

    betas: np.ndarray
    step_sizes: np.ndarray
    num_integration_steps: int

    def move(self, rng, path, state, level):
        """Move chains as `path.move` does, at one level above 0 or at one per chain."""
        step_size = self.step_sizes[level] * rng.uniform(1 - _JITTER, 1 + _JITTER)
        beta = self.betas[level]
        return path.move(rng, state, beta, step_size, self.num_integration_steps)


class Pilot(NamedTuple):
    """The ladder that a pilot run found, and its particles at each level.

    `positions` (n_levels, n_chains, d) are coordinates, of equal weight.
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
    """Choose levels and step sizes by a run that is resampled at each level.

    Each level is as far from the last as leaves `conditional_ess`, a share of the
    particles: levels are then equally hard to get to. Each coordinate's step is in
    proportion to its width *within* a mode, the inverse of the root mean square of the
    score; a common factor is adapted to an acceptance rate of 0.8, or else such that a
    trajectory is a quarter of a period.
    """
    d = len(path.mean)
    factor = longest = _LONGEST / num_integration_steps
    state = path.draw(rng, n_chains)
    betas, step_sizes, positions = [0.0], [np.full(d, factor)], [state.position]
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
        step_sizes.append(factor * width)
        positions.append(state.position)
    ladder = Ladder(np.array(betas), np.array(step_sizes), num_integration_steps)
    return Pilot(ladder, np.array(positions))


def refine(ladder, n_levels):
    """Interpolate a ladder at another number of levels, two or more.

    Levels that are equally hard to get to nearly are so again.
    """
    old = np.arange(len(ladder.betas))
    new = np.linspace(0, old[-1], n_levels)
    log_steps = [np.interp(new, old, column) for column in np.log(ladder.step_sizes).T]
    return ladder._replace(
        betas=np.interp(new, old, ladder.betas), step_sizes=np.exp(log_steps).T
    )


def _next_beta(log_ratio, beta, conditional_ess):
    """Find by bisection the level that leaves such a share of equal weights."""
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
