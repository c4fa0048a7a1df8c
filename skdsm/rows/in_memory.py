"""Training rows in memory: centred, in canonical order, repeated where they are few.

Missing cells (NaN) are filled for training, and remembered for scoring.
"""

from abc import abstractmethod
from dataclasses import dataclass, replace

import numpy as np

from skdsm._blocks import row_blocks
from skdsm.model.marginal import has_missing
from skdsm.rows.base import (
    COPIED_ROWS,
    READ_ROWS,
    ReadableRows,
    check_reach,
    contained_rows,
    mean_and_reach,
    repetitions,
    share_left_out,
    take_rows,
)
from skdsm.rows.canonical import canonical_order, canonical_rows_with_missing
from skdsm.training.filling import filled_rows

__all__ = ["InMemoryRows", "IndexedRows", "filled_training_rows", "prepare_rows"]


@dataclass(frozen=True, eq=False)
class _LocalRows(ReadableRows):
    """Rows of an array in memory: a slice of them is a random sample."""

    @property
    def dtype(self):
        return self._X.dtype

    @abstractmethod
    def _part(self, rows):
        """Some of the rows, by a slice, an index or a mask."""

    def head(self, n_rows):
        return self._part(slice(n_rows))

    def tail(self, n_rows):
        return self._part(slice(-n_rows, None))

    def representative(self):
        return self

    def blocks(self, size):
        return row_blocks(self.n_rows, size)


@dataclass(frozen=True, eq=False)
class InMemoryRows(_LocalRows):
    """Rows of weighted mean zero (n, d), in an order that does not depend on theirs.

    `missing` (n, d) marks the cells that were filled, or is None.
    """

    unit: float = 1.0
    repeated: bool = False
    missing: np.ndarray | None = None

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

    def sample(self, n_rows):
        if n_rows >= self.n_rows:
            return self
        # repetitions of a row lie side by side, and are not to come all or none
        return self._part(np.arange(n_rows) * self.n_rows // n_rows)

    def _part(self, rows):
        weight, missing = _chosen((self.weight, self.missing), rows)
        return replace(self, _X=self._X[rows], weight=weight, missing=missing)

    def centred(self, rows=slice(None)):
        return self._X[rows]

    def original(self, rows):
        X = self._X[rows] * np.float64(self.unit)
        X += self.mean
        if self.missing is not None:
            X[self.missing[rows]] = np.nan
        return X.astype(self.dtype, copy=False)

    def within(self, reach, map=map):
        kept = reach.contains(self._X, map)
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


@dataclass(frozen=True, eq=False)
class IndexedRows(_LocalRows):
    """Rows of an array (n, d) that stays as it is, in the order of an index (k,).

    They are the rows that InMemoryRows would have, but these are many, and fits seldom
    need more than a sample: it is copied when it is scaled.
    """

    order: np.ndarray
    repeated: bool = False
    missing = None

    @property
    def n_rows(self):
        return len(self.order)

    @property
    def n_distinct(self):
        if not self.repeated:
            return self.n_rows
        return 1 + np.count_nonzero(self.order[1:] != self.order[:-1])

    def copied(self):
        """The same rows as InMemoryRows."""
        return InMemoryRows(
            self.centred(), self.weight, self.mean, repeated=self.repeated
        )

    def scaled(self, unit, dtype):
        return self.copied().scaled(unit, dtype)

    def sample(self, n_rows):
        n_rows = min(n_rows, self.n_rows)
        return self._part(np.arange(n_rows) * self.n_rows // n_rows).copied()

    def _part(self, rows):
        order, weight = _chosen((self.order, self.weight), rows)
        return replace(self, order=order, weight=weight)

    def centred(self, rows=slice(None)):
        return _centre(take_rows(self._X, self.order[rows]), self.mean)

    def original(self, rows):
        return take_rows(self._X, self.order[rows])

    def within(self, reach, map=map):
        # in the order of the array, which is faster to read
        parts = row_blocks(len(self._X), READ_ROWS)
        kept = contained_rows(self._X, self.mean, reach, parts, map)[self.order]
        if kept.all():
            return self, 0.0
        share = share_left_out(kept, self.weight)
        left = self._part(kept)
        mean, _ = mean_and_reach(self._X, left.weight, left.order)
        return replace(left, mean=mean), share


def prepare_rows(X, sample_weight, seed):
    """Order, merge and centre rows (n, d), in a copy unless they are many.

    Rows are repeated, at a fraction of their weight, where one row carries much of the
    weight or rows are few: each repetition gets noise of its own.
    """
    if has_missing(X):
        return _filled_rows(*filled_training_rows(X, sample_weight, seed))
    order, weight = canonical_order(X, sample_weight, seed)
    mean, reach = mean_and_reach(X, weight, order)
    check_reach(reach, (len(order), X.shape[1]), X.dtype)
    copies = repetitions(weight)
    repeated = bool(copies.max() > 1)
    if repeated:
        order = np.repeat(order, copies)
        weight = np.repeat(weight / copies, copies)
    rows = IndexedRows(X, _unless_equal(weight), mean, order, repeated=repeated)
    return rows if rows.n_rows > COPIED_ROWS else rows.copied()


def _filled_rows(X, weight, missing):
    """Rows that are filled and repeated, centred in place."""
    mean, reach = mean_and_reach(X, weight)
    check_reach(reach, X.shape, X.dtype)
    weight = _unless_equal(weight)
    return InMemoryRows(_centre(X, mean), weight, mean, repeated=True, missing=missing)


def _centre(X, mean):
    """Subtract the mean, in place."""
    with np.errstate(over="ignore"):
        return np.subtract(X, mean, out=X, casting="same_kind")


def _unless_equal(weight):
    """Weights, or None for equal ones."""
    return None if np.ptp(weight) <= 1e-12 * weight[0] else weight


def filled_training_rows(X, sample_weight, seed):
    """Rows in canonical order, repeated and filled; weights; and what was missing."""
    X, weight, missing = canonical_rows_with_missing(X, sample_weight, seed)
    copies = repetitions(weight)
    source = np.repeat(np.arange(len(X)), copies)
    X = filled_rows(X, missing, weight, source, seed)
    return X, (weight / copies)[source], missing[source]
