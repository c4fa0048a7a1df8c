"""The noise level that the rows ask for: their Parzen bandwidth of greatest likelihood.

Training at one noise level fits the Parzen density of that bandwidth (Vincent 2011,
section 4), and the likelihood of each row under the density of the others says which
bandwidth is best (Duin 1976). With D_ij the squared distances of distinct rows, the
likelihood with kernels of weight w and votes v is ::

    L(tau) = sum_i v_i log sum_{j != i} w_j exp(-D_ij / (2 tau^2)) - r log tau sum_i v_i

where r is the number of dimensions, see `effective_dimensions`. It is stationary where
``r tau^2`` is the mean of D_ij under the posterior probabilities of the rows j.
"""

from functools import partial

import numpy as np
from scipy.optimize import brentq

__all__ = [
    "effective_dimensions",
    "likelihood_bandwidth",
    "nearest_distances",
    "spread_variances",
]

_STEP = np.log(2.0)  # of log tau, until the maximum is bracketed
# of log tau, to which it is rounded: or the last bits of the distances would show
_PRECISION = 2.0**-10
_NARROW = 0.01  # of the squared bandwidth: a variance that hardly counts
_LEAST_WEIGHT = 1e-30  # beside the largest
_LARGEST = 1e30  # squared distance, in the typical one, that single precision holds


def spread_variances(X):
    """Variances of distinct rows along their principal axes, of shape (d,)."""
    offsets = X - np.median(X, axis=0)
    size = np.abs(offsets).max()
    if not size > 0:
        return np.zeros(X.shape[1])
    offsets = offsets / size
    offsets -= offsets.mean(axis=0)
    covariance = offsets.T @ offsets / len(X)
    return np.maximum(np.linalg.eigvalsh(covariance), 0) * size**2


def effective_dimensions(variances, bandwidth):
    """Count the axes along which rows differ by more than a part of the bandwidth.

    Where they hardly differ, a kernel as narrow as they would say the same of each row:
    constant columns, and columns that are functions of others, do not count. At least
    one counts, as otherwise there is no maximum.
    """
    counts = variances / (variances + _NARROW * bandwidth**2)
    return max(1.0, float(counts.sum()))


def nearest_distances(D):
    """Squared distance of each row to the nearest other one, of shape (k,)."""
    others = ~np.eye(len(D), dtype=bool)
    return np.min(D, axis=1, where=others, initial=np.inf)


def likelihood_bandwidth(D, weight, variances, votes=None, trimmed=0.0):
    """Maximise the leave-one-out likelihood of distinct rows over the bandwidth.

    D (k, k) are squared distances. Of several maxima, it is the one next to the typical
    distance of nearest rows. Each row's kernel has its `weight` (k,), each row's
    likelihood counts by its `votes` (k,). The votes of the least likely rows, a share
    of `trimmed`, are not counted. The bandwidth of a single row, which no other row
    tells anything about, is one.
    """
    votes = weight if votes is None else votes
    least = nearest_distances(D)
    voting = (votes > 0) & np.isfinite(least)
    if not voting.any():
        return 1.0
    unit = np.median(least[voting])
    dimensions = partial(effective_dimensions, variances / unit)
    votes = votes[voting]
    slope = _Slope(D[voting], least[voting], unit, weight, votes, dimensions, trimmed)
    before, log_tau = None, -0.5 * np.log(dimensions(0.5))
    rising = slope(log_tau) > 0
    while before is None or (slope(log_tau) > 0) == rising:
        before, log_tau = log_tau, log_tau + (_STEP if rising else -_STEP)
    log_tau = brentq(slope, *sorted((before, log_tau)), xtol=0.5 * _PRECISION)
    log_tau = _PRECISION * np.rint(log_tau / _PRECISION)
    return float(np.exp(log_tau) * np.sqrt(unit))


class _Slope:
    """Derivative of the likelihood per vote by log tau; remembers what it has said."""

    def __init__(self, D, least, unit, weight, votes, dimensions, trimmed):
        with np.errstate(over="ignore"):
            self._least = np.minimum(least / unit, _LARGEST)
            # beyond the nearest: what single precision rounds off is nothing
            beyond = np.minimum((D - least[:, None]) / unit, _LARGEST)
        beyond[beyond < 0] = _LARGEST  # the row itself, which is no other
        self._beyond = beyond.astype(np.float32)
        self._kernels = np.empty_like(self._beyond)
        ratio = np.maximum(weight / weight.max(), _LEAST_WEIGHT)
        self._weight = ratio.astype(np.float32)
        self._votes, self._dimensions = votes / votes.sum(), dimensions
        self._trimmed = trimmed
        self._known = {}

    def __call__(self, log_tau):
        if log_tau not in self._known:
            self._known[log_tau] = self._evaluate(log_tau)
        return self._known[log_tau]

    def _evaluate(self, log_tau):
        rate = 0.5 * np.exp(-2 * log_tau)
        kernels = np.multiply(self._beyond, np.float32(-rate), out=self._kernels)
        np.exp(kernels, out=kernels)
        total = (kernels @ self._weight).astype(np.float64)
        kernels *= self._beyond
        distance = self._least + (kernels @ self._weight) / total
        votes = self._votes
        if self._trimmed:
            votes = self._heard(np.log(total) - rate * self._least)
        return 2 * rate * (votes @ distance) / votes.sum() - self._dimensions(
            np.exp(log_tau)
        )

    def _heard(self, log_density):
        """Votes without the trimmed share of them, from the least likely rows on."""
        order = np.argsort(log_density, kind="stable")
        heard = np.empty_like(self._votes)
        so_far = np.cumsum(self._votes[order]) - self._trimmed
        heard[order] = np.clip(so_far, 0, self._votes[order])
        return heard
