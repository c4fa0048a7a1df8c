"""What training needs of the rows, and of the risk on them: two abstract bases.

`skdsm.rows` has a kind of rows for each place where these may be. A model is trained
in the frame whose origin is the mean of the rows; the stored array is private, because
some kinds store it centred and others leave it as it is.
"""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

__all__ = ["Risk", "Rows"]

_REPRESENTATIVE_ROWS = 2**17


class Rows(ABC):
    """Rows to train on, with their weights, in random order.

    Attributes
    ----------
    mean : ndarray of shape (d,), float64
        Weighted mean of the rows, the origin of the centred frame.
    dtype : numpy.dtype
        Type of the arithmetic, float32 or float64.
    weight : array of shape (n_rows,), or None
        Weight of each stored row; None is one each. Dask keeps it in the blocks.
    """

    # fields or properties of each kind, which knows whether _X is centred
    _X: Any
    mean: np.ndarray
    dtype: np.dtype

    @property
    def n_rows(self):
        """Number of stored rows; a part of a file or a dask array has the whole's."""
        return self._X.shape[0]

    @property
    def n_features(self):
        """Number of features, d."""
        return self._X.shape[1]

    @abstractmethod
    def astype(self, dtype):
        """Choose the type of the arithmetic.

        Parameters
        ----------
        dtype : dtype
            Either float32 or float64, of NumPy.

        Returns
        -------
        Rows
            The same rows; those that stay where they are get rounded when read.
        """

    @abstractmethod
    def head(self, n_rows):
        """Take a random sample to train a stage on.

        Parameters
        ----------
        n_rows : int
            How many, if there are that many.

        Returns
        -------
        Rows
            The sample, which need not be in memory.
        """

    @abstractmethod
    def tail(self, n_rows):
        """Take a random sample for validation: it shares no or few rows with a `head`.

        Parameters
        ----------
        n_rows : int
            How many, if there are that many.

        Returns
        -------
        Rows
            The sample, which need not be in memory.
        """

    @abstractmethod
    def sample(self, n_rows):
        """Take a random sample of single rows to the memory of this process.

        Parameters
        ----------
        n_rows : int
            How many, if there are that many and they fit in the bound on a copy.

        Returns
        -------
        InMemoryRows
            The sample, in the type of the arithmetic.
        """

    def representative(self):
        """Take the rows whose scores set the threshold.

        Returns
        -------
        InMemoryRows
            All rows if they are in memory, or else a random sample: what is computed
            for each of them must not grow with the data.
        """
        return self.sample(_REPRESENTATIVE_ROWS)

    @abstractmethod
    def risk(self, settings, seed, map=map):
        """Draw noise, and make the risk of a stage, which is evaluated where rows are.

        Parameters
        ----------
        settings : Settings
            Noise levels, number of corruptions, objective, penalty.
        seed : tuple of int
            Names the draw of noise.
        map : callable, optional
            Ordered map over independent pieces of work.

        Returns
        -------
        Risk
            The risk, a deterministic function of the parameters.
        """


class Risk(ABC):
    """Mean denoising loss over corrupted rows, plus the penalty on W."""

    @abstractmethod
    def __call__(self, parameters):
        """Evaluate the risk and its gradient.

        Parameters
        ----------
        parameters : Parameters
            W, b, c and g in double precision, in the frame of the centred rows.

        Returns
        -------
        value : float
            Mean of ``|r(x~) - x|^2 / 2`` (or its implicit form), plus the penalty.
        gradient : Parameters
            Its derivatives, in double precision.
        """

    @abstractmethod
    def sample(self, n_rows):
        """Return some corrupted rows.

        Parameters
        ----------
        n_rows : int
            How many, at least, if there are that many.

        Returns
        -------
        X_noisy : ndarray of shape (n_sampled, d), float64
            Corrupted rows, centred.
        weight : ndarray of shape (n_sampled,), float64
            Their weights.
        """
