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

from skdsm.density.ladder import pilot_run
from skdsm.density.path import geometric_path
from skdsm.mcmc.hmc import State

__all__ = ["Tempered", "restart_interval", "temper", "tempered_draws"]

_PILOT_CHAINS = 256
_TRIAL_SWEEPS = 64  # to estimate swap rates from


class Tempered(NamedTuple):
    """Rows of independent ensembles, and how their chains moved.

    `draws` (n_ensembles, n_draws, d) are rows at the density's end of the path, and
    `restarts` (n_ensembles, n_draws) the sweeps when their ancestors were drawn from
    the Gaussian, -1 if the run started from them: rows of different restarts are nearly
    independent. `swap_rate` (n_levels - 1,) is the mean probability of a swap of each
    level with the next.
    """

    draws: np.ndarray
    restarts: np.ndarray
    swap_rate: np.ndarray


def temper(rng, path, ladder, positions, n_draws, *, n_warmup=0, thin=1):
    """Run ensembles of one chain per level, and keep `n_draws` rows of each.

    The coordinates to start from, `positions` (n_levels, n_ensembles, d), come from a
    pilot run, as the ladder does: with a conditional effective sample size of one half,
    about one swap in two happens. `n_warmup` sweeps precede the first row that is kept,
    `thin` sweeps lead from one to the next.
    """
    n_levels, n_ensembles, d = positions.shape
    betas = ladder.betas
    warm = np.repeat(np.arange(1, n_levels), n_ensembles)
    above, pairs = slice(n_ensembles, None), np.arange(n_levels - 1)
    state = path.state(positions.reshape(-1, d))
    restarts = np.full((n_levels, n_ensembles), -1)
    draws = np.empty((n_ensembles, n_draws, d))
    kept_restarts = np.empty((n_ensembles, n_draws), int)
    swap_rate, n_swaps = np.zeros(n_levels - 1), np.zeros(n_levels - 1)
    for sweep in range(n_warmup + n_draws * thin):
        fresh = path.draw(rng, n_ensembles)
        moved, _ = ladder.move(
            rng, path, State(*(array[above] for array in state)), warm
        )
        state = State(*map(np.concatenate, zip(fresh, moved, strict=True)))
        restarts[0] = sweep

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
        restarts = restarts.ravel()[order].reshape(restarts.shape)

        draw, remainder = divmod(sweep - n_warmup, thin)
        if draw >= 0 and remainder == thin - 1:
            draws[:, draw] = path.rows(state.position[-n_ensembles:])
            kept_restarts[:, draw] = restarts[-1]
    return Tempered(draws, kept_restarts, swap_rate / np.maximum(n_swaps, 1))


def restart_interval(swap_rate):
    """Count the sweeps between two fresh draws' arrivals at the density.

    ``2 + 2 sum_i (1 - s_i) / s_i`` for swap rates s, the optimal rate of Syed et al.
    (2022), is reached where the moves within a level are good.
    """
    return float(2 + 2 * ((1 - swap_rate) / swap_rate).sum())


def tempered_draws(rng, target, mean, covariance, n_draws, *, n_ensembles=16):
    """Sample a density of rows along the path from N(mean, covariance).

    What the Gaussian does not cover may be missed. Rows are as many sweeps apart as
    pass between the arrivals of fresh ones, which makes them nearly independent.
    """
    path = geometric_path(target, mean, covariance)
    pilot = pilot_run(
        rng,
        path,
        n_chains=_PILOT_CHAINS * -(-n_ensembles // _PILOT_CHAINS),
        conditional_ess=0.5,
    )
    # far from one another in the pilot's order, where neighbours are often relatives
    apart = pilot.positions.shape[1] // n_ensembles
    positions = pilot.positions[:, ::apart][:, :n_ensembles]
    trial = temper(rng, path, pilot.ladder, positions, 1, thin=_TRIAL_SWEEPS)
    swap_rate = np.maximum(trial.swap_rate, 1 / _TRIAL_SWEEPS)  # it may be zero
    thin = int(np.ceil(restart_interval(swap_rate)))
    return temper(
        rng, path, pilot.ladder, positions, n_draws, n_warmup=4 * thin, thin=thin
    )
