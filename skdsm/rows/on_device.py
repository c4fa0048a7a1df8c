"""Training rows that stay on their device, in random order.

Their values cannot be hashed there, so the order is a permutation of their indices:
drawn on the host, applied on the device. What leaves it are samples of bounded size.
"""

from typing import Any, NamedTuple

import numpy as np

from skdsm.model.array_ops import Device, block_rows
from skdsm.rows.base import (
    REPRESENTATIVE_ROWS,
    check_reach,
    copyable_rows,
    repetitions,
    scale_weights,
)
from skdsm.rows.in_memory import TrainingRows

__all__ = ["DeviceRows", "place_rows"]


class DeviceRows(NamedTuple):
    """Training rows on a device, centred, in random order.

    Attributes
    ----------
    X : array of shape (n_samples, d)
        Rows of weighted mean zero.
    weight : array of shape (n_samples,) or None
        Positive weights, on the device as well; None is one each.
    mean : ndarray of shape (d,), float64
        What was subtracted.
    device : Device
        Where the rows are.
    samples : dict
        Samples by their size: all that the host has seen of the rows.
    """

    X: Any
    weight: Any
    mean: np.ndarray
    device: Device
    samples: dict

    def head(self, n_rows):
        """Take a random sample: rows are in random order.

        Parameters
        ----------
        n_rows : int
            How many, if there are that many.

        Returns
        -------
        DeviceRows
            The first of them, where they are.
        """
        return self._part(slice(0, min(n_rows, self.X.shape[0])))

    def tail(self, n_rows):
        """Take a random sample that is in no `head`, as far as there are rows.

        Parameters
        ----------
        n_rows : int
            How many, if there are that many.

        Returns
        -------
        DeviceRows
            The last of them, where they are.
        """
        n = self.X.shape[0]
        return self._part(slice(max(0, n - n_rows), n))

    def _part(self, rows):
        weight = None if self.weight is None else self.weight[rows]
        return self._replace(X=self.X[rows, :], weight=weight, samples={})

    def rounded(self, dtype):
        """Choose the type of the arithmetic on these rows.

        Parameters
        ----------
        dtype : dtype
            Either float32 or float64, of NumPy.

        Returns
        -------
        DeviceRows
            The rows in that type.
        """
        xp = self.device.xp
        dtype = getattr(xp, np.dtype(dtype).name)
        return self._replace(X=xp.astype(self.X, dtype, copy=False), samples={})

    def sample(self, n_rows):
        """Copy a random sample of single rows to the host.

        Parameters
        ----------
        n_rows : int
            How many, if there are that many and they fit in the bound on a copy.

        Returns
        -------
        TrainingRows
            The sample.
        """
        fitting = copyable_rows(_stand_in(self.X, self.device))
        n_rows = min(n_rows, self.X.shape[0], fitting)
        if n_rows not in self.samples:
            X, weight, *_ = self.head(n_rows)
            if weight is not None:
                weight = self.device.to_numpy(weight).astype(np.float64, copy=False)
            X = self.device.to_numpy(X)
            self.samples[n_rows] = TrainingRows(X, weight, self.mean)
        return self.samples[n_rows]

    def representative(self):
        """Take the rows whose scores set the threshold.

        Returns
        -------
        TrainingRows
            A random sample.
        """
        return self.sample(REPRESENTATIVE_ROWS)


def _stand_in(X, device):
    """Array of NumPy with the shape and the type of one on a device; without memory."""
    return np.broadcast_to(device.numpy_dtype(X.dtype).type(0), X.shape)


def place_rows(X, sample_weight, seed, *, device):
    """Shuffle and centre rows, in a copy on their device.

    Equal rows are not merged, and their order matters: the values stay unseen. Where
    one row carries much of the weight, or all are few, rows are repeated as in memory.

    Parameters
    ----------
    X : array of shape (n_samples, d), float32 or float64
        Rows; finite.
    sample_weight : array of shape (n_samples,) or None
        Non-negative weights on the same device.
    seed : int
        Which random order.
    device : Device
        Where the rows are.

    Returns
    -------
    DeviceRows
        The rows to train on.

    Raises
    ------
    NonFiniteError
        If squared distances between the rows overflow.
    """
    if sample_weight is None:
        weight = np.ones(X.shape[0])
    else:
        given = device.to_numpy(sample_weight).astype(np.float64, copy=False)
        weight = scale_weights(given)
    order = np.flatnonzero(weight)
    order = np.random.default_rng(seed).permutation(order)
    X = device.xp.take(X, device.put_index(order), axis=0)
    weight = weight[order] / weight.max()
    mean, reach = _mean_and_reach(X, weight, device)
    check_reach(reach, _stand_in(X, device))
    copies = repetitions(weight)
    if copies.max() > 1:
        index = np.repeat(np.arange(len(copies)), copies)
        X = device.xp.take(X, device.put_index(index), axis=0)
        weight = np.repeat(weight / copies, copies)
    origin = device.put(mean)
    blocks = block_rows(*X.shape)
    X = device.xp.concat([device.subtract(X[rows, :], origin) for rows in blocks])
    placed = None if np.ptp(weight) <= 1e-12 * weight[0] else device.put(weight)
    return DeviceRows(X, placed, mean, device, {})


def _mean_and_reach(X, weight, device):
    """Weighted mean, and how far the rows are apart: see `mean_and_reach`."""
    xp = device.xp
    weight = device.put(weight)
    # relative to a row, so that the mean of far-away rows has its digits
    origin = device.widen(X[0, :])
    total, largest = xp.zeros_like(origin), xp.zeros_like(origin)
    with np.errstate(over="ignore", invalid="ignore"):
        for rows in block_rows(*X.shape):
            apart = device.widen(X[rows, :]) - origin
            total = total + weight[rows] @ apart
            largest = xp.maximum(largest, xp.max(xp.abs(apart), axis=0))
        mean = origin + total / xp.sum(weight)
    mean = device.to_numpy(mean).astype(np.float64)
    return mean, float(device.to_numpy(largest).max())
