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
    pair_distances,
    spread_variances,
)

__all__ = ["Reach", "find_reach"]

_BLOCK_ELEMENTS = 2**18  # of a block's distances: they stay in cache
_UNLIKELY = 0.1  # of the rows: have no say in how long noise is
_LEVEL = 1.5  # bandwidths: the level of the noise that links rows
_DEVIATIONS = 3.0  # of the length of noise, beyond its mean
_FEWEST = 12  # rows: a smaller group is left out
_SMALL_SHARE = 0.05  # of all rows: a larger group is kept, however few they are
_LARGEST_SHARE = 0.1  # of the rows: more are not left out
_GROWTH = 1.25  # of the radius, while too many rows would be left out
_GROSS = 5.0  # typical distances of two rows: what is farther is an error
_PASSES = 2  # the second knows which columns vary without the rows left out


class Reach(NamedTuple):
    """Where noise from the rows comes: within a radius of rows that are linked."""

    centres: np.ndarray  # (k, d)
    weight: np.ndarray  # (k,)
    bandwidth: float
    radius: float

    def contains(self, X):
        """Tell for each row of X, of shape (n, d), whether noise comes there."""
        n_rows = max(1, _BLOCK_ELEMENTS // len(self.centres))
        blocks = row_blocks(len(X), n_rows)
        return np.concatenate([self._contains(X[rows]) for rows in blocks])

    def _contains(self, X):
        distance = cdist(X, self.centres, "sqeuclidean")
        return distance.min(axis=1) <= self.radius**2


def find_reach(X, weight):
    """Leave out small groups among distinct rows X (k, d) of positive `weight` (k,).

    First the likely rows say how far noise reaches, then all rows that are reached.
    """
    D = pair_distances(X)
    bandwidth = likelihood_bandwidth(
        D, weight, spread_variances(X), votes=np.ones(len(X)), trimmed=_UNLIKELY
    )
    variances = spread_variances(X)
    for _ in range(_PASSES):
        kept, radius = _linked(D, weight, _noise_length(variances, bandwidth))
        variances = spread_variances(X[kept])
        bandwidth = _bandwidth_of(
            D[np.ix_(kept, kept)], weight[kept], variances, radius
        )
    return Reach(X[kept], weight[kept], _voted(D, weight, variances), radius)


def _noise_length(variances, bandwidth):
    """Length of most noise at a typical level."""
    dimensions = effective_dimensions(variances, bandwidth)
    return _LEVEL * bandwidth * (dimensions**0.5 + _DEVIATIONS)


def _voted(D, weight, variances):
    """Bandwidth by the votes of all rows, except those that are grossly far."""
    others = ~np.eye(len(D), dtype=bool)
    if not others.any():
        return 1.0
    nearest = np.min(D, axis=1, where=others, initial=np.inf)
    votes = weight * (nearest <= _GROSS**2 * np.median(D[others]))
    return likelihood_bandwidth(D, weight, variances, votes)


def _bandwidth_of(D, weight, variances, radius):
    others = ~np.eye(len(D), dtype=bool)
    nearest = np.min(D, axis=1, where=others, initial=np.inf)
    # heavy rows that stand alone know nothing of the bandwidth
    votes = weight * (nearest <= radius**2)
    return likelihood_bandwidth(D, weight, variances, votes)


def _linked(D, weight, radius):
    """Rows in groups of at least the smallest mass, and the radius that links them."""
    total = weight.sum()
    least = min(_FEWEST * np.median(weight), _SMALL_SHARE * total)
    while True:
        kept = _mass_of_group(radius**2 >= D, weight) >= least
        if weight[~kept].sum() <= _LARGEST_SHARE * total:
            return kept, radius
        radius *= _GROWTH


def _mass_of_group(linked, weight):
    """Weight of the connected component of each row of a graph (k, k)."""
    mass = np.zeros(len(weight))
    for first in range(len(weight)):
        if mass[first]:
            continue
        group = newcomers = np.arange(len(weight)) == first
        while newcomers.any():
            newcomers = linked[newcomers].any(axis=0) & ~group
            group = group | newcomers
        mass[group] = weight[group].sum()
    return mass
