"""Training rows left where they are, on disk, and read block by block."""

from typing import NamedTuple

import numpy as np

from skdsm._blocks import row_blocks
from skdsm.rows.base import (
    REPRESENTATIVE_ROWS,
    check_reach,
    copyable_rows,
    mean_and_reach,
    scale_weights,
)
from skdsm.rows.in_memory import TrainingRows

__all__ = ["HEAD", "TAIL", "MappedRows", "leave_rows", "map_rows"]

HEAD, TAIL = range(2)  # of two samples of one size, which

_BLOCK = 4096


class MappedRows(NamedTuple):
    """Training rows left where they are, in blocks of random order.

    Attributes
    ----------
    X : ndarray of shape (n_samples, d)
        Rows as they were given.
    weight : ndarray of shape (n_samples,), float64, or None
        Weights; None is one each.
    mean : ndarray of shape (d,), float64
        Their weighted mean.
    order : ndarray of int
        Indices of the blocks of rows in use, in the order they are read.
    seed : int
        Of samples.
    dtype : dtype
        Type of the arithmetic, to which centred rows are rounded.
    """

    X: np.ndarray
    weight: np.ndarray | None
    mean: np.ndarray
    order: np.ndarray
    seed: int
    dtype: np.dtype

    def head(self, n_rows):
        """Take a random sample.

        Parameters
        ----------
        n_rows : int
            How many, if there are that many.

        Returns
        -------
        TrainingRows or MappedRows
            Single rows copied to memory; whole blocks, if that would be too many.
        """
        return self._part(n_rows, HEAD, self.whole_blocks(n_rows))

    def tail(self, n_rows):
        """Take a random sample that shares few rows with any `head`, if there are many.

        Parameters
        ----------
        n_rows : int
            How many, if there are that many.

        Returns
        -------
        TrainingRows or MappedRows
            Single rows copied to memory; whole blocks, if that would be too many.
        """
        last = self.order[-max(1, n_rows // _BLOCK) :]
        return self._part(n_rows, TAIL, self._replace(order=last))

    def _part(self, n_rows, draw, whole_blocks):
        if n_rows >= len(self.X):
            return self
        if n_rows <= copyable_rows(self.X):
            return self.sample(n_rows, draw)
        return whole_blocks

    def whole_blocks(self, n_rows):
        """Take a random sample of blocks, and copy nothing.

        Parameters
        ----------
        n_rows : int
            Rows at most, unless one block has more.

        Returns
        -------
        MappedRows
            The first blocks.
        """
        return self._replace(order=self.order[: max(1, n_rows // _BLOCK)])

    def sample(self, n_rows, draw=HEAD):
        """Copy a random sample of single rows to memory.

        Parameters
        ----------
        n_rows : int
            How many, if there are that many and they fit in the bound on a copy.
        draw : {HEAD, TAIL}, optional
            Which of the samples of that size.

        Returns
        -------
        TrainingRows
            The sample.
        """
        candidates = n_candidates = len(self.X)
        if self.weight is not None:
            candidates = np.flatnonzero(self.weight)
            n_candidates = len(candidates)
        n_rows = min(n_rows, n_candidates, copyable_rows(self.X))
        rng = np.random.default_rng((self.seed, n_rows, draw))
        index = np.sort(rng.choice(candidates, n_rows, replace=False))
        index = index[rng.permutation(n_rows)]
        weight = None if self.weight is None else self.weight[index]
        X = self.X[index]
        np.subtract(X, self.mean, out=X, casting="same_kind")
        return TrainingRows(X, weight, self.mean).rounded(self.dtype)

    def representative(self):
        """Take the rows whose scores set the threshold.

        Returns
        -------
        TrainingRows
            A random sample: what is kept for each row must not grow with the file.
        """
        return self.sample(REPRESENTATIVE_ROWS)

    def rounded(self, dtype):
        """Choose the type of the arithmetic on these rows.

        Parameters
        ----------
        dtype : dtype
            Either float32 or float64.

        Returns
        -------
        MappedRows
            The same rows, which are rounded as they are read.
        """
        return self._replace(dtype=np.dtype(dtype))

    def blocks(self, size):
        """Split the rows in use into blocks.

        Parameters
        ----------
        size : int
            Rows of a block, at most.

        Returns
        -------
        list of slice
            The blocks, in the order to read them.
        """
        n = len(self.X)
        return [
            slice(start + rows.start, start + rows.stop)
            for start in self.order * _BLOCK
            for rows in row_blocks(min(_BLOCK, n - start), size)
        ]

    def centred(self, rows):
        """Read a block.

        Parameters
        ----------
        rows : slice
            Which rows.

        Returns
        -------
        ndarray of shape (n_rows, d)
            Centred rows, copied.
        """
        X = np.empty(self.X[rows].shape, self.dtype)
        return np.subtract(self.X[rows], self.mean, out=X, casting="same_kind")

    def given(self, rows):
        """Read a block as it was given.

        Parameters
        ----------
        rows : slice
            Which rows.

        Returns
        -------
        ndarray of shape (n_rows, d)
            Rows, copied.
        """
        return np.array(self.X[rows])

    def keep(self, kept):
        """Leave rows out.

        Parameters
        ----------
        kept : ndarray of shape (n_samples,), bool
            Which rows stay.

        Returns
        -------
        MappedRows
            The same rows, of which some have no weight.
        """
        weight = np.where(kept, 1.0 if self.weight is None else self.weight, 0.0)
        return map_rows(self.X, weight, self.seed)


def map_rows(X, sample_weight, seed):
    """Set up rows that are too many to copy.

    Their order in the file stays, in blocks, and equal rows are not merged: the fit
    depends on both.

    Parameters
    ----------
    X : ndarray of shape (n_samples, d), float32 or float64
        Rows; finite.
    sample_weight : ndarray of shape (n_samples,) or None
        Non-negative weights.
    seed : int
        Which random order of the blocks.

    Returns
    -------
    MappedRows
        The rows to train on.

    Raises
    ------
    NonFiniteError
        If squared distances between the rows overflow.
    """
    weight = None if sample_weight is None else scale_weights(sample_weight)
    mean, reach = mean_and_reach(X, weight)
    check_reach(reach, X)
    return leave_rows(X, weight, mean, seed)


def leave_rows(X, weight, mean, seed):
    """Set up rows whose mean is known, where they are.

    Parameters
    ----------
    X : ndarray of shape (n_samples, d), float32 or float64
        Rows; finite.
    weight : ndarray of shape (n_samples,) or None
        Non-negative weights of at most one.
    mean : ndarray of shape (d,), float64
        What to subtract.
    seed : int
        Which random order of the blocks.

    Returns
    -------
    MappedRows
        The rows to train on.
    """
    n_blocks = -(-len(X) // _BLOCK)
    order = np.random.default_rng(seed).permutation(n_blocks)
    if weight is not None:
        in_use = np.add.reduceat(weight, _BLOCK * np.arange(n_blocks)) > 0
        order = order[in_use[order]]
    return MappedRows(X, weight, mean, order, seed, X.dtype)
