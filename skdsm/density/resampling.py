"""Log-weights: means of them, what they are worth, and draws in proportion to them."""

import numpy as np
from scipy.special import logsumexp

__all__ = ["log_effective_size", "log_mean_exp", "systematic_resampling"]


def log_effective_size(log_weights):
    """Logarithm of the effective sample size, ``(sum w)^2 / sum w^2``.

    Parameters
    ----------
    log_weights : ndarray of shape (..., n)
        Log-weights.

    Returns
    -------
    ndarray of shape (...)
        Logarithms of numbers from 1 to n.
    """
    return 2 * logsumexp(log_weights, axis=-1) - logsumexp(2 * log_weights, axis=-1)


def log_mean_exp(values, axis=None):
    """Logarithm of the mean of exponentials.

    Parameters
    ----------
    values : ndarray
        Logarithms.
    axis : int, optional
        The axis to take the mean over; all by default.

    Returns
    -------
    float or ndarray
        ``log mean exp(values)``.
    """
    count = values.size if axis is None else values.shape[axis]
    return logsumexp(values, axis=axis) - np.log(count)


def systematic_resampling(rng, log_weights, n_draws=None):
    """Draw particles in proportion to their weights.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    log_weights : ndarray of shape (n,)
        Log-weights.
    n_draws : int, optional
        How many to draw; by default as many as there are.

    Returns
    -------
    ndarray of shape (n_draws,), int
        Indices, in order. Each occurs as often as its share of the weight says, rounded
        up or down.
    """
    n = len(log_weights)
    n_draws = n if n_draws is None else n_draws
    edges = np.cumsum(np.exp(log_weights - log_weights.max()))
    places = (np.arange(n_draws) + rng.uniform()) * (edges[-1] / n_draws)
    return np.minimum(np.searchsorted(edges, places, side="right"), n - 1)
