"""Training rows in memory: centred, in canonical order, repeated where they are few.

Missing cells (NaN) are filled for training, and remembered for scoring.
"""

from dataclasses import dataclass, replace

import numpy as np

from skdsm._blocks import row_blocks
from skdsm.model.marginal import has_missing
from skdsm.rows.base import (
    ReadableRows,
    check_reach,
    mean_and_reach,
    repetitions,
    share_left_out,
)
from skdsm.rows.canonical import canonical_rows, canonical_rows_with_missing
from skdsm.training.filling import filled_rows

__all__ = ["InMemoryRows", "filled_training_rows", "prepare_rows"]


@dataclass(frozen=True, eq=False)
class InMemoryRows(ReadableRows):
    """Rows of weighted mean zero (n, d), in an order that does not depend on theirs.

    `missing` (n, d) marks the cells that were filled, or is None.
    """

    unit: float = 1.0
    repeated: bool = False
    missing: np.ndarray | None = None

    @property
    def dtype(self):
        return self._X.dtype

    @property
    def n_distinct(self):
        if not self.repeated:
            return self.n_rows
        # repetitions lie side by side, and differ at most in what they were filled with
        differ = self._X[1:] != self._X[:-1]
        if self.missing is not None:
            differ &= ~self.missing[1:]
            differ |= self.missing[1:] != self.missing[:-1]
        return 1 + np.count_nonzero(differ.any(axis=1))

    def scaled(self, unit, dtype):
        if unit == 1:
            return replace(self, _X=self._X.astype(dtype, copy=False))
        X = np.empty_like(self._X, dtype=dtype)
        np.divide(self._X, np.float64(unit), out=X, casting="same_kind")
        return replace(self, _X=X, unit=unit * self.unit)

    def head(self, n_rows):
        return self._part(slice(n_rows))

    def sample(self, n_rows):
        if n_rows >= self.n_rows:
            return self
        # repetitions of a row lie side by side, and are not to come all or none
        return self._part(np.arange(n_rows) * self.n_rows // n_rows)

    def tail(self, n_rows):
        return self._part(slice(-n_rows, None))

    def _part(self, rows):
        weight, missing = _chosen((self.weight, self.missing), rows)
        return replace(self, _X=self._X[rows], weight=weight, missing=missing)

    def representative(self):
        return self

    def blocks(self, size):
        return row_blocks(self.n_rows, size)

    def centred(self, rows=slice(None)):
        return self._X[rows]

    def original(self, rows):
        X = self._X[rows] * np.float64(self.unit)
        X += self.mean
        if self.missing is not None:
            X[self.missing[rows]] = np.nan
        return X.astype(self.dtype, copy=False)

    def within(self, reach):
        kept = reach.contains(self._X)
        if kept.all():
            return self, 0.0
        share = share_left_out(kept, self.weight)
        X, weight, missing = _chosen((self._X, self.weight, self.missing), kept)
        shift = np.average(X.astype(np.float64), axis=0, weights=weight)
        np.subtract(X, shift, out=X, casting="same_kind")
        mean = self.mean + shift
        return replace(self, _X=X, weight=weight, missing=missing, mean=mean), share


def _chosen(arrays, rows):
    """Take the same rows of all arrays that there are."""
    return [None if array is None else array[rows] for array in arrays]


def prepare_rows(X, sample_weight, seed):
    """Order, merge and centre rows (n, d), in a copy.

    Rows are repeated, at a fraction of their weight, where one row carries much of the
    weight or rows are few: each repetition gets noise of its own.
    """
    missing = None
    if has_missing(X):
        X, weight, missing = filled_training_rows(X, sample_weight, seed)
    else:
        X, weight = canonical_rows(X, sample_weight, seed)
    mean, reach = mean_and_reach(X, weight)
    check_reach(reach, X.shape, X.dtype)
    with np.errstate(over="ignore"):
        np.subtract(X, mean, out=X, casting="same_kind")
    copies = repetitions(weight)
    repeated = missing is not None or bool(copies.max() > 1)
    if missing is None and repeated:
        X = np.repeat(X, copies, axis=0)
        weight = np.repeat(weight / copies, copies)
    if np.ptp(weight) <= 1e-12 * weight[0]:
        weight = None
    return InMemoryRows(X, weight, mean, repeated=repeated, missing=missing)


def filled_training_rows(X, sample_weight, seed):
    """Rows in canonical order, repeated and filled; weights; and what was missing."""
    X, weight, missing = canonical_rows_with_missing(X, sample_weight, seed)
    copies = repetitions(weight)
    source = np.repeat(np.arange(len(X)), copies)
    X = filled_rows(X, missing, weight, source, seed)
    return X, (weight / copies)[source], missing[source]
