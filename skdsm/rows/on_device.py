"""Training rows that stay on their device, in random order.

Their values cannot be hashed there, so the order is a permutation of their indices:
drawn on the host, applied on the device. What leaves it are samples of bounded size.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from skdsm.model.array_ops import Device, block_rows
from skdsm.rows.base import (
    check_reach,
    copyable_rows,
    repetitions,
    scale_weights,
)
from skdsm.rows.device_risk import DeviceRisk
from skdsm.rows.in_memory import InMemoryRows
from skdsm.training.protocols import Rows

__all__ = ["DeviceRows", "place_rows"]


@dataclass(frozen=True, eq=False)
class DeviceRows(Rows):
    """Rows of weighted mean zero (n, d) and their weights, on a device.

    `samples` has, by size, what the host has seen of the rows.
    """

    _X: Any
    weight: Any
    mean: np.ndarray
    device: Device
    samples: dict = field(default_factory=dict)

    @property
    def dtype(self):
        return self.device.numpy_dtype(self._X.dtype)

    def astype(self, dtype):
        xp = self.device.xp
        dtype = getattr(xp, np.dtype(dtype).name)
        return replace(self, _X=xp.astype(self._X, dtype, copy=False), samples={})

    def head(self, n_rows):
        return self._part(slice(0, min(n_rows, self.n_rows)))

    def tail(self, n_rows):
        return self._part(slice(max(0, self.n_rows - n_rows), self.n_rows))

    def _part(self, rows):
        weight = None if self.weight is None else self.weight[rows]
        return replace(self, _X=self._X[rows, :], weight=weight, samples={})

    def sample(self, n_rows):
        fitting = copyable_rows(self.n_features, self.dtype)
        n_rows = min(n_rows, self.n_rows, fitting)
        if n_rows not in self.samples:
            head, to_numpy = self.head(n_rows), self.device.to_numpy
            weight = head.weight
            if weight is not None:
                weight = to_numpy(weight).astype(np.float64, copy=False)
            self.samples[n_rows] = InMemoryRows(
                to_numpy(head.centred()), weight, self.mean
            )
        return self.samples[n_rows]

    def centred(self, rows=slice(None)):
        """Rows on the device, less their mean."""
        return self._X[rows, :]

    def risk(self, settings, seed, map=map):
        return DeviceRisk(self, settings, seed)


def place_rows(X, sample_weight, seed, *, device):
    """Shuffle and centre rows (n, d), in a copy on their device.

    Equal rows are not merged, and their order matters: the values stay unseen. Where
    one row carries much of the weight, or all are few, rows are repeated as in memory.
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
    check_reach(reach, X.shape, device.numpy_dtype(X.dtype))
    copies = repetitions(weight)
    if copies.max() > 1:
        index = np.repeat(np.arange(len(copies)), copies)
        X = device.xp.take(X, device.put_index(index), axis=0)
        weight = np.repeat(weight / copies, copies)
    origin = device.put(mean)
    blocks = block_rows(*X.shape)
    X = device.xp.concat([device.subtract(X[rows, :], origin) for rows in blocks])
    placed = None if np.ptp(weight) <= 1e-12 * weight[0] else device.put(weight)
    return DeviceRows(X, placed, mean, device)


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
