"""Rows about an origin, and the squared distances between them."""

import numpy as np

__all__ = ["centre_rows", "squared_distances"]


def centre_rows(X, origin):
    """Move rows (n, d) to the frame of another origin (d,), in the type of the rows.

    Coordinates so far out that a squared distance would overflow are put where it just
    does not.
    """
    limit = np.sqrt(np.finfo(X.dtype).max / (4 * X.shape[1]))
    Z = np.empty_like(X, order="C")
    # subtract in double precision, round once: the origin need not be a float32
    with np.errstate(over="ignore"):
        np.subtract(X, origin, out=Z, casting="same_kind")
    return np.clip(Z, -limit, limit, out=Z)


def squared_distances(X, x, Y, y):
    """Squared distances (n, k) between rows near the origin, by one matrix product.

    x (n,) and y (k,) are the squared norms of the rows of X and Y.
    """
    distance = X @ Y.T
    distance *= -2
    distance += x[:, np.newaxis]
    distance += y
    return np.maximum(distance, 0, out=distance)
