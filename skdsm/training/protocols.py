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

    @property
    def n_distinct(self):
        """Number of rows of positive weight; repetitions of a row do not count."""
        return self.n_rows

    @abstractmethod
    def scaled(self, unit, dtype):
        """Divide centred rows by a unit, and round them to float32 or float64.

        Rows that stay where they are get scaled when they are read. The mean keeps the
        units of the data.
        """

    @abstractmethod
    def within(self, reach, map=map):
        """Leave out rows where noise does not come, in the frame of centred rows.

        Local rows are looked at by an ordered `map` over independent blocks. Returns
        the other rows, and the share of the weight that is left out.
        """

    @abstractmethod
    def head(self, n_rows):
        """A random sample to train a stage on, of at most `n_rows`."""

    @abstractmethod
    def tail(self, n_rows):
        """A random sample for validation: no or few rows are in a `head`."""

    @abstractmethod
    def sample(self, n_rows):
        """A random sample of single rows, as InMemoryRows in the type `dtype`.

        At most `n_rows`, and no more than fit in the bound on a copy.
        """

    def representative(self):
        """The rows whose scores set the threshold, which can be read in this process.

        All if they are in memory, or else a random sample: what is computed for each of
        them must not grow with the data.
        """
        return self.sample(_REPRESENTATIVE_ROWS)

    @abstractmethod
    def risk(self, settings, seed, map=map):
        """Draw noise named by `seed` (a tuple), and make the risk of a stage.

        It is evaluated where the rows are, by an ordered `map` over independent work.
        """


class Risk(ABC):
    """Mean denoising loss over corrupted rows, plus the penalty on W.

    A deterministic function of the parameters (W, b, c, g in double precision, in the
    frame of the centred rows): the noise is drawn once.
    """

    @abstractmethod
    def __call__(self, parameters):
        """Value and gradient (a Parameters), in double precision.

        The mean of ``|r(x~) - x|^2 / 2``, or of its implicit form, plus the penalty.
        """

    @abstractmethod
    def sample(self, n_rows):
        """Corrupted, centred rows (n, d) and weights; at least `n_rows` if possible."""
