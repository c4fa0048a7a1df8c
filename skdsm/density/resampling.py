"""Log-weights: means of them, what they are worth, and draws in proportion to them."""

import numpy as np
from scipy.special import logsumexp

__all__ = ["log_effective_size", "log_mean_exp", "systematic_resampling"]


def log_effective_size(log_weights):
    """Evaluate ``log((sum w)^2 / sum w^2)`` over the last axis: of 1 to n."""
    return 2 * logsumexp(log_weights, axis=-1) - logsumexp(2 * log_weights, axis=-1)


def log_mean_exp(values, axis=None):
    """Evaluate ``log mean exp(values)`` over an axis, or over all."""
    count = values.size if axis is None else values.shape[axis]
    return logsumexp(values, axis=axis) - np.log(count)


def systematic_resampling(rng, log_weights):
    """Draw as many indices as there are weights, in order and in proportion to them.

    Each occurs as often as its share says, rounded up or down.
    """
    n = len(log_weights)
    edges = np.cumsum(np.exp(log_weights - log_weights.max()))
    places = (np.arange(n) + rng.uniform()) * (edges[-1] / n)
    return np.minimum(np.searchsorted(edges, places, side="right"), n - 1)
