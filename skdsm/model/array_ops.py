"""Arrays of other libraries, where they are: a namespace, and a device of it.

Nothing here imports such a library: the Python array API standard [1]_ says what its
namespace can do.

References
----------
.. [1] Consortium for Python Data API Standards, "Python array API standard",
   https://data-apis.org/array-api/.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from skdsm._blocks import row_blocks

__all__ = ["Device", "block_rows"]

# Of the widest scratch array of a block. A graphics processor wants more work at once
# than the cache of a CPU core holds: this is between the two.
_BLOCK_ELEMENTS = 2**18


class Device(NamedTuple):
    """Where arrays are that are none of NumPy's.

    Attributes
    ----------
    xp : module
        Their namespace.
    device : object
        Device, as the namespace knows it.
    wide : dtype
        Type of the namespace that sums are in: float64, but float32 where the device
        has no other.
    to_numpy : callable
        ``to_numpy(array)`` copies to an ndarray, or makes one of the same memory.
    """

    xp: Any
    device: Any
    wide: Any
    to_numpy: Callable

    def numpy_dtype(self, dtype):
        """Name a floating-point type of the namespace as NumPy does.

        Parameters
        ----------
        dtype : dtype
            Either ``xp.float32`` or ``xp.float64``.

        Returns
        -------
        numpy.dtype
            The type.
        """
        return np.dtype(np.float32 if dtype == self.xp.float32 else np.float64)

    def put(self, array, dtype=None):
        """Copy numbers to the device.

        Parameters
        ----------
        array : ndarray
            Numbers.
        dtype : dtype, optional
            Type of the namespace to round them to; the wide one by default.

        Returns
        -------
        array
            The copy.
        """
        dtype = self.wide if dtype is None else dtype
        host = np.array(array, dtype=self.numpy_dtype(dtype), order="C")
        return self.xp.asarray(host, device=self.device)

    def put_index(self, index):
        """Copy indices to the device.

        Parameters
        ----------
        index : ndarray of int
            Indices.

        Returns
        -------
        array
            The copy, in 64 bits.
        """
        host = np.array(index, dtype=np.int64, order="C")
        return self.xp.asarray(host, device=self.device)

    def widen(self, array):
        """Give an array of this device the type that sums are in.

        Parameters
        ----------
        array : array
            Floats.

        Returns
        -------
        array
            The array, itself where it has that type.
        """
        return self.xp.astype(array, self.wide, copy=False)

    def subtract(self, X, origin):
        """Move rows to another origin; round once, after the subtraction.

        Parameters
        ----------
        X : array of shape (n_samples, d)
            Rows on the device.
        origin : array of shape (d,)
            What to subtract, in the wide type.

        Returns
        -------
        array of shape (n_samples, d)
            ``X - origin``, in the type of X.
        """
        return self.xp.astype(self.widen(X) - origin, X.dtype, copy=False)

    def centre(self, X, origin):
        """Move rows to another origin, and bound them: see `centre_rows`.

        Parameters
        ----------
        X : array of shape (n_samples, d)
            Rows on the device.
        origin : array of shape (d,)
            The origin, in the wide type.

        Returns
        -------
        array of shape (n_samples, d)
            ``X - origin``, bounded, in the type of X.
        """
        largest = np.finfo(self.numpy_dtype(X.dtype)).max
        limit = float(np.sqrt(largest / (4 * X.shape[1])))
        return self.xp.clip(self.subtract(X, origin), -limit, limit)


def block_rows(n_rows, width):
    """Split rows into blocks whose scratch arrays are of bounded size.

    Parameters
    ----------
    n_rows : int
        Number of rows.
    width : int
        Columns of the widest scratch array.

    Returns
    -------
    list of slice
        The blocks.
    """
    return row_blocks(n_rows, max(1, _BLOCK_ELEMENTS // width))
