"""What all kinds of training rows share: limits, weights, mean and reach."""

import numpy as np

from skdsm._blocks import row_blocks
from skdsm.exceptions import NonFiniteError

__all__ = [
    "REPRESENTATIVE_ROWS",
    "check_reach",
    "copyable_rows",
    "mean_and_reach",
    "repetitions",
    "scale_weights",
]

# Of rows that are not in memory, how many set the threshold.
REPRESENTATIVE_ROWS = 2**17
_FEWEST_ROWS = 256  # below this, rows are repeated: their noise is not
_READ_ROWS = 4096  # at a time
_GATHERED_BYTES = 2**25  # a sample of at most this size is copied to memory


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


def scale_weights(sample_weight):
    """Scale weights to at most one, so that no sum of them overflows.

    Parameters
    ----------
    sample_weight : ndarray of shape (n_samples,)
        Non-negative weights, not all zero.

    Returns
    -------
    ndarray of shape (n_samples,)
        The weights by a power of two, without rounding: 3 must stay three times 1.
    """
    return np.ldexp(sample_weight, -np.frexp(sample_weight.max())[1])
