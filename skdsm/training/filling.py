"""Values for missing cells of the training rows: draws, given the observed cells.

They come from a Gaussian that is fitted to the observed cells by the EM algorithm [1]_.
What is fitted to the rows afterwards is not a Gaussian; but where cells are missing,
values that vary with the others as most rows do are better than values that do not.

References
----------
.. [1] A. P. Dempster, N. M. Laird and D. B. Rubin, "Maximum likelihood from incomplete
   data via the EM algorithm", Journal of the Royal Statistical Society B 39(1), 1977.
"""

from typing import NamedTuple

import numpy as np

from skdsm.model.marginal import groups_of_missing

__all__ = ["filled_rows"]

_ROWS = 2048  # at most, that the Gaussian is fitted to
_STEPS = 15  # of the EM algorithm
_RIDGE = 1e-2  # of a column's variance
_CLIP = 5.0  # deviations of a column: the Gaussian sees no larger ones
_BLOCK_ELEMENTS = 2**20
_STREAM = 5  # of random numbers: others have the key to training's streams


class _Gaussian(NamedTuple):
    """N(mean, covariance) of rows (n, d)."""

    mean: np.ndarray
    covariance: np.ndarray

    def expected(self, Z, missing):
        """Rows with missing cells at their expectation given the others.

        And the sum of their conditional covariances, (d, d).
        """
        return self._filled(Z, missing, np.zeros_like(Z))

    def drawn(self, Z, missing, rng):
        """Rows with missing cells drawn given the others."""
        return self._filled(Z, missing, rng.standard_normal(Z.shape))[0]

    def _filled(self, Z, missing, xi):
        precision = np.linalg.inv(self.covariance)
        offset = np.where(missing, 0, Z - self.mean)
        total = np.zeros_like(precision)
        for rows, cells in groups_of_missing(
            missing, lambda k: _BLOCK_ELEMENTS // k**2
        ):
            pairs = cells[:, :, None], cells[:, None, :]
            variance = np.linalg.inv(precision[pairs])
            pull = np.take_along_axis(offset[rows] @ precision, cells, axis=1)
            noise = np.take_along_axis(xi[rows], cells, axis=1)
            root = np.linalg.cholesky(variance)
            step = root @ noise[:, :, None] - variance @ pull[:, :, None]
            offset[rows[:, None], cells] = step[:, :, 0]
            np.add.at(total, pairs, variance)
        return offset + self.mean, total


def _fit_gaussian(Z, missing, weight):
    """Fit a Gaussian to standardised rows by the EM algorithm, with a ridge."""
    d = Z.shape[1]
    gaussian = _Gaussian(np.zeros(d), np.eye(d))
    share = (weight / weight.sum())[:, None]
    for _ in range(_STEPS):
        expected, total = gaussian.expected(Z, missing)
        mean = (share * expected).sum(axis=0)
        offset = expected - mean
        covariance = offset.T @ (share * offset) + total / len(Z)
        covariance += _RIDGE * np.eye(d)
        gaussian = _Gaussian(mean, 0.5 * (covariance + covariance.T))
    return gaussian


def _standardised(X, missing):
    """Columns by their median and deviation, clipped; what is missing is zero.

    The deviation is the one that most cells have, or the deviation of all cells where
    these are equal.
    """
    X = np.where(missing, np.nan, X)
    middle = np.nanmedian(X, axis=0)
    offset = X - middle
    low, high = np.nanquantile(offset, [0.1, 0.9], axis=0)
    deviation = np.where(high > low, (high - low) / 2.56, np.nanstd(offset, axis=0))
    scale = np.where(deviation > 0, deviation, 1.0)
    Z = np.clip(offset / scale, -_CLIP, _CLIP)
    return np.where(missing, 0, Z), middle, scale


def filled_rows(X, missing, weight, source, seed):
    """Fill missing cells (n, d) of distinct rows in random order.

    `source` (k,) has the rows to return, each with values of its own: X has several
    copies of a row where rows are few. Returns rows (k, d) in the type of X.
    """
    rng = np.random.default_rng((seed, _STREAM))
    Z, middle, scale = _standardised(X.astype(np.float64), missing)
    gaussian = _fit_gaussian(Z[:_ROWS], missing[:_ROWS], weight[:_ROWS])
    values = middle + scale * gaussian.drawn(Z[source], missing[source], rng)
    return np.where(missing[source], values, X[source]).astype(X.dtype, copy=False)
