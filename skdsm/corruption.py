"""Gaussian corruption of rows, as a pure function of what is corrupted and a seed."""

from typing import NamedTuple

import numpy as np

__all__ = ["NoiseLevels", "corrupt"]


class NoiseLevels(NamedTuple):
    """Range of noise levels; each corrupted row has one, log-uniform in the range.

    Attributes
    ----------
    low : float
        Smallest level, in units of the data.
    high : float
        Largest level; equal to `low` for a single one.
    """

    low: float
    high: float

    @property
    def mean_square(self):
        """Expected squared level.

        Returns
        -------
        float
            ``E s^2``, in squared units of the data.
        """
        if self.low == self.high:
            return self.low**2
        return (self.high**2 - self.low**2) / (2 * np.log(self.high / self.low))

    def at(self, quantile):
        """Level at a quantile of the log-uniform distribution.

        Parameters
        ----------
        quantile : float or ndarray
            In [0, 1].

        Returns
        -------
        float or ndarray
            Levels, in units of the data.
        """
        return self.low * (self.high / self.low) ** quantile


def corrupt(X, levels, seed, copy=0, n_copies=1):
    """Add Gaussian noise to each row.

    Parameters
    ----------
    X : ndarray of shape (n_samples, d)
        Clean rows.
    levels : NoiseLevels
        Noise levels, in units of X.
    seed : tuple of int
        Names the draw: the same rows with the same seed are corrupted the same way.
    copy, n_copies : int
        Which of how many corrupted copies of these rows. Their levels are stratified:
        each of the `n_copies` equal parts of the (logarithmic) range is used once.

    Returns
    -------
    X_noisy : ndarray of shape (n_samples, d)
        ``X + s * eps`` with standard normal eps, in the type of X.
    level : ndarray of shape (n_samples,)
        The level s of each row.
    """
    rng = np.random.Generator(np.random.SFC64(np.random.SeedSequence((*seed, copy))))
    noise = rng.standard_normal(X.shape, dtype=X.dtype)
    # drawn even for a single level: the noise must not depend on the range's width
    quantile = (copy + rng.random(len(X))) / n_copies
    level = (
        np.full(len(X), levels.low)
        if levels.low == levels.high
        else levels.at(quantile)
    )
    noise *= level.astype(X.dtype)[:, None]
    noise += X
    return noise, level
