"""Parallel tempering: chains at all levels of a path at once, which trade places.

At the Gaussian end of the path rows are drawn independently; level by level, they make
their way to the density at the other end, and so bring to it modes in the right
proportions, which no chain that moves about there alone would reach. Swaps are proposed
between even and odd pairs of neighbours in turn, which lets a row travel in one
direction instead of diffusing [1]_.

References
----------
.. [1] S. Syed, A. Bouchard-Cote, G. Deligiannidis, A. Doucet, "Non-reversible parallel
   tempering: a scalable highly parallel MCMC scheme", Journal of the Royal Statistical
   Society B 84(2), 2022.
"""

from typing import NamedTuple

import numpy as np

from skdsm.density.bridge import gaussian_path
from skdsm.density.ladder import pilot_run
from skdsm.mcmc.hmc import State

__all__ = ["Tempered", "restart_interval", "temper", "tempered_draws"]

_PILOT_CHAINS = 256
_TRIAL_SWEEPS = 64  # to estimate swap rates from


class Tempered(NamedTuple):
    """Rows from parallel tempering.

    Attributes
    ----------
    draws : ndarray of shape (n_ensembles, n_draws, d)
        Rows at the density's end of the path, of each ensemble in turn.
    births : ndarray of shape (n_ensembles, n_draws), int
        When the row's ancestor was drawn from the Gaussian, as a sweep's number; below
        zero for those that the run started from. Rows with the same number are moves
        of one another, others are nearly independent.
    swap_rate : ndarray of shape (n_levels - 1,)
        Mean probability of a swap, between each level and the next.
    acceptance : ndarray of shape (n_levels - 1,)
        Mean acceptance rate of the moves at each level above the Gaussian.
    """

    draws: np.ndarray
    births: np.ndarray
    swap_rate: np.ndarray
    acceptance: np.ndarray


def temper(rng, path, ladder, positions, n_draws, *, n_warmup=0, thin=1):
    """Run ensembles of chains, one chain of each at every level.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    path : Path
        The path.
    ladder : Ladder
        Its levels; a pilot run with a conditional effective sample size of one half
        makes about one swap in two happen.
    positions : ndarray of shape (n_levels, n_ensembles, d)
        Coordinates to start from, as a pilot run finds them.
    n_draws : int
        Rows to keep of each ensemble.
    n_warmup : int, default=0
        Sweeps before the first row that is kept.
    thin : int, default=1
        Sweeps a row.

    Returns
    -------
    Tempered
        The rows, and how the chains moved.
    """
    n_levels, n_ensembles, d = positions.shape
    betas = ladder.betas
    warm = np.repeat(np.arange(1, n_levels), n_ensembles)
    above, pairs = slice(n_ensembles, None), np.arange(n_levels - 1)
    state = path.state(positions.reshape(-1, d))
    births = np.full((n_levels, n_ensembles), -1)
    draws = np.empty((n_ensembles, n_draws, d))
    kept_births = np.empty((n_ensembles, n_draws), int)
    swap_rate, n_swaps = np.zeros(n_levels - 1), np.zeros(n_levels - 1)
    acceptance = np.zeros(n_levels - 1)
    n_sweeps = n_warmup + n_draws * thin
    for sweep in range(n_sweeps):
        fresh = path.draw(rng, n_ensembles)
        moved, rate = ladder.move(
            rng, path, State(*(array[above] for array in state)), warm
        )
        state = State(*map(np.concatenate, zip(fresh, moved, strict=True)))
        births[0] = sweep
        acceptance += rate.reshape(n_levels - 1, n_ensembles).mean(axis=1)

        log_ratio = path.log_ratio(state).reshape(n_levels, n_ensembles)
        lower = pairs[sweep % 2 :: 2]
        gain = (betas[lower + 1] - betas[lower])[:, None] * (
            log_ratio[lower] - log_ratio[lower + 1]
        )
        probability = np.exp(np.minimum(gain, 0))
        swap_rate[lower] += probability.mean(axis=1)
        n_swaps[lower] += 1
        pair, ensemble = np.nonzero(rng.uniform(size=gain.shape) < probability)
        order = np.arange(n_levels * n_ensembles).reshape(n_levels, n_ensembles)
        low, high = lower[pair], lower[pair] + 1
        order[low, ensemble], order[high, ensemble] = (
            order[high, ensemble],
            order[low, ensemble],
        )
        order = order.ravel()
        state = State(*(array[order] for array in state))
        births = births.ravel()[order].reshape(births.shape)

        draw, remainder = divmod(sweep - n_warmup, thin)
        if draw >= 0 and remainder == thin - 1:
            draws[:, draw] = path.rows(state.position[-n_ensembles:])
            kept_births[:, draw] = births[-1]
    return Tempered(
        draws, kept_births, swap_rate / np.maximum(n_swaps, 1), acceptance / n_sweeps
    )


def restart_interval(swap_rate):
    """Count the sweeps that pass between two fresh draws' arrivals at the density.

    Parameters
    ----------
    swap_rate : ndarray of shape (n_levels - 1,)
        Probability of a swap between each level and the next.

    Returns
    -------
    float
        ``2 + 2 sum_i (1 - s_i) / s_i``, the optimal rate of Syed et al. (2022), reached
        where the moves within a level are good.
    """
    return float(2 + 2 * ((1 - swap_rate) / swap_rate).sum())


def tempered_draws(
    rng,
    target,
    mean,
    covariance,
    n_draws,
    *,
    n_ensembles=16,
    radius=np.inf,
    thin=None,
):
    """Draw rows from a density of many modes by parallel tempering.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    target : Target
        The density of rows.
    mean : array-like of shape (d,)
        Mean of the Gaussian that the path starts from.
    covariance : array-like of shape (d, d)
        Its covariance. What it does not cover may be missed.
    n_draws : int
        Rows of each ensemble.
    n_ensembles : int, default=16
        Independent ensembles.
    radius : float, default=inf
        Confines the density to rows of at most this Mahalanobis distance from the
        Gaussian.
    thin : int, optional
        Sweeps a row; by default as many as pass between the arrivals of fresh rows,
        which makes rows nearly independent.

    Returns
    -------
    Tempered
        The rows, and how the chains moved.
    """
    path = gaussian_path(target, mean, covariance, radius)
    pilot = pilot_run(
        rng,
        path,
        n_chains=_PILOT_CHAINS * -(-n_ensembles // _PILOT_CHAINS),
        conditional_ess=0.5,
    )
    # far from one another in the pilot's order, where neighbours are often relatives
    apart = pilot.positions.shape[1] // n_ensembles
    positions = pilot.positions[:, ::apart][:, :n_ensembles]
    if thin is None:
        trial = temper(rng, path, pilot.ladder, positions, 1, thin=_TRIAL_SWEEPS)
        swap_rate = np.maximum(trial.swap_rate, 1 / _TRIAL_SWEEPS)  # it may be none
        thin = int(np.ceil(restart_interval(swap_rate)))
    return temper(
        rng, path, pilot.ladder, positions, n_draws, n_warmup=4 * thin, thin=thin
    )
