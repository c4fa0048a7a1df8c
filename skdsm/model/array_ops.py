"""Array operations of the model, for NumPy arrays and for arrays on other devices.

`NumpyOps` and `Device` offer the same operations; the formulas of `EnergyModel` and
`Landmarks` are written once, on top of them. Nothing here imports another library: the
Python array API standard (https://data-apis.org/array-api/) says what the namespace of
a device can do.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from skdsm._blocks import row_blocks
from skdsm.model.activations import logistic, softplus_sum
from skdsm.model.geometry import centre_rows, squared_distances

__all__ = ["NUMPY", "Device", "NumpyOps"]

# Elements of the widest scratch array of a block: on a CPU it stays in the cache, on a
# graphics processor it keeps all cores busy.
_CPU_BLOCK_ELEMENTS = 2**18
_DEVICE_BLOCK_ELEMENTS = 2**24


# Bytes of the scratch array of NumPy's sum over units: a usual level-2 cache. With half
# as many, threads wait for each other more often, which takes longer than that saves.
_TILE_BYTES = 2**20


class NumpyOps:
    """The operations for NumPy arrays, in place where that is faster.

    Rows may be float32 or float64; ``put`` rounds a parameter to their type, and the
    type of sums (float64 here) is called wide.
    """

    centre = staticmethod(centre_rows)
    squared_distances = staticmethod(squared_distances)
    log = staticmethod(np.log)

    @staticmethod
    def put(array, dtype=np.float64):
        """A parameter, in a type of rows or in the wide one."""
        return np.asarray(array, dtype=dtype)

    @staticmethod
    def widen(array):
        """An array in the wide type."""
        return array.astype(np.float64, copy=False)

    @staticmethod
    def numpy_dtype(dtype):
        """The type, as NumPy calls it."""
        return np.dtype(dtype)

    @staticmethod
    def add(X, offset):
        """X + offset, rounded once; in place."""
        return np.add(X, offset, out=X, casting="same_kind")

    @staticmethod
    def logistic(U):
        """1 / (1 + exp(-u)); in place."""
        return logistic(U, out=U)

    @staticmethod
    def softplus_sum(Z, W, bias, gains):
        """sum_j g_j log(1 + exp(w_j z + b_j)) of each row, wide."""
        # The bias is a column of the product: to add it takes half as long as that.
        # A few rows at a time, in the same scratch arrays, stay in the cache.
        n, d = Z.shape
        W = np.column_stack([W, bias])
        step = max(1, _TILE_BYTES // (Z.itemsize * max(W.shape)))
        U = np.empty((len(W), min(step, n)), Z.dtype)
        inputs = np.ones((min(step, n), d + 1), Z.dtype)
        total = np.empty(n)
        for rows in row_blocks(n, step):
            few = rows.stop - rows.start
            inputs[:few, :d] = Z[rows]
            # units first: sums over units are then sums of whole rows
            pre_activation = np.matmul(W, inputs[:few].T, out=U[:, :few])
            total[rows] = softplus_sum(pre_activation, gains)
        return total

    @staticmethod
    def square_sum(R):
        """Squared length of each row, wide."""
        return np.einsum("ij,ij->i", R, R, dtype=np.float64)

    @staticmethod
    def square_norm(R):
        """Squared length of each row, in the type of R."""
        return np.einsum("ij,ij->i", R, R)

    @staticmethod
    def add_at_minimum(distance, limit, further, less):
        """Add `further` to the least entry of each row where it is within a limit.

        Returns the distances (changed in place), and for each row what `less` has for
        the column of that entry, or zero.
        """
        found = np.flatnonzero(distance.min(axis=1) <= limit)
        column = distance[found].argmin(axis=1)
        distance[found, column] += further[column]
        change = np.zeros(len(distance))
        change[found] = less[column]
        return distance, change

    @staticmethod
    def log_mean_exp(distance, rate, weight, total):
        """(least, log(sum_k w_k exp(rate (least - distance_k)) / total)) by row, wide.

        The argument of the logarithm is a mean of numbers that are at most one, and of
        which one is one.
        """
        least = distance.min(axis=1, keepdims=True)
        distance -= least
        with np.errstate(over="ignore"):
            distance *= -rate
        kernels = np.exp(distance, out=distance) @ weight
        share = np.clip(kernels / total, np.finfo(distance.dtype).tiny, 1)
        return least[:, 0].astype(np.float64), np.log(share)


NUMPY = NumpyOps()


class Device(NamedTuple):
    """The operations for arrays of another library, on one of its devices.

    Attributes
    ----------
    xp : module
        Their namespace.
    device : object
        Device, as the namespace knows it.
    wide : dtype
        Type of sums: float64, but float32 where the device has no other.
    to_numpy : callable
        ``to_numpy(array)`` copies to an ndarray, or makes one of the same memory.
    is_cpu : bool
        Whether it is a CPU.
    """

    xp: Any
    device: Any
    wide: Any
    to_numpy: Callable
    is_cpu: bool

    def blocks(self, n_rows, width):
        """Split rows, by the columns of the widest scratch array."""
        elements = _CPU_BLOCK_ELEMENTS if self.is_cpu else _DEVICE_BLOCK_ELEMENTS
        return row_blocks(n_rows, max(1, elements // width))

    def numpy_dtype(self, dtype):
        """The type, as NumPy calls it."""
        return np.dtype(np.float32 if dtype == self.xp.float32 else np.float64)

    def put(self, array, dtype=None):
        """A copy on the device, in the wide type unless another is given."""
        dtype = self.wide if dtype is None else dtype
        host = np.array(array, dtype=self.numpy_dtype(dtype), order="C")
        return self.xp.asarray(host, device=self.device)

    def put_index(self, index):
        """A copy of indices on the device, in 64 bits."""
        host = np.array(index, dtype=np.int64, order="C")
        return self.xp.asarray(host, device=self.device)

    def widen(self, array):
        """An array in the wide type."""
        return self.xp.astype(array, self.wide, copy=False)

    def log(self, array):
        """Natural logarithm."""
        return self.xp.log(array)

    def subtract(self, X, origin):
        """X - origin, rounded once; the origin is wide."""
        return self.xp.astype(self.widen(X) - origin, X.dtype, copy=False)

    def add(self, X, offset):
        """X + offset, rounded once; the offset is wide."""
        return self.subtract(X, -offset)

    def centre(self, X, origin):
        """``X - origin`` with a wide origin, bounded as by `centre_rows`."""
        largest = np.finfo(self.numpy_dtype(X.dtype)).max
        limit = float(np.sqrt(largest / (4 * X.shape[1])))
        return self.xp.clip(self.subtract(X, origin), -limit, limit)

    def logistic(self, U):
        """1 / (1 + exp(-u))."""
        return 0.5 + 0.5 * self.xp.tanh(0.5 * U)

    def softplus_sum(self, Z, W, bias, gains):
        """sum_j g_j log(1 + exp(w_j z + b_j)) of each row, wide."""
        xp, U = self.xp, Z @ W.T + bias
        units = xp.maximum(U, xp.zeros_like(U)) + xp.log1p(xp.exp(-xp.abs(U)))
        return self.widen(units) @ gains

    def square_sum(self, R):
        """Squared length of each row, wide."""
        return self.xp.sum(R * R, axis=1, dtype=self.wide)

    def square_norm(self, R):
        """Squared length of each row, in the type of R."""
        return self.xp.sum(R * R, axis=1)

    def squared_distances(self, X, x, Y, y):
        """``|x_i - y_k|^2`` of rows near the origin, from their squared lengths."""
        distance = x[:, None] - 2 * (X @ Y.T) + y
        return self.xp.maximum(distance, self.xp.zeros_like(distance))

    def add_at_minimum(self, distance, limit, further, less):
        """Add `further` to the least entry of each row where it is within a limit.

        Returns the distances, and for each row what `less` has for the column of that
        entry, or zero.
        """
        xp = self.xp
        found = xp.min(distance, axis=1) <= limit
        column = xp.argmin(distance, axis=1)
        number = xp.arange(distance.shape[1], device=self.device)
        chosen = found[:, None] & (column[:, None] == number)
        further = xp.astype(further, distance.dtype, copy=False)
        change = xp.take(less, column)
        change = xp.where(found, change, xp.zeros_like(change))
        return xp.where(chosen, distance + further, distance), change

    def log_mean_exp(self, distance, rate, weight, total):
        """(least, log(sum_k w_k exp(rate (least - distance_k)) / total)) by row."""
        xp = self.xp
        tiny = float(np.finfo(self.numpy_dtype(distance.dtype)).tiny)
        least = xp.min(distance, axis=1)
        kernels = xp.exp(-rate * (distance - least[:, None])) @ weight
        share = xp.clip(self.widen(kernels) / total, tiny, 1.0)
        return self.widen(least), xp.log(share)
