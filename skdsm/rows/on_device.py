"""Training rows that stay on their device, in random order.

Their values cannot be hashed there, so the order is a permutation of their indices:
drawn on the host, applied on the device. What leaves it are samples of bounded size.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from skdsm.model.array_ops import Device
from skdsm.rows.base import (
    check_reach,
    copyable_rows,
    repetitions,
    scale_weights,
    share_left_out,
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
    unit: float = 1.0
    repeated: bool = False
    samples: dict = field(default_factory=dict)

    @property
    def n_distinct(self):
        if not self.repeated:
            return self.n_rows
        # repetitions lie side by side
        xp, X = self.device.xp, self._X
        other = xp.any(X[1:, :] != X[:-1, :], axis=1)
        return 1 + int(xp.sum(xp.astype(other, xp.int64)))

    @property
    def dtype(self):
        return self.device.numpy_dtype(self._X.dtype)

    def scaled(self, unit, dtype):
        xp = self.device.xp
        dtype = getattr(xp, np.dtype(dtype).name)
        X = self._X if unit == 1 else self._X / unit
        X = xp.astype(X, dtype, copy=False)
        return replace(self, _X=X, unit=unit * self.unit, samples={})

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
                to_numpy(head.centred()), weight, self.mean, self.unit
            )
        return self.samples[n_rows]

    def centred(self, rows=slice(None)):
        """Rows on the device, less their mean."""
        return self._X[rows, :]

    def within(self, reach, map=map):
        kept = self._contained(reach)
        if kept.all():
            return self, 0.0
        device, weight = self.device, np.ones(self.n_rows)
        if self.weight is not None:
            weight = device.to_numpy(self.weight).astype(np.float64)
        share = share_left_out(kept, weight)
        X = device.xp.take(self._X, device.put_index(np.flatnonzero(kept)), axis=0)
        shift, _ = _mean_and_reach(X, weight[kept], device)
        X = _move(X, device.put(shift), device)
        weight = None if self.weight is None else device.put(weight[kept])
        moved = replace(self, _X=X, weight=weight, mean=self.mean + shift, samples={})
        return moved, share

    def _contained(self, reach):
        """Whether noise comes to each row, on the host."""
        device, xp = self.device, self.device.xp
        # amid the centres: sums of squares of rows near these keep their digits
        origin = np.median(reach.centres, axis=0)
        centres = device.put(reach.centres - origin, self._X.dtype)
        square, origin = device.square_norm(centres), device.put(origin)
        inside = []
        for rows in device.blocks(self.n_rows, len(reach.centres)):
            Z = device.centre(self._X[rows, :], origin)
            distance = device.squared_distances(
                Z, device.square_norm(Z), centres, square
            )
            near = xp.min(distance, axis=1) <= reach.radius**2
            inside.append(device.to_numpy(near))
        return np.concatenate(inside)

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
    repeated = bool(copies.max() > 1)
    if repeated:
        index = np.repeat(np.arange(len(copies)), copies)
        X = device.xp.take(X, device.put_index(index), axis=0)
        weight = np.repeat(weight / copies, copies)
    X = _move(X, device.put(mean), device)
    placed = None if np.ptp(weight) <= 1e-12 * weight[0] else device.put(weight)
    return DeviceRows(X, placed, mean, device, repeated=repeated)


def _move(X, origin, device):
    """X - origin, in blocks: no copy of all rows is in the wide type."""
    blocks = device.blocks(*X.shape)
    return device.xp.concat([device.subtract(X[rows, :], origin) for rows in blocks])


def _mean_and_reach(X, weight, device):
    """Weighted mean, and how far the rows are apart: see `mean_and_reach`."""
    xp = device.xp
    weight = device.put(weight)
    # relative to a row, so that the mean of far-away rows has its digits
    origin = device.widen(X[0, :])
    total, largest = xp.zeros_like(origin), xp.zeros_like(origin)
    with np.errstate(over="ignore", invalid="ignore"):
        for rows in device.blocks(*X.shape):
            apart = device.widen(X[rows, :]) - origin
            total = total + weight[rows] @ apart
            largest = xp.maximum(largest, xp.max(xp.abs(apart), axis=0))
        mean = origin + total / xp.sum(weight)
    mean = device.to_numpy(mean).astype(np.float64)
    return mean, float(device.to_numpy(largest).max())
