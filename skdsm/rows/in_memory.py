"""Training rows in memory: centred, in canonical order, repeated where they are few."""

from typing import NamedTuple

import numpy as np

from skdsm._blocks import row_blocks
from skdsm.rows.base import check_reach, mean_and_reach, repetitions
from skdsm.rows.canonical import canonical_rows

__all__ = ["TrainingRows", "prepare_rows"]


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
