"""Training rows in memory: centred, in canonical order, repeated where they are few."""

from typing import NamedTuple

import numpy as np

from skdsm.exceptions import NonFiniteError
from skdsm.rows import canonical_rows, row_blocks

__all__ = [
    "REPRESENTATIVE_ROWS",
    "TrainingRows",
    "check_reach",
    "copyable_rows",
    "mean_and_reach",
    "prepare_rows",
    "repetitions",
]

# Of rows that are not in memory, how many set the threshold.
REPRESENTATIVE_ROWS = 2**17

_FEWEST_ROWS = 256  # below this, rows are repeated: their noise is not
_READ_ROWS = 4096  # at a time
_GATHERED_BYTES = 2**25  # a sample of at most this size is copied to memory


class TrainingRows(NamedTuple):
    """Training rows in memory, centred, in an order that does not depend on theirs.

    Attributes
    ----------
    X : ndarray of shape (n_samples, d)
        Rows of weighted mean zero.
    weight : ndarray of shape (n_samples,), float64, or None
        Positive weights; None is one each.
    mean : ndarray of shape (d,), float64
        What was subtracted.
    """

    X: np.ndarray
    weight: np.ndarray | None
    mean: np.ndarray

    def head(self, n_rows):
        """Take a random sample: rows are in random order.

        Parameters
        ----------
        n_rows : int
            How many, if there are that many.

        Returns
        -------
        TrainingRows
            The first of them.
        """
        weight = None if self.weight is None else self.weight[:n_rows]
        return TrainingRows(self.X[:n_rows], weight, self.mean)

    # in memory, a sample is the head
    sample = head  # type: ignore[misc]  # no field: mypy knows functions only by def

    def tail(self, n_rows):
        """Take a random sample that is in no `head`, as far as there are rows.

        Parameters
        ----------
        n_rows : int
            How many, if there are that many.

        Returns
        -------
        TrainingRows
            The last of them.
        """
        weight = None if self.weight is None else self.weight[-n_rows:]
        return TrainingRows(self.X[-n_rows:], weight, self.mean)

    def representative(self):
        """Take the rows whose scores set the threshold.

        Returns
        -------
        TrainingRows
            All of them.
        """
        return self

    @property
    def dtype(self):
        """Type of the arithmetic.

        Returns
        -------
        dtype
            That of the rows.
        """
        return self.X.dtype

    def rounded(self, dtype):
        """Choose the type of the arithmetic on these rows.

        Parameters
        ----------
        dtype : dtype
            Either float32 or float64.

        Returns
        -------
        TrainingRows
            The rows in that type.
        """
        return self._replace(X=self.X.astype(dtype, copy=False))

    def blocks(self, size):
        """Split the rows into blocks.

        Parameters
        ----------
        size : int
            Rows of a block, at most.

        Returns
        -------
        list of slice
            The blocks.
        """
        return row_blocks(len(self.X), size)

    def centred(self, rows):
        """Read a block.

        Parameters
        ----------
        rows : slice
            Which rows.

        Returns
        -------
        ndarray of shape (n_rows, d)
            Centred rows.
        """
        return self.X[rows]

    def given(self, rows):
        """Read a block as it was given.

        Parameters
        ----------
        rows : slice
            Which rows.

        Returns
        -------
        ndarray of shape (n_rows, d)
            Rows, up to rounding.
        """
        return (self.X[rows] + self.mean).astype(self.X.dtype, copy=False)

    def keep(self, kept):
        """Leave rows out.

        Parameters
        ----------
        kept : ndarray of shape (n_samples,), bool
            Which rows stay.

        Returns
        -------
        TrainingRows
            These rows, of weighted mean zero.
        """
        X, weight = self.X[kept], None if self.weight is None else self.weight[kept]
        shift = np.average(X.astype(np.float64), axis=0, weights=weight)
        np.subtract(X, shift, out=X, casting="same_kind")
        return TrainingRows(X, weight, self.mean + shift)


def prepare_rows(X, sample_weight, seed):
    """Order, merge and centre rows, in a copy.

    Rows are repeated, at a fraction of their weight, where one row carries much of the
    weight or rows are few: each repetition gets noise of its own.

    Parameters
    ----------
    X : ndarray of shape (n_samples, d), float32 or float64
        Rows; finite.
    sample_weight : ndarray of shape (n_samples,) or None
        Non-negative weights.
    seed : int
        Which random order.

    Returns
    -------
    TrainingRows
        The rows to train on.

    Raises
    ------
    NonFiniteError
        If squared distances between the rows overflow.
    """
    X, weight = canonical_rows(X, sample_weight, seed)
    mean, reach = mean_and_reach(X, weight)
    check_reach(reach, X)
    with np.errstate(over="ignore"):
        np.subtract(X, mean, out=X, casting="same_kind")
    copies = repetitions(weight)
    if copies.max() > 1:
        X = np.repeat(X, copies, axis=0)
        weight = np.repeat(weight / copies, copies)
    if np.ptp(weight) <= 1e-12 * weight[0]:
        weight = None
    return TrainingRows(X, weight, mean)


def repetitions(weight):
    """Say how often each row is to be repeated, at a fraction of its weight.

    Parameters
    ----------
    weight : ndarray of shape (n_samples,), float64
        Positive weights.

    Returns
    -------
    ndarray of shape (n_samples,), int
        How often: once, unless the row carries much of the weight or rows are few.
    """
    share = weight / weight.sum()
    return np.rint(max(len(weight), _FEWEST_ROWS) * share).astype(int).clip(1)


def mean_and_reach(X, weight):
    """Weighted mean, and how far the rows are apart.

    Parameters
    ----------
    X : ndarray of shape (n_samples, d), float32 or float64
        Rows; finite.
    weight : ndarray of shape (n_samples,) or None
        Non-negative weights of at most one, not all zero.

    Returns
    -------
    mean : ndarray of shape (d,), float64
        The mean, in double precision.
    reach : float
        Largest distance of a coordinate from that of the first row.
    """
    # relative to a row, so that the mean of far-away rows has its digits
    origin = X[0].astype(np.float64)
    total, weight_sum, largest = np.zeros(X.shape[1]), 0.0, 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        for rows in row_blocks(len(X), _READ_ROWS):
            block = np.subtract(X[rows], origin, order="C")
            w = np.ones(len(block)) if weight is None else weight[rows]
            total += w @ block
            weight_sum += w.sum()
            largest = max(largest, np.abs(block).max())
        return origin + total / weight_sum, largest


def check_reach(reach, X):
    """Check that a sum of squared distances between rows does not overflow.

    Parameters
    ----------
    reach : float
        Largest distance of a coordinate from that of one row.
    X : array of shape (n_samples, d)
        The rows, of which only the shape and the type are looked at.

    Raises
    ------
    NonFiniteError
        If it overflows in the type of the rows.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        size = X.dtype.type(2 * reach)
        if not np.isfinite(size * size * X.dtype.type(X.size)):
            raise NonFiniteError("A sum of squared distances between rows of X")


def copyable_rows(X):
    """Say how many rows of an array that is not in memory may be copied there.

    Parameters
    ----------
    X : array of shape (n_samples, d)
        The rows, of which only the shape and the type are looked at.

    Returns
    -------
    int
        Rows of a sample, at most; at least one.
    """
    return max(1, _GATHERED_BYTES // (X.shape[1] * X.dtype.itemsize))
