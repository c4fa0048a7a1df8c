"""Landmarks on a device: the formula of `Landmarks` in its namespace."""

import numpy as np

from skdsm.detection.landmarks import ROUNDING

__all__ = ["DeviceLandmarks"]


class DeviceLandmarks:
    """A copy of `Landmarks` on a device, for a query: centred once, for all blocks.

    Parameters
    ----------
    landmarks : Landmarks
        The training rows that were kept.
    device : Device
        Where to.
    dtype : dtype
        Type of the rows that they are compared with.
    """

    def __init__(self, landmarks, device, dtype):
        xp, host = device.xp, device.numpy_dtype(dtype)
        self._device = device
        self._rate = 0.5 / landmarks.bandwidth**2
        self._origin = device.put(landmarks.origin)
        self._rows = device.centre(device.put(landmarks.X, dtype), self._origin)
        self._square_norm = xp.sum(self._rows * self._rows, axis=1)
        self._weight = device.put(landmarks.weight, dtype)
        self._total = xp.sum(device.put(landmarks.weight))
        self._eps, self._tiny = float(np.finfo(host).eps), float(np.finfo(host).tiny)
        self._spread = float(landmarks.origin @ landmarks.origin)
        # what a row that is one of them does to it: how much further, how much less
        rest = landmarks.rest
        with np.errstate(divide="ignore"):
            further = -np.log(rest / landmarks.weight) / self._rate
        self._further = device.put(further, dtype)
        self._less = device.put(rest - landmarks.weight)
        self._number = xp.arange(len(rest), device=device.device)

    def squared_distance(self, X):
        """Evaluate the soft minimum of squared distances.

        Parameters
        ----------
        X : array of shape (n_samples, d)
            Rows.

        Returns
        -------
        array of shape (n_samples,)
            See `Landmarks.squared_distance`; in the wide type.
        """
        device, xp = self._device, self._device.xp
        Z = device.centre(X, self._origin)
        z = xp.sum(Z * Z, axis=1)
        distance = z[:, None] - 2 * (Z @ self._rows.T) + self._square_norm
        distance = xp.maximum(distance, xp.zeros_like(distance))
        total = self._total
        if self._rows.shape[0] > 1:
            limit = ROUNDING * self._eps * (2 * z + self._eps * self._spread)
            known = xp.min(distance, axis=1) <= limit
            nearest = xp.argmin(distance, axis=1)
            itself = known[:, None] & (nearest[:, None] == self._number)
            distance = xp.where(itself, distance + self._further, distance)
            less = xp.take(self._less, nearest)
            total = total + xp.where(known, less, xp.zeros_like(less))
        least = xp.min(distance, axis=1)
        kernels = xp.exp(-self._rate * (distance - least[:, None]))
        share = device.widen(kernels @ self._weight) / total
        share = xp.clip(share, self._tiny, 1.0)
        return device.widen(least) - xp.log(share) / self._rate
