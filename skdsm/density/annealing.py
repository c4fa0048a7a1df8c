"""Annealed importance sampling: from a Gaussian, by many small steps, to a density.

A chain starts at the Gaussian end of a path and takes one step of Hamiltonian Monte
Carlo at each level of a ladder of betas; its log-weight adds up
``(beta_t - beta_{t-1}) (log p - log N)(z_{t-1})``. The mean weight is an unbiased
estimate of the integral of p, at any ladder and any step sizes that are fixed before
the chains start [1]_. A pilot run, with other chains, chooses them.

Chains may be grouped in islands, within which they are resampled when few of them
carry the weight (sequential Monte Carlo [2]_): the mean weight of an island is unbiased
still, and islands are independent. An island of one chain is plain annealed importance
sampling. Run backward, from exact draws, the same chains bound the integral from above
(bidirectional Monte Carlo [3]_).

References
----------
.. [1] R. M. Neal, "Annealed importance sampling", Statistics and Computing 11, 2001.
.. [2] P. Del Moral, A. Doucet, A. Jasra, "Sequential Monte Carlo samplers", Journal of
   the Royal Statistical Society B 68(3), 2006.
.. [3] R. B. Grosse, S. Ancha, D. M. Roy, "Measuring the reliability of MCMC inference
   with bidirectional Monte Carlo", NeurIPS 2016.
"""

from typing import NamedTuple

import numpy as np

from skdsm._blocks import row_blocks
from skdsm.density.bridge import gaussian_path
from skdsm.density.ladder import pilot_run
from skdsm.density.resampling import (
    log_effective_size,
    log_mean_exp,
    systematic_resampling,
)
from skdsm.mcmc.hmc import State

__all__ = [
    "Annealed",
    "anneal",
    "anneal_back",
    "annealed_draws",
    "weighted_draws",
]

# Chains that run together. A model's hidden units for more do not stay in cache, and
# for fewer, calling NumPy's functions takes longer than what they then do.
_LANE_CHAINS = 1024
_LEAST_POPULATION = 2048


class Annealed(NamedTuple):
    """Weighted rows at the end of a path.

    Attributes
    ----------
    log_weights : ndarray of shape (n_islands, island_size)
        Log-weights. Forward, the mean of their exponentials is an unbiased estimate of
        the integral of the density; backward, the mean of the exponentials of their
        negatives is one of its inverse.
    particles : ndarray of shape (n_islands, island_size, d)
        Rows where the chains ended: forward, a sample of the density if weighted.
    acceptance : ndarray of shape (n_levels - 1,)
        Mean acceptance rate of the moves at each level above the Gaussian.
    """

    log_weights: np.ndarray
    particles: np.ndarray
    acceptance: np.ndarray


