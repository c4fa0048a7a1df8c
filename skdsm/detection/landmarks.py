"""A bounded sample of the training rows, and the Parzen density of it.

The energy-based model is fitted to this density (Vincent 2011, section 4), and keeps no
row. Where a few rows may be kept, they tell how far a new row is from all others, which
the model knows well near the data only.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from skdsm.model.geometry import centre_rows, squared_distances
from skdsm.model.parzen import merged_rows, weight_without_one

__all__ = ["Landmarks", "ROUNDING", "choose_landmarks"]

ROUNDING = 16  # units of rounding: a squared distance of so many is zero


class _Frame(NamedTuple):
    """Landmarks in one floating-point type, with the origin amid them."""

    rows: np.ndarray
    square_norm: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True)
class Landmarks:  # numpydoc ignore=PR02
    """Rows that were kept.

    Parameters
    ----------
    X : ndarray of shape (k, d)
        Distinct rows, in random order.
    weight : ndarray of shape (k,), float64
        Positive weights.
    bandwidth : float
        Of the Parzen density, in units of the data.
    origin : ndarray of shape (d,), float64
        A point amid the rows, for their digits.
    """

    X: np.ndarray
    weight: np.ndarray
    bandwidth: float
    origin: np.ndarray

    @cached_property
    def _frames(self):
        """By type: made by the first block of rows of it, used by all."""
        return {}

    def _frame(self, dtype):
        if dtype not in self._frames:
            rows = centre_rows(self.X.astype(dtype), self.origin)
            square_norm = np.einsum("ij,ij->i", rows, rows)
            self._frames[dtype] = _Frame(rows, square_norm, self.weight.astype(dtype))
        return self._frames[dtype]

    def squared_distance(self, X):
        """Evaluate the soft minimum of the squared distances to the landmarks.

        ``-2 tau^2 log(mean_i exp(-|x - x_i|^2 / (2 tau^2)))``: but for a constant and a
        factor, minus the logarithm of the Parzen density of bandwidth tau.

        A row that is a landmark, up to rounding, is not compared with itself: the
        landmark counts for as many rows less as one row is, by the median of the
        weights. So rows of the training set and new ones are ranked alike.

        Parameters
        ----------
        X : ndarray of shape (n_samples, d)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,), float64
            Squared distances, not negative.
        """
        rate = 0.5 / self.bandwidth**2
        distance, is_landmark = self._squared_distances(X)
        total = np.full(len(X), self.weight.sum())
        if len(self.X) > 1:
            known = np.flatnonzero(is_landmark)
            nearest = distance[known].argmin(axis=1)
            rest = self.rest[nearest]
            total[known] += rest - self.weight[nearest]
            with np.errstate(divide="ignore"):
                distance[known, nearest] -= np.log(rest / self.weight[nearest]) / rate
        least = distance.min(axis=1, keepdims=True)
        distance -= least
        with np.errstate(over="ignore"):
            distance *= -rate
        np.exp(distance, out=distance)
        kernels = distance @ self._frame(X.dtype).weight
        # a mean of numbers that are at most one, and of which one is one
        share = np.clip(kernels / total, np.finfo(X.dtype).tiny, 1)
        return least[:, 0].astype(np.float64) - np.log(share) / rate

    def _squared_distances(self, X):
        """Squared distances to the landmarks, and whether one of them is zero."""
        frame = self._frame(X.dtype)
        Z = centre_rows(X, self.origin)
        z = np.einsum("ij,ij->i", Z, Z)
        distance = squared_distances(Z, z, frame.rows, frame.square_norm)
        eps = np.finfo(X.dtype).eps
        # of sums of squares, and of the coordinates
        limit = ROUNDING * eps * (2 * z + eps * (self.origin @ self.origin))
        return distance, distance.min(axis=1) <= limit

    @cached_property
    def rest(self):  # numpydoc ignore=RT01
        """What a row less leaves of the weights: see `weight_without_one`."""
        return weight_without_one(self.weight)


def choose_landmarks(rows, n_landmarks, bandwidth):
    """Keep a random sample of the distinct training rows.

    Parameters
    ----------
    rows : TrainingRows
        In random order; equal ones side by side.
    n_landmarks : int
        How many to keep, if there are that many.
    bandwidth : float
        Of the Parzen density, in units of the data.

    Returns
    -------
    Landmarks
        The rows, as they were given up to rounding.
    """
    kept, weight = merged_rows(rows, n_landmarks)
    kept = (kept + rows.mean).astype(kept.dtype)
    return Landmarks(kept, weight, bandwidth, rows.mean)
