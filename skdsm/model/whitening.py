"""Linear maps of rows after which their columns are uncorrelated."""

from typing import NamedTuple

import numpy as np
from scipy.linalg import eigh

__all__ = ["Whitening", "whitening_of"]

_RIDGE = 1e-6  # of the variance of a column: what directions without any have


class Whitening(NamedTuple):
    """``z = (x - mean) @ matrix``; the matrix is (d, d).

    The covariance of z is the identity, except in directions without any variance.
    """

    mean: np.ndarray
    matrix: np.ndarray

    def apply(self, X):
        return (X - self.mean) @ self.matrix

    def log_determinant(self):
        """What turns log-densities of z into log-densities of x."""
        return np.linalg.slogdet(self.matrix)[1]


def whitening_of(X, weight):
    """Symmetric whitening of columns in units of their deviations, (n, d)."""
    mean = np.average(X, axis=0, weights=weight)
    Z = X - mean
    deviation = np.sqrt(np.average(Z**2, axis=0, weights=weight))
    deviation[deviation == 0] = 1
    Z /= deviation
    correlation = (weight * Z.T) @ Z / weight.sum()
    correlation[np.diag_indices_from(correlation)] += _RIDGE
    variance, axes = eigh(correlation)
    # rounding may leave less than the ridge where columns are functions of others
    root = (axes / np.sqrt(np.maximum(variance, _RIDGE))) @ axes.T
    return Whitening(mean, root / deviation[:, np.newaxis])
