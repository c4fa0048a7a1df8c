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
from scipy.spatial.distance import cdist

__all__ = [
    "effective_dimensions",
    "likelihood_bandwidth",
    "pair_distances",
    "spread_variances",
]

_STEP = np.log(2.0)  # of log tau, until the maximum is bracketed
_PRECISION = 1e-6  # of log tau
_NARROW = 0.01  # of the squared bandwidth: a variance that hardly counts
_LARGEST = 1e300  # squared distance, in the typical one: its square root is no number


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


def pair_distances(X):
    """Squared distances between rows, of shape (k, k), without cancellation."""
    return cdist(X, X, "sqeuclidean")


def likelihood_bandwidth(D, weight, variances, votes=None, trimmed=0.0):
    """Maximise the leave-one-out likelihood of distinct rows over the bandwidth.

    Of several maxima, it is the one next to the typical distance of nearest rows.
    `weight` (k,) is that of each row's kernel, `votes` (k,) that of its likelihood. The
    share `trimmed` of the votes, of the rows that are least likely, is not counted. A
    single row, of which no other tells anything, has the bandwidth one.
    """
    votes = weight if votes is None else votes
    least = np.min(D, axis=1, where=~np.eye(len(D), dtype=bool), initial=np.inf)
    voting = (votes > 0) & (least > 0) & np.isfinite(least)
    if not voting.any():
        return 1.0
    unit = np.median(least[voting])
    with np.errstate(over="ignore", under="ignore"):
        ratio = np.minimum(D / unit, _LARGEST)
    dimensions = partial(effective_dimensions, variances / unit)
    slope = _Slope(ratio, least / unit, weight, votes * voting, dimensions, trimmed)
    before, log_tau = None, -0.5 * np.log(dimensions(0.5))
    rising = slope(log_tau) > 0
    while before is None or (slope(log_tau) > 0) == rising:
        before, log_tau = log_tau, log_tau + (_STEP if rising else -_STEP)
    log_tau = brentq(slope, *sorted((before, log_tau)), xtol=_PRECISION)
    return float(np.exp(log_tau) * np.sqrt(unit))


class _Slope:
    """Derivative of the likelihood per vote by log tau."""

    def __init__(self, D, least, weight, votes, dimensions, trimmed):
        self._D, self._least, self._weight = D, least[:, None], weight
        self._votes, self._dimensions = votes / votes.sum(), dimensions
        self._trimmed = trimmed
        self._kernels = np.empty_like(D)

    def __call__(self, log_tau):
        rate = 0.5 * np.exp(-2 * log_tau)
        kernels = np.subtract(self._least, self._D, out=self._kernels)
        kernels *= rate
        np.fill_diagonal(kernels, -np.inf)  # no row speaks for itself
        np.exp(kernels, out=kernels)
        total = kernels @ self._weight
        kernels *= self._D
        distance = (kernels @ self._weight) / total
        votes = self._votes
        if self._trimmed:
            votes = self._heard(np.log(total) - rate * self._least[:, 0])
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
