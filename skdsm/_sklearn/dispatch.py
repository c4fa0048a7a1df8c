"""scikit-learn's array API dispatch: rows that are arrays of other libraries.

All of it is off unless ``config_context(array_api_dispatch=True)`` says otherwise; what
comes in is then converted to NumPy by scikit-learn.
"""

import numpy as np
from sklearn import get_config
from sklearn.utils._array_api import (
    _convert_to_numpy,
    _is_numpy_namespace,
    _max_precision_float_dtype,
    array_api_compat,
    get_namespace_and_device,
)

from skdsm.model.array_ops import Device

__all__ = [
    "device_of",
    "float_types",
    "inlier_labels",
    "mean",
    "on_device_of",
    "to_numpy",
]


def to_numpy(array):
    """Copy an array of any library to the host.

    Unlike `move_to` of scikit-learn, this works while dispatch is off: a model that was
    fitted while it was on has such arrays.

    Parameters
    ----------
    array : object
        The array, or something else.

    Returns
    -------
    ndarray or object
        The array as NumPy's, perhaps of the same memory; itself if it is NumPy's, or no
        array.
    """
    if isinstance(array, np.ndarray) or not hasattr(array, "__dlpack__"):
        return array
    return _convert_to_numpy(array, array_api_compat.array_namespace(array))


def device_of(X):
    """Say where an array is.

    Parameters
    ----------
    X : object
        Validated rows or codes, or values that belong to them.

    Returns
    -------
    Device or None
        Where it is; None if it is NumPy's, or dispatch is off.
    """
    if isinstance(X, np.ndarray) or not get_config()["array_api_dispatch"]:
        return None
    xp, is_array_api, device = get_namespace_and_device(X)
    if not is_array_api or _is_numpy_namespace(xp):
        return None
    return Device(xp, device, _max_precision_float_dtype(xp, device), to_numpy)


def float_types(X, name):
    """Types of floats that rows may have, in their own namespace.

    Parameters
    ----------
    X : object
        Rows as they were given.
    name : str
        What to call them in messages.

    Returns
    -------
    list of dtype
        The types; the first is what others are converted to.

    Raises
    ------
    ValueError
        If X is complex: not all libraries complain.
    """
    device = device_of(X)
    if device is None:
        return [np.float64, np.float32]
    if device.xp.isdtype(X.dtype, "complex floating"):
        raise ValueError(f"Complex data not supported: {name} has dtype {X.dtype}.")
    return [device.wide, device.xp.float32]


def on_device_of(X, fitted):
    """Put fitted attributes beside the rows of the fit, as scikit-learn wants them.

    Parameters
    ----------
    X : array
        Validated rows.
    fitted : dict
        Fitted attributes.

    Returns
    -------
    dict
        The attributes; those that are arrays are in the namespace and on the device of
        the rows.
    """
    device = device_of(X)
    if device is None:
        return fitted
    return {name: _put(device, value) for name, value in fitted.items()}


def _put(device, value):
    if not isinstance(value, np.ndarray):
        return value
    dtype = device.xp.float32 if value.dtype == np.float32 else device.wide
    return device.put(value, dtype)


def inlier_labels(decision):
    """Turn decisions into labels.

    Parameters
    ----------
    decision : array of shape (n_samples,)
        Negative for outliers.

    Returns
    -------
    array of shape (n_samples,), int
        1 where the decision is at least zero, otherwise -1; of the same library.
    """
    device = device_of(decision)
    if device is None:
        return np.where(decision >= 0, 1, -1)
    return 2 * device.xp.astype(decision >= 0, device.xp.int64) - 1


def mean(values):
    """Average values.

    Parameters
    ----------
    values : array of shape (n_samples,)
        Values.

    Returns
    -------
    float
        Their mean.
    """
    device = device_of(values)
    return float(np.mean(values) if device is None else device.xp.mean(values))
