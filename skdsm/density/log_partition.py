"""The log-partition function of a model, exact where that can be, estimated elsewhere.

Exact are the finite mixtures of few Gaussians, the models whose units span at most two
dimensions, and the models that fall apart into such pieces. All others are annealed
from a Gaussian: the mean weight is an unbiased estimate of Z, islands of chains give
its standard error, by which more of them are run until it is small, and, by Markov's
inequality, bounds that hold for any distribution of the weights.
"""

from typing import NamedTuple

import numpy as np

from skdsm.density.annealing import anneal, anneal_back
from skdsm.density.bridge import gaussian_path
from skdsm.density.ladder import pilot_run, refine
from skdsm.density.mixture import (
    MAX_COMPONENTS,
    exact_mixture,
    is_enumerable,
    mixture_log_partition,
)
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

_CONFIDENCE = 0.95  # of each bound
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
        Is above log Z with a probability of 95 %; NaN where no exact draws of the model
        can be had to anneal backward from.
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
    """Mean and covariance of a Gaussian that covers all that a model may generate.

    The mass lies within a few sigma of the reconstructions, which fill at most the
    zonotope ``c + W'(g * h)`` with h in the unit cube. A uniform choice among its
    corners has mean ``c + W'g / 2`` and covariance ``W' diag(g^2) W / 4``. Units that
    act together reach farther than independent ones, therefore the covariance is
    taken sixteen times: a wide start costs little, one that is too narrow misses mass.

    Parameters
    ----------
    model : EnergyModel
        The model.

    Returns
    -------
    mean : ndarray of shape (d,)
        ``c + W'g / 2``.
    covariance : ndarray of shape (d, d)
        ``sigma^2 I + 4 W' diag(g^2) W``.
    """
    W, _, c, g = model.parameters
    scaled = g[:, None] * W
    covariance = 4 * scaled.T @ scaled
    covariance += model.sigma**2 * np.eye(len(c))
    return c + 0.5 * scaled.sum(axis=0), covariance


def exact_log_partition(model, max_components=MAX_COMPONENTS):
    """Log-partition function by enumeration and quadrature.

    Parameters
    ----------
    model : EnergyModel
        The model.
    max_components : int, default=2**20
        How many Gaussians to sum over, at most.

    Returns
    -------
    float or None
        The value of log Z; None if the model allows neither.
    """
    W, b, c, g = model.parameters
    W, b, g = (block[g != 0] for block in (W, b, g))
    normaliser = 0.5 * len(c) * np.log(2 * np.pi * model.sigma**2)
    total = normaliser
    for group in orthogonal_groups(W):
        part = EnergyModel(Parameters(W[group], b[group], c, g[group]), model.sigma)
        if is_enumerable(part, max_components):
            total += mixture_log_partition(part, max_components) - normaliser
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
    radius=np.inf,
    n_islands=64,
    island_size=64,
    refinement=2.0,
    tolerance=0.015,
    max_islands=256,
    draw_exactly=None,
    map=map,
):
    """Estimate the log-integral of a density by annealing from a Gaussian.

    Islands are run in rounds, until the standard error of the estimate so far is at
    most `tolerance`, or there are `max_islands`.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    target : Target
        The density of rows.
    mean : array-like of shape (d,)
        Mean of the Gaussian.
    covariance : array-like of shape (d, d)
        Its covariance. What it does not cover may be missed.
    radius : float, default=inf
        Confines the integral to rows of at most this Mahalanobis distance from the
        Gaussian.
    n_islands : int, default=64
        Number of independent estimates in a round.
    island_size : int, default=64
        Chains of each; with one, this is annealed importance sampling without
        resampling.
    refinement : float, default=2.0
        Levels, as a multiple of those that leave nine tenths of the particles each.
    tolerance : float, default=0.015
        Standard error that is small enough, in nats; infinite for a single round.
    max_islands : int, default=256
        Number of independent estimates in all rounds, at most.
    draw_exactly : callable, optional
        ``draw_exactly(rng, n)`` draws n independent rows of the density, for an upper
        bound.
    map : callable, optional
        Ordered map over independent pieces of work.

    Returns
    -------
    LogPartition
        The estimate, its error and bounds.
    """
    path = gaussian_path(target, mean, covariance, radius)
    ladder = pilot_run(rng, path).ladder
    ladder = refine(ladder, max(2, round(refinement * len(ladder.betas))))
    n_first = min(n_islands, max_islands)
    estimates, standard_error = np.empty(0), np.nan
    while len(estimates) < max_islands and not standard_error <= tolerance:
        n_more = min(n_first, max_islands - len(estimates))
        forward = anneal(rng, path, ladder, n_more, island_size, map=map)
        estimates = np.append(estimates, log_mean_exp(forward.log_weights, axis=1))
        value = log_mean_exp(estimates)
        with np.errstate(under="ignore"):
            relative = np.exp(estimates - value)
        # of a mean of values around one, and of its logarithm as well
        standard_error = np.sqrt(relative.var(ddof=1) / len(estimates))
    upper_bound = np.nan
    if draw_exactly is not None:
        X = draw_exactly(rng, len(estimates) * island_size)
        backward = anneal_back(rng, path, ladder, X, map=map).log_weights
        inverses = log_mean_exp(-backward.reshape(-1, island_size), axis=1)
        upper_bound = -_markov_bound(inverses, n_first)
    return LogPartition(
        value=float(value),
        standard_error=float(standard_error),
        effective_sample_size=float(len(estimates) ** 2 / (relative**2).sum()),
        n_islands=len(estimates),
        lower_bound=_markov_bound(estimates, n_first),
        upper_bound=upper_bound,
        is_reliable=bool(standard_error <= _LARGEST_ERROR),
        method="annealing",
    )


