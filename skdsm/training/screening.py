"""Which rows shape the model: those that noise from other rows can reach.

The energy is trained where corrupted rows come. A row that no corrupted copy of another
one comes near tells the model nothing of its surroundings: it gets a well of its own,
of a depth that is a guess. Rows that are linked to others by steps of the length of
noise form groups, and groups of few rows (sentinel values, errors of transmission) are
left out of training, and scored like all other rows.
"""

from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import cdist

from skdsm._blocks import row_blocks
from skdsm.training.bandwidth import (
    effective_dimensions,
    likelihood_bandwidth,
    nearest_distances,
    spread_variances,
)

__all__ = ["Reach", "find_reach", "reach_of"]

_CENTRES = 512  # rows, at most, that stand for all
_BLOCK_ROWS = 4096  # whose distances to a few centres stay in cache
_FIRST_CENTRES = 4  # that rows are compared with: most are near one of these
_UNLIKELY = 0.1  # of the rows: have no say in how long noise is
_LEVEL = 1.5  # bandwidths: the level of the noise that links rows
_DEVIATIONS = 3.0  # of the length of noise, beyond its mean
_FEWEST = 12  # distinct rows: a group of fewer is left out
_SMALL_SHARE = 0.05  # of all rows, by weight: a heavier group is kept
_LARGEST_SHARE = 0.1  # of the rows: more are not left out
_GROWTH = 1.25  # of the radius, while too many rows would be left out
_LEAST = 1e8  # smallest numbers: a squared distance of so many is one
_GROSS = 5.0  # typical distances of two rows: what is farther is an error


class Reach(NamedTuple):
    """Where noise from the rows comes: within a radius of rows that are linked.

    `bandwidth` maximises the likelihood of the rows under their Parzen density, and
    `spread` is their standard deviation in a typical direction.
    """

    centres: np.ndarray  # (k, d)
    bandwidth: float
    spread: float
    radius: float

    def contains(self, X, map=map):
        """Tell for each row of X, of shape (n, d), whether noise comes there."""
        blocks = row_blocks(len(X), _BLOCK_ROWS)
        inside = map(lambda rows: self._contains(X[rows]), blocks)
        return np.concatenate(list(inside))

    def _contains(self, X):
        inside = np.zeros(len(X), dtype=bool)
        start, stop = 0, _FIRST_CENTRES
        while start < len(self.centres):
            left = np.flatnonzero(~inside)
            distance = cdist(X[left], self.centres[start:stop], "sqeuclidean")
            inside[left] = (distance <= self.radius**2).any(axis=1)
            start, stop = stop, 4 * stop
        return inside


def reach_of(rows):
    """Find the reach of noise from training rows, in the frame of centred rows."""
    sample = rows.sample(_CENTRES)
    X = sample.centred().astype(np.float64, copy=False)
    weight = np.ones(len(X)) if sample.weight is None else sample.weight
    # squares and inverse squares of the bandwidth are to be numbers of the rows' type
    return find_reach(X, weight, _LEAST * float(np.finfo(sample.dtype).tiny))


def find_reach(X, weight, least=0.0):
    """Leave out small groups among rows X (k, d) of positive `weight` (k,).

    Squared distances of at most `least` count as zero.

    First the likely rows say how far noise reaches, then those that are linked, which
    also know which columns vary without the others. All rows but gross errors have a
    vote on the bandwidth: rows in long tails ask for a wide one.
    """
    D = cdist(X, X, "sqeuclidean")
    D[least >= D] = 0.0
    X, weight, D = _merge_equal(X, weight, D)
    variances = spread_variances(X)
    bandwidth = likelihood_bandwidth(
        D, weight, variances, votes=np.ones(len(X)), trimmed=_UNLIKELY
    )
    kept, radius = _linked(D, weight, _noise_length(variances, bandwidth))
    # heavy rows that stand alone know nothing of the bandwidth
    variances = spread_variances(X[kept])
    near = nearest_distances(D) <= radius**2
    bandwidth = likelihood_bandwidth(D, weight, variances, weight * (near & kept))
    kept, radius = _linked(D, weight, _noise_length(variances, bandwidth))
    variances = spread_variances(X[kept])
    bandwidth = _voted(D, weight, variances)
    dimensions = effective_dimensions(variances, bandwidth)
    spread = float(np.sqrt(variances.sum() / dimensions))
    return Reach(X[kept], bandwidth, spread, float(radius))


def _merge_equal(X, weight, D):
    """Rows at no distance are one row, of their summed weight."""
    first = np.argmin(D, axis=1)  # itself, or an equal row before it
    kept = first == np.arange(len(X))
    if kept.all():
        return X, weight, D
    weight = np.bincount(first, weights=weight, minlength=len(X))
    return X[kept], weight[kept], D[np.ix_(kept, kept)]


def _noise_length(variances, bandwidth):
    """Length of most noise at a typical level."""
    dimensions = effective_dimensions(variances, bandwidth)
    return _LEVEL * bandwidth * (dimensions**0.5 + _DEVIATIONS)


def _voted(D, weight, variances):
    """Bandwidth by the votes of all rows, except those that are grossly far."""
    if len(D) == 1:
        return 1.0
    typical = np.median(D[~np.eye(len(D), dtype=bool)])
    votes = weight * (nearest_distances(D) <= _GROSS**2 * typical)
    return likelihood_bandwidth(D, weight, variances, votes)


def _linked(D, weight, radius):
    """Rows in groups that are not small, and the radius that links them."""
    total = weight.sum()
    while True:
        group = _groups(radius**2 >= D)
        mass, count = np.bincount(group, weights=weight), np.bincount(group)
        kept = ((mass >= _SMALL_SHARE * total) | (count >= _FEWEST))[group]
        if weight[~kept].sum() <= _LARGEST_SHARE * total:
            return kept, radius
        radius *= _GROWTH


def _groups(linked):
    """Number of the connected component of each row of a graph (k, k).

    SciPy's function makes a sparse matrix first, which takes longer than the search.
    """
    number, n_groups = np.full(len(linked), -1), 0
    for first in range(len(linked)):
        if number[first] < 0:
            newcomers = np.arange(len(linked)) == first
            while newcomers.any():
                number[newcomers] = n_groups
                newcomers = linked[newcomers].any(axis=0) & (number < 0)
            n_groups += 1
    return number
