"""Training rows in memory: centred, in canonical order, repeated where they are few."""

from dataclasses import dataclass, replace

import numpy as np

from skdsm._blocks import row_blocks
from skdsm.rows.base import ReadableRows, check_reach, mean_and_reach, repetitions
from skdsm.rows.canonical import canonical_rows

__all__ = ["InMemoryRows", "prepare_rows"]


@dataclass(frozen=True, eq=False)
class InMemoryRows(ReadableRows):
    """Rows of weighted mean zero (n, d), in an order that does not depend on theirs."""

    @property
    def dtype(self):
        return self._X.dtype

    def astype(self, dtype):
        return replace(self, _X=self._X.astype(dtype, copy=False))

    def head(self, n_rows):
        return self._part(slice(n_rows))

    sample = head

    def tail(self, n_rows):
        return self._part(slice(-n_rows, None))

    def _part(self, rows):
        weight = None if self.weight is None else self.weight[rows]
        return replace(self, _X=self._X[rows], weight=weight)

    def representative(self):
        return self

    def blocks(self, size):
        return row_blocks(self.n_rows, size)

    def centred(self, rows=slice(None)):
        return self._X[rows]

    def original(self, rows):
        return (self._X[rows] + self.mean).astype(self.dtype, copy=False)

    def keep(self, kept):
        X, weight = self._X[kept], None if self.weight is None else self.weight[kept]
        shift = np.average(X.astype(np.float64), axis=0, weights=weight)
        np.subtract(X, shift, out=X, casting="same_kind")
        return replace(self, _X=X, weight=weight, mean=self.mean + shift)


def prepare_rows(X, sample_weight, seed):
    """Order, merge and centre rows (n, d), in a copy.

    Rows are repeated, at a fraction of their weight, where one row carries much of the
    weight or rows are few: each repetition gets noise of its own.
    """
    X, weight = canonical_rows(X, sample_weight, seed)
    mean, reach = mean_and_reach(X, weight)
    check_reach(reach, X.shape, X.dtype)
    with np.errstate(over="ignore"):
        np.subtract(X, mean, out=X, casting="same_kind")
    copies = repetitions(weight)
    if copies.max() > 1:
        X = np.repeat(X, copies, axis=0)
        weight = np.repeat(weight / copies, copies)
    if np.ptp(weight) <= 1e-12 * weight[0]:
        weight = None
    return InMemoryRows(X, weight, mean)
