"""Rows about an origin, and the squared distances between them."""

import numpy as np

__all__ = ["centre_rows", "squared_distances"]


def centre_rows(X, origin):
    """Move rows to the frame of another origin.

    Coordinates so far out that a squared distance would overflow are put where it just
    does not.

    Parameters
    ----------
    X : ndarray of shape (n_samples, d)
        Rows.
    origin : ndarray of shape (d,), float64
        The origin.

    Returns
    -------
    ndarray of shape (n_samples, d)
        ``x - origin``, bounded, in the type of X.
    """
    limit = np.sqrt(np.finfo(X.dtype).max / (4 * X.shape[1]))
    Z = np.empty_like(X, order="C")
    # subtract in double precision, round once: the origin need not be a float32
    with np.errstate(over="ignore"):
        np.subtract(X, origin, out=Z, casting="same_kind")
    return np.clip(Z, -limit, limit, out=Z)


def squared_distances(X, x, Y, y):
    """Squared distances between rows near the origin, by one matrix product.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Rows.
    x : ndarray of shape (n,)
        Their squared norms.
    Y : ndarray of shape (k, d)
        Other rows.
    y : ndarray of shape (k,)
        Their squared norms.

    Returns
    -------
    ndarray of shape (n, k)
        Squared distances, not negative.
    """
    distance = X @ Y.T
    distance *= -2
    distance += x[:, np.newaxis]
    distance += y
    return np.maximum(distance, 0, out=distance)
