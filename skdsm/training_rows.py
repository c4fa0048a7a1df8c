"""The rows a model is trained on: in memory and in canonical order, or left on disk."""

from typing import NamedTuple

import numpy as np

from skdsm.exceptions import NonFiniteError
from skdsm.rows import canonical_rows, row_blocks, scale_weights

__all__ = [
    "MappedRows",
    "TrainingRows",
    "check_reach",
    "leave_rows",
    "map_rows",
    "mean_and_reach",
    "prepare_rows",
    "repetitions",
]

_FEWEST_ROWS = 256  # below this, rows are repeated: their noise is not
_BLOCK = 4096
_GATHERED_BYTES = 2**25  # a sample of at most this size is copied to memory
_REPRESENTATIVE_ROWS = 2**17


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
    """

    X: np.ndarray
    weight: np.ndarray | None
    mean: np.ndarray
    order: np.ndarray
    seed: int

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
        return self._part(n_rows, self.whole_blocks(n_rows))

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
        return self._part(n_rows, self._replace(order=last))

    def _part(self, n_rows, whole_blocks):
        if n_rows >= len(self.X):
            return self
        if n_rows * self.X[:1].nbytes <= _GATHERED_BYTES:
            return self.sample(n_rows)
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

    def sample(self, n_rows):
        """Copy a random sample of single rows to memory.

        Parameters
        ----------
        n_rows : int
            How many, if there are that many and they fit in the bound on a copy.

        Returns
        -------
        TrainingRows
            The sample.
        """
        candidates = n_candidates = len(self.X)
        if self.weight is not None:
            candidates = np.flatnonzero(self.weight)
            n_candidates = len(candidates)
        fitting = max(1, _GATHERED_BYTES // self.X[:1].nbytes)
        n_rows = min(n_rows, n_candidates, fitting)
        rng = np.random.default_rng((self.seed, n_rows))
        index = np.sort(rng.choice(candidates, n_rows, replace=False))
        index = index[rng.permutation(n_rows)]
        weight = None if self.weight is None else self.weight[index]
        X = self.X[index]
        np.subtract(X, self.mean, out=X, casting="same_kind")
        return TrainingRows(X, weight, self.mean)

    def representative(self):
        """Take the rows whose scores set the threshold.

        Returns
        -------
        TrainingRows
            A random sample: what is kept for each row must not grow with the file.
        """
        return self.sample(_REPRESENTATIVE_ROWS)

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
        X = np.empty(self.X[rows].shape, self.X.dtype)
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
    return MappedRows(X, weight, mean, order, seed)


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
        for rows in row_blocks(len(X), _BLOCK):
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
