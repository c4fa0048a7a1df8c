"""Rows of other array libraries, by scikit-learn's array API dispatch.

All of it is off unless ``config_context(array_api_dispatch=True)`` says otherwise; what
comes in is then converted to NumPy by scikit-learn.
"""

import numpy as np
from sklearn.utils._array_api import (
    _convert_to_numpy,
    _is_numpy_namespace,
    _max_precision_float_dtype,
    array_api_compat,
    get_namespace_and_device,
)

from skdsm._sklearn.backends import Backend, without_missing
from skdsm.model.array_ops import Device
from skdsm.rows.on_device import place_rows

__all__ = ["ArrayBackend", "device_of", "to_numpy"]

_DLPACK_CPU = 1  # DLDeviceType.kDLCPU


def to_numpy(array):
    """Copy an array of any library to the host; anything else stays as it is."""
    if isinstance(array, np.ndarray) or not hasattr(array, "__dlpack__"):
        return array
    array = _detached(array)
    return _convert_to_numpy(array, array_api_compat.array_namespace(array))


def _detached(array):
    """A tensor of PyTorch that requires grad, without its graph."""
    return array.detach() if getattr(array, "requires_grad", False) else array


def device_of(X):
    """The device of an array, or None if it is NumPy's or not an array."""
    xp, is_array_api, device = get_namespace_and_device(X)
    if not is_array_api or _is_numpy_namespace(xp):
        return None
    wide = _max_precision_float_dtype(xp, device)
    is_cpu = X.__dlpack_device__()[0] == _DLPACK_CPU
    return Device(xp, device, wide, to_numpy, is_cpu)


class ArrayBackend(Backend):
    """Rows on a device: the fit, queries and their results stay there."""

    finite = True

    def __init__(self, device):
        self.device = device
        self.float_types = [device.wide, device.xp.float32]

    @classmethod
    def of(cls, X):
        """The backend of an array, or None if it is NumPy's or not an array."""
        device = device_of(X)
        return None if device is None else cls(device)

    def check_rows(self, estimator, X, *, reset):
        with without_missing("X", f"arrays of {self.device.xp.__name__}"):
            return super().check_rows(estimator, X, reset=reset)

    def as_weights(self, sample_weight):
        # or scikit-learn would look for the strides of a list, to move it to a device
        if hasattr(sample_weight, "__dlpack__"):
            return sample_weight
        return np.asarray(sample_weight)

    def prepare(self, X, sample_weight, seed, owner):
        # a fit is not differentiable; queries are
        return place_rows(_detached(X), sample_weight, seed, device=self.device)

    def evaluate(self, function, subject, X, *, n_jobs, owner, name="X"):
        subject = subject.to(self.device)
        with np.errstate(over="ignore"):  # to infinity, far from the data
            parts = [
                function(subject, X[rows, :])
                for rows in self.device.blocks(X.shape[0], subject.width)
            ]
        return parts[0] if len(parts) == 1 else self.device.xp.concat(parts)

    def attributes(self, fitted):
        return {name: self._put(value) for name, value in fitted.items()}

    def _put(self, value):
        if not isinstance(value, np.ndarray):
            return value
        is_single = value.dtype == np.float32
        return self.device.put(value, self.device.xp.float32 if is_single else None)

    def labels(self, decision):
        xp = self.device.xp
        return 2 * xp.astype(decision >= 0, xp.int64) - 1

    def mean(self, values):
        return float(to_numpy(self.device.xp.mean(values)))
