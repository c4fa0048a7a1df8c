"""A bounded sample of the training rows, and the Parzen density of it.

The energy-based model is fitted to this density (Vincent 2011, section 4), and keeps no
row. Where a few rows may be kept, they tell how far a new row is from all others, which
the model knows well near the data only.
"""

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from skdsm.model.array_ops import NUMPY
from skdsm.model.marginal import per_observed_cell
from skdsm.model.parzen import merged_rows, weight_without_one

__all__ = ["ROUNDING", "Landmarks", "choose_landmarks"]

ROUNDING = 16  # units of rounding: a squared distance of so many is zero


class _Cast(NamedTuple):
    """Landmarks where some rows are, in their type, relative to the origin."""

    rows: Any
    square_norm: Any
    weight: Any
    origin: Any
    further: Any
    less: Any


@dataclass(frozen=True)
class Landmarks:
    """Rows that were kept.

    Attributes
    ----------
    X : ndarray of shape (k, d)
        Distinct rows, in random order.
    weight : ndarray of shape (k,), float64
        Positive weights.
    bandwidth : float
        tau, of the Parzen density, in units of the data.
    origin : ndarray of shape (d,), float64
        A point amid the rows, for their digits.
    ops : NumpyOps or Device
        Where the rows of queries are, and the operations there.
    """

    X: np.ndarray
    weight: np.ndarray
    bandwidth: float
    origin: np.ndarray
    ops: Any = NUMPY
    _casts: dict = field(default_factory=dict, init=False, repr=False, compare=False)

    def to(self, ops):
        """The same landmarks, for rows elsewhere."""
        return replace(self, ops=ops)

    @property
    def _rate(self):
        return 0.5 / self.bandwidth**2

    @property
    def as_itself(self):
        """What changes for a row that is landmark k, and is not compared with itself.

        The landmark counts for as many rows less as one row is: how much further away
        it seems, ``-log(w' / w) / rate``, and what the total weight changes by.
        """
        rest = weight_without_one(self.weight)
        with np.errstate(divide="ignore"):
            return -np.log(rest / self.weight) / self._rate, rest - self.weight

    def _cast(self, dtype):
        if dtype not in self._casts:
            ops, put = self.ops, self.ops.put
            origin = put(self.origin)
            rows = ops.centre(put(self.X, dtype), origin)
            further, less = map(put, self.as_itself)
            self._casts[dtype] = _Cast(
                rows,
                ops.square_norm(rows),
                put(self.weight, dtype),
                origin,
                further,
                less,
            )
        return self._casts[dtype]

    def squared_distance(self, X):
        """Soft minimum of the squared distances to the landmarks, (n_samples,).

        ``-2 tau^2 log(mean_k exp(-|x - x_k|^2 / (2 tau^2)))``: up to a constant and a
        factor, minus the logarithm of the Parzen density of bandwidth tau. A row that
        is a landmark, up to rounding, is not compared with itself, so that rows of the
        training set and new ones are ranked alike.
        """
        ops, cast = self.ops, self._cast(X.dtype)
        Z = ops.centre(X, cast.origin)
        z = ops.square_norm(Z)
        distance = ops.squared_distances(Z, z, cast.rows, cast.square_norm)
        return self._soft_minimum(distance, z, X.dtype)

    def observed_squared_distance(self, X):
        """The same over the observed cells of NumPy rows, in proportion for all d."""
        cast = self._cast(X.dtype)
        observed = ~np.isnan(X)
        Z = np.where(observed, self.ops.centre(X, cast.origin), 0)
        proportion = per_observed_cell(X).astype(X.dtype)
        z = self.ops.square_norm(Z) * proportion
        y = observed.astype(X.dtype) @ np.square(cast.rows).T
        distance = self.ops.squared_distances(
            Z * proportion[:, None], z, cast.rows, y * proportion[:, None]
        )
        return self._soft_minimum(distance, z, X.dtype)

    def _soft_minimum(self, distance, z, dtype):
        """Soft minimum of distances (n, k) for rows of squared norms z (n,)."""
        ops, cast = self.ops, self._cast(dtype)
        total = float(self.weight.sum())
        if len(self.X) > 1:
            eps = float(np.finfo(ops.numpy_dtype(dtype)).eps)
            # rounding of sums of squares, and of the coordinates
            limit = 2 * z + eps * float(self.origin @ self.origin)
            limit = ROUNDING * eps * limit
            distance, change = ops.add_at_minimum(
                distance, limit, cast.further, cast.less
            )
            total = total + change
        least, log_mean = ops.log_mean_exp(distance, self._rate, cast.weight, total)
        return least - log_mean / self._rate


def choose_landmarks(rows, n_landmarks, bandwidth):
    """Keep a random sample of the distinct training rows (an in-memory sample)."""
    kept, weight = merged_rows(rows, n_landmarks)
    kept = (kept + rows.mean).astype(kept.dtype)
    return Landmarks(kept, weight, bandwidth, rows.mean)