def anneal(rng, path, ladder, n_islands, island_size=1, *, map=map):
    """Run chains from the Gaussian to the density, and weigh them.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    path : Path
        The path.
    ladder : Ladder
        Its levels, chosen without a look at these chains.
    n_islands : int
        Independent groups of chains.
    island_size : int, default=1
        Chains in a group. A group is resampled when its effective sample size falls
        below half of them: one chain never.
    map : callable, optional
        Ordered map over independent pieces of work.

    Returns
    -------
    Annealed
        Weights, particles and acceptance rates.
    """
    lanes = row_blocks(n_islands, max(1, _LANE_CHAINS // island_size))
    sizes = [lane.stop - lane.start for lane in lanes]

    def run(lane):
        rng, n = lane
        return _anneal_lane(rng, path, ladder, n, island_size)

    return _join(map(run, zip(rng.spawn(len(sizes)), sizes, strict=True)), sizes)


def _anneal_lane(rng, path, ladder, n_islands, island_size):
    state = path.draw(rng, n_islands * island_size)
    log_weights = np.zeros((n_islands, island_size))
    acceptance = []
    for level, increment in enumerate(np.diff(ladder.betas), start=1):
        log_weights += increment * path.log_ratio(state).reshape(log_weights.shape)
        if island_size > 1:
            log_weights, chosen = _resample_islands(rng, log_weights)
            state = State(*(array[chosen] for array in state))
        state, rate = ladder.move(rng, path, state, level)
        acceptance.append(rate.mean())
    particles = path.rows(state.position).reshape(n_islands, island_size, -1)
    return Annealed(log_weights, particles, np.array(acceptance))


def anneal_back(rng, path, ladder, X, *, map=map):
    """Run chains back from independent draws of the density to the Gaussian.

    Every move is reversible, so that these are forward runs seen backward.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    path : Path
        The path.
    ladder : Ladder
        Its levels.
    X : ndarray of shape (n, d)
        Independent, exact draws of the density.
    map : callable, optional
        Ordered map over independent pieces of work.

    Returns
    -------
    Annealed
        Weights, rows at the Gaussian end and acceptance rates, of n islands of one.
    """
    lanes = [X[rows] for rows in row_blocks(len(X), _LANE_CHAINS)]

    def run(lane):
        rng, X = lane
        return _anneal_lane_back(rng, path, ladder, X)

    sizes = [len(lane) for lane in lanes]
    return _join(map(run, zip(rng.spawn(len(lanes)), lanes, strict=True)), sizes)


def _anneal_lane_back(rng, path, ladder, X):
    state = path.state(path.coordinates(X))
    log_weights = np.zeros(len(X))
    acceptance = []
    increments = np.diff(ladder.betas)
    for level in range(len(increments), 0, -1):
        state, rate = ladder.move(rng, path, state, level)
        acceptance.append(rate.mean())
        log_weights += increments[level - 1] * path.log_ratio(state)
    particles = path.rows(state.position)[:, None]
    return Annealed(log_weights[:, None], particles, np.array(acceptance[::-1]))


def _join(lanes, sizes):
    """One run of several, which have so many islands each."""
    log_weights, particles, acceptance = zip(*lanes, strict=True)
    return Annealed(
        np.concatenate(log_weights),
        np.concatenate(particles),
        np.average(acceptance, axis=0, weights=sizes),
    )


def weighted_draws(rng, annealed, n_draws):
    """Draw rows of the density from the particles of a forward run.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    annealed : Annealed
        The run. With islands of many chains, few rows are then drawn twice.
    n_draws : int
        Number of rows.

    Returns
    -------
    ndarray of shape (n_draws, d)
        Rows, in random order.
    """
    particles = annealed.particles.reshape(-1, annealed.particles.shape[-1])
    chosen = systematic_resampling(rng, annealed.log_weights.ravel(), n_draws)
    return particles[rng.permutation(chosen)]


def annealed_draws(rng, target, mean, covariance, n_draws, *, radius=np.inf):
    """Draw rows from a density of many modes, all at once.

    One population is annealed that is four times as large as asked for, so that rows
    are seldom relatives and modes have their shares. There is nothing to diagnose
    convergence by; `skdsm.density.tempering` offers that, at several times the cost.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    target : Target
        The density of rows.
    mean : array-like of shape (d,)
        Mean of the Gaussian to anneal from.
    covariance : array-like of shape (d, d)
        Its covariance. What it does not cover may be missed.
    n_draws : int
        Number of rows.
    radius : float, default=inf
        Confines the density to rows of at most this Mahalanobis distance from the
        Gaussian.

    Returns
    -------
    ndarray of shape (n_draws, d)
        Rows, in random order.
    """
    path = gaussian_path(target, mean, covariance, radius)
    ladder = pilot_run(rng, path).ladder
    population = max(_LEAST_POPULATION, 4 * n_draws)
    return weighted_draws(rng, anneal(rng, path, ladder, 1, population), n_draws)


def _resample_islands(rng, log_weights):
    """New weights, and which particles take the places of all, island by island."""
    n_islands, size = log_weights.shape
    index = np.arange(n_islands * size).reshape(n_islands, size)
    log_weights = log_weights.copy()
    for island in np.flatnonzero(log_effective_size(log_weights) < np.log(0.5 * size)):
        index[island] = index[island, systematic_resampling(rng, log_weights[island])]
        log_weights[island] = log_mean_exp(log_weights[island])
    return log_weights, index.ravel()
