"""The log-partition function of a model, exact where that can be, estimated elsewhere.

Exact are the finite mixtures of few Gaussians, the models whose units span at most two
dimensions, and the models that fall apart into such pieces. All others are annealed
from a Gaussian: the mean weight is an unbiased estimate of Z, and independent islands
of chains give its standard error and, by Markov's inequality, a lower bound.
"""

from typing import NamedTuple

import numpy as np

from skdsm.density.annealing import anneal
from skdsm.density.ladder import pilot_run, refine
from skdsm.density.mixture import is_enumerable, mixture_log_partition
from skdsm.density.path import geometric_path
from skdsm.density.quadrature import log_expectation, orthogonal_groups
from skdsm.density.resampling import log_mean_exp
from skdsm.density.target import model_target
from skdsm.model.energy import EnergyModel
from skdsm.model.parameters import Parameters

__all__ = [
    "LogPartition",
    "annealed_log_partition",
    "exact_log_partition",
    "log_partition",
    "model_moments",
]

_CONFIDENCE = 0.95  # of the lower bound
_LARGEST_ERROR = 0.3  # nats; with a larger one, few islands carry the estimate


class LogPartition(NamedTuple):
    """A value of log Z, with what is known of its error.

    Attributes
    ----------
    value : float
        log Z of ``exp(-model.energy(x))``, in nats.
    standard_error : float
        Its standard error; zero if it is exact.
    effective_sample_size : float
        How many of the `n_islands` independent estimates the value rests on, as far as
        their scatter tells; infinite if it is exact.
    n_islands : int
        Number of independent estimates that were averaged; zero if it is exact.
    lower_bound : float
        Is below log Z with a probability of 95 %.
    upper_bound : float
        The value itself if it is exact; NaN, that is unknown, if it is annealed.
    is_reliable : bool
        Whether the islands agree well enough for the standard error to mean something.
        If not, only the lower bound holds.
    method : {"exact", "annealing"}
        Where the value comes from.
    """

    value: float
    standard_error: float
    effective_sample_size: float
    n_islands: int
    lower_bound: float
    upper_bound: float
    is_reliable: bool
    method: str


def model_moments(model):
    """Cover all that a model may generate by a Gaussian: return mean and covariance.

    The mass lies within a few sigma of the reconstructions, which fill at most the
    zonotope ``c + W'(g * h)`` with h in the unit cube. A uniform choice among its
    corners has mean ``c + W'g / 2`` and covariance ``W' diag(g^2) W / 4``. Units that
    act together reach farther than independent ones, therefore the covariance is
    taken sixteen times, ``sigma^2 I + 4 W' diag(g^2) W``: a wide start costs little,
    one that is too narrow misses mass.
    """
    W, _, c, g = model.parameters
    scaled = g[:, None] * W
    covariance = 4 * scaled.T @ scaled
    covariance += model.sigma**2 * np.eye(len(c))
    return c + 0.5 * scaled.sum(axis=0), covariance


def exact_log_partition(model):
    """Evaluate log Z by enumeration and quadrature; None if neither applies."""
    W, b, c, g = model.parameters
    W, b, g = (block[g != 0] for block in (W, b, g))
    normaliser = 0.5 * len(c) * np.log(2 * np.pi * model.sigma**2)
    total = normaliser
    for group in orthogonal_groups(W):
        part = EnergyModel(Parameters(W[group], b[group], c, g[group]), model.sigma)
        if is_enumerable(part):
            total += mixture_log_partition(part) - normaliser
            continue
        preactivation = b[group] + W[group] @ c
        expectation = log_expectation(
            model.sigma * W[group], preactivation, g[group] / model.sigma**2
        )
        if expectation is None:
            return None
        total += expectation
    return float(total)


def annealed_log_partition(
    rng,
    target,
    mean,
    covariance,
    *,
    n_islands=64,
    island_size=64,
    refinement=2.0,
    tolerance=0.015,
    max_islands=256,
    map=map,
):
    """Estimate the log-integral of a density of rows by annealing from a Gaussian.

    Rounds of `n_islands` islands are run, until the standard error of the estimate so
    far is at most `tolerance`, or there are `max_islands`. There are `refinement` times
    as many levels as leave nine tenths of the particles each. `map` is an ordered map
    over independent pieces of work.

    The scatter of the islands tells nothing of a mode that no chain has seen: where the
    Gaussian does not cover all mass, the value and its standard error are too small,
    and only the lower bound holds. Moments of the data are such a start if a model has
    mass far from them, as models that were fitted by score matching often do.
    """
    path = geometric_path(target, mean, covariance)
    ladder = pilot_run(rng, path).ladder
    ladder = refine(ladder, max(2, round(refinement * len(ladder.betas))))
    n_first = min(n_islands, max_islands)
    estimates, standard_error = np.empty(0), np.nan
    while len(estimates) < max_islands and not standard_error <= tolerance:
        n_more = min(n_first, max_islands - len(estimates))
        log_weights = anneal(rng, path, ladder, n_more, island_size, map=map)
        estimates = np.append(estimates, log_mean_exp(log_weights, axis=1))
        value = log_mean_exp(estimates)
        with np.errstate(under="ignore"):
            relative = np.exp(estimates - value)
        # of a mean of values around one, and of its logarithm as well
        standard_error = np.sqrt(relative.var(ddof=1) / len(estimates))
    return LogPartition(
        value=float(value),
        standard_error=float(standard_error),
        effective_sample_size=float(len(estimates) ** 2 / (relative**2).sum()),
        n_islands=len(estimates),
        lower_bound=_markov_bound(estimates, n_first),
        upper_bound=np.nan,
        is_reliable=bool(standard_error <= _LARGEST_ERROR),
        method="annealing",
    )


def log_partition(model, rng, **options):
    """Evaluate log Z of a model: exactly if possible, by annealing with options if not.

    What is exact needs no random numbers.
    """
    value = exact_log_partition(model)
    if value is not None:
        return LogPartition(value, 0.0, np.inf, 0, value, value, True, "exact")
    return annealed_log_partition(
        rng, model_target(model), *model_moments(model), **options
    )


def _markov_bound(log_estimates, n_first):
    """Bound log Z from below by the logarithms of independent unbiased estimates of Z.

    By Markov's inequality an estimate exceeds t times its mean with a probability of at
    most 1 / t, and the first n independent ones all do with at most ``t^-n``. So does
    the average of all with 1 / t. The better of the two counts, each at half the risk.

    Both hold at any stopping rule: more estimates can only lower the least of them, and
    averages of the first n, n + 1, ... are, seen backward, a martingale, and Doob's
    inequality says of their largest what Markov's says of one.
    """
    log_odds = np.log(2 / (1 - _CONFIDENCE))
    all_exceed = log_estimates.min() - log_odds / n_first
    average_exceeds = log_mean_exp(log_estimates) - log_odds
    return float(max(all_exceed, average_exceeds))