def log_partition(
    model,
    rng,
    *,
    method="auto",
    moments=None,
    radius=np.inf,
    max_components=MAX_COMPONENTS,
    **options,
):
    """Log-partition function of a model.

    Parameters
    ----------
    model : EnergyModel
        The model.
    rng : numpy.random.Generator
        Source of randomness, not used where the value is exact.
    method : {"auto", "exact", "annealing"}, default="auto"
        Exact where that can be done, or one of the two in any case.
    moments : tuple of (mean, covariance), optional
        Of the Gaussian to anneal from; by default `model_moments`.
    radius : float, default=inf
        Confines the model to rows of at most this Mahalanobis distance from the
        Gaussian, for instance to where there are data: log Z is then that of the
        confined density, and always annealed.
    max_components : int, default=2**20
        How many Gaussians to sum over, at most.
    **options
        Further arguments of `annealed_log_partition`.

    Returns
    -------
    LogPartition
        The value, its error and bounds.

    Raises
    ------
    ValueError
        If the exact value is asked for but cannot be had.

    Notes
    -----
    The scatter of the islands tells nothing of a mode that no chain has seen: a start
    that does not cover the model's mass gives a value that is too low, with a standard
    error that is too small. The lower bound holds all the same. Moments of the data
    are such a start where a model has mass far from them, as models that were fitted
    by score matching often do: it says little about how probable modes are that lie
    apart, and nothing about those where there were no data.
    """
    if method not in ("auto", "exact", "annealing"):
        raise ValueError(
            f"method must be 'auto', 'exact' or 'annealing', got {method!r}."
        )
    is_confined = np.isfinite(radius)
    if method != "annealing":
        value = None if is_confined else exact_log_partition(model, max_components)
        if value is not None:
            return LogPartition(value, 0.0, np.inf, 0, value, value, True, "exact")
        if method == "exact":
            raise ValueError(
                "The partition function is exact only where each gain is a whole "
                "multiple of sigma squared and the components are few, or where the "
                "units span at most two dimensions, and the model is not confined."
            )
    draw_exactly = None
    if not is_confined and is_enumerable(model, max_components):
        draw_exactly = exact_mixture(model, max_components).sample
    mean, covariance = model_moments(model) if moments is None else moments
    return annealed_log_partition(
        rng,
        model_target(model),
        mean,
        covariance,
        radius=radius,
        draw_exactly=draw_exactly,
        **options,
    )


def _markov_bound(log_estimates, n_first):
    """What is below the logarithm of the mean of unbiased estimates, nearly for sure.

    By Markov's inequality an estimate exceeds t times its mean with a probability of at
    most 1 / t, and the first n independent ones all do with at most ``t^-n``. So does
    the average of all with 1 / t. The better of the two counts, each at half the risk.

    Both hold whenever one stops after the first n, whatever for: more estimates can
    only lower the least of them, and averages of the first n, n + 1, ... are, seen
    backward, a martingale, of which Doob's inequality says of the largest what Markov's
    says of one.
    """
    log_odds = np.log(2 / (1 - _CONFIDENCE))
    all_exceed = log_estimates.min() - log_odds / n_first
    average_exceeds = log_mean_exp(log_estimates) - log_odds
    return float(max(all_exceed, average_exceeds))
