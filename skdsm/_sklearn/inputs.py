"""What the estimator is given: arrays, of NumPy or not, or collections of dask."""

import sys
from collections.abc import Callable
from functools import partial, wraps
from typing import Any, NamedTuple, TypeVar

import numpy as np
from sklearn import get_config
from sklearn.utils import check_array
from sklearn.utils._array_api import check_same_namespace
from sklearn.utils.validation import check_is_fitted, validate_data

from skdsm._blocks import default_float_errors, row_blocks, single_threaded_blas
from skdsm._sklearn import validation
from skdsm._sklearn.dispatch import device_of
from skdsm._sklearn.schedulers import check_dask_scheduler
from skdsm._sklearn.validation import numbers_only, too_large_to_copy
from skdsm.detection.device_energy import evaluate_on_device
from skdsm.rows.dask_risk import distributed_risk
from skdsm.rows.device_risk import DeviceRisk
from skdsm.rows.in_dask import distribute_rows
from skdsm.rows.in_file import map_rows
from skdsm.rows.in_memory import prepare_rows
from skdsm.rows.on_device import place_rows
from skdsm.training.empirical_risk import EmpiricalRisk

__all__ = [
    "check_codes",
    "check_rows",
    "check_weights",
    "evaluate_elsewhere",
    "query",
    "ways_to_train",
    "where_rows_are",
]

_Method = TypeVar("_Method")


def is_collection(X):
    """Tell whether rows are a collection of dask.

    Parameters
    ----------
    X : object
        Rows.

    Returns
    -------
    bool
        Whether they are.
    """
    dask = sys.modules.get("dask")
    return dask is not None and dask.is_dask_collection(X)


def where_rows_are(X):
    """Say where rows are, if that is not the memory of this process or a file.

    Parameters
    ----------
    X : ndarray, array or dask.array.Array
        Validated rows, or codes.

    Returns
    -------
    str
        The rest of a sentence that begins with "X is"; empty if they are here.
    """
    if is_collection(X):
        return "a dask collection"
    device = device_of(X)
    return "" if device is None else f"an array of {device.xp.__name__}"


def query(method: _Method) -> _Method:
    """Decorate a method that answers for rows: after a fit, to rows of the same kind.

    Parameters
    ----------
    method : callable
        ``method(self, X, ...)``.

    Returns
    -------
    callable
        The method.
    """
    function: Any = method

    @wraps(function)
    def checked(self, X, *args, **kwargs):
        check_is_fitted(self)
        if not is_collection(X):  # its blocks are NumPy's
            name = function.__name__
            check_same_namespace(X, self, attribute="components_", method=name)
        with default_float_errors():
            return function(self, X, *args, **kwargs)

    decorated: Any = checked
    return decorated


def check_rows(estimator, X, *, reset):
    """Validate rows.

    Parameters
    ----------
    estimator : BaseEstimator
        Whose feature count and names are set or compared.
    X : array-like or dask collection of shape (n_samples, n_features)
        Rows.
    reset : bool
        Whether to set them: in fit.

    Returns
    -------
    array or dask.array.Array of shape (n_samples, n_features), float32 or float64
        The rows, NumPy's unless dispatch is on. Values of a dask array are not looked
        at, only its type and shape.

    Raises
    ------
    ValueError
        If X cannot be used.
    TypeError
        If X is of a type that cannot be.
    """
    if not is_collection(X):
        return validation.check_rows(estimator, X, reset=reset)
    rows = _float_blocks(X, type(estimator).__name__, "X")
    meta = X._meta  # of a dask DataFrame, an empty DataFrame
    named = meta if hasattr(meta, "columns") else np.empty((1, rows.shape[1]))
    validate_data(estimator, named, skip_check_array=True, reset=reset)
    return rows


def check_weights(sample_weight, X):
    """Validate sample weights.

    Parameters
    ----------
    sample_weight : array-like or dask collection of shape (n_samples,), or None
        Weights; None is one each.
    X : ndarray or dask.array.Array of shape (n_samples, n_features)
        The validated rows they belong to.

    Returns
    -------
    ndarray or dask.array.Array of shape (n_samples,), float64, or None
        The weights, of the same kind as the rows. Values of a dask array are not looked
        at.

    Raises
    ------
    ValueError
        If the weights cannot be used.
    TypeError
        If they are a dask collection, but the rows are not.
    """
    if not is_collection(X):
        if is_collection(sample_weight):
            raise TypeError("sample_weight is a dask collection, but X is not.")
        return validation.check_weights(sample_weight, X)
    if sample_weight is None:
        return None
    import dask.array as da

    if not is_collection(sample_weight):
        weight = np.asarray(sample_weight)
        _check_dimensions(weight)
        # one block: it is cut as the rows are, once their blocks are known
        sample_weight = da.from_array(weight, chunks=-1)
    elif not isinstance(sample_weight, da.Array):
        sample_weight = sample_weight.to_dask_array()
    _check_dimensions(sample_weight)
    return sample_weight.map_blocks(_weight_block, dtype=np.float64)


def check_codes(H, n_components):
    """Validate hidden codes.

    Parameters
    ----------
    H : array-like or dask collection of shape (n_samples, n_components)
        Codes.
    n_components : int
        Number of hidden units.

    Returns
    -------
    ndarray or dask.array.Array of shape (n_samples, n_components)
        The codes, float32 or float64. Values of a dask array are not looked at.

    Raises
    ------
    ValueError
        If H is not numeric, or has another number of columns.
    """
    if not is_collection(H):
        return validation.check_codes(H, n_components)
    H = _float_blocks(H, None, "H")
    validation.check_codes(np.zeros((1, H.shape[1])), n_components)
    return H


class _Ways(NamedTuple):
    prepare: Callable
    risk: Callable


def ways_to_train(X, owner):
    """Choose how to set up training rows, and how to evaluate the risk on them.

    Parameters
    ----------
    X : ndarray or dask.array.Array
        Validated rows.
    owner : str
        Name of the estimator, for messages.

    Returns
    -------
    prepare : callable
        ``prepare(X, sample_weight, seed)`` returns the rows to train on.
    risk : callable
        What `fit_energy_model` takes.
    """
    if is_collection(X):
        check_dask_scheduler()
        check = partial(_check_block, owner=owner, name="X")
        persist = _has_cluster() or X.nbytes <= get_config()["working_memory"] * 2**20
        return _Ways(
            partial(distribute_rows, check=check, persist=persist), distributed_risk
        )
    device = device_of(X)
    if device is not None:
        return _Ways(partial(place_rows, device=device), DeviceRisk)
    return _Ways(map_rows if too_large_to_copy(X) else prepare_rows, EmpiricalRisk)


def evaluate_elsewhere(function, model, X, block_size, owner, name="X"):
    """Apply a function of rows on their device, or to the blocks of a dask array.

    Parameters
    ----------
    function : callable
        ``function(model, rows)`` returns an array with an entry for each row: a method
        of EnergyModel, or a ranking.
    model : EnergyModel
        The model.
    X : array or dask.array.Array of shape (n_samples, n_columns)
        What `check_rows` or `check_codes` returned.
    block_size : int
        Rows of a dask array that are evaluated at a time.
    owner : str
        Name of the estimator, for messages.
    name : str, optional
        What to call `X` there.

    Returns
    -------
    array or dask.array.Array of shape (n_samples, ...)
        The function's values, where the rows are; those of dask are lazy.
    """
    if not is_collection(X):
        return evaluate_on_device(function, model, X, device_of(X))
    function = partial(function, model)
    probe = function(np.zeros((1, X.shape[1]), X.dtype))
    if probe.ndim == 1:
        shape = {"drop_axis": 1}
    else:
        shape = {"chunks": (X.chunks[0], (probe.shape[1],))}
    return X.map_blocks(
        partial(_evaluate_block, function, block_size, owner, name),
        dtype=probe.dtype,
        meta=np.empty((0,) * probe.ndim, probe.dtype),
        **shape,
    )


def _has_cluster():
    """Whether tasks go to the workers of a distributed scheduler."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return False
    try:
        distributed.default_client()
    except ValueError:
        return False
    return True


def _float_blocks(X, owner, name):
    """Turn a collection into an array of floats in one block of columns."""
    import dask.array as da

    if not isinstance(X, da.Array):
        meta = getattr(X, "_meta", None)
        if not hasattr(meta, "columns"):
            raise TypeError(
                f"{name} is a dask collection of type {type(X).__name__}. Please pass "
                "a dask array or a dask DataFrame."
            )
        probe = _check_block(X._meta_nonempty, owner, name)
        meta = np.empty((0, probe.shape[1]), probe.dtype)
        return X.map_partitions(_check_block, owner, name, "C", meta=meta)
    if not isinstance(X._meta, np.ndarray):
        raise TypeError(
            f"{name} is a dask array of {type(X._meta).__name__}. Please convert its "
            "blocks to NumPy arrays."
        )
    shape = tuple(1 if np.isnan(n) else min(n, 1) for n in X.shape)
    dtype = check_array(
        _numbers(np.zeros(shape, X.dtype), name),
        dtype=[np.float64, np.float32],
        input_name=name,
        estimator=owner,
    ).dtype
    if np.isnan(X.shape[1]):
        raise ValueError(
            f"The number of columns of {name} is not known. Please call its method "
            "compute_chunk_sizes."
        )
    if X.numblocks[1] > 1:
        X = X.rechunk({1: -1})
    if X.dtype != dtype:
        X = X.map_blocks(_check_block, owner, name, dtype=dtype)
    return X


# --- Blocks ---


def _numbers(X, name):
    with numbers_only(X, name) as X:
        return X


def _check_block(X, owner, name, order=None):
    """Validate the values of a block, which may have no rows."""
    with numbers_only(X, name) as X:
        return check_array(
            X,
            dtype=[np.float64, np.float32],
            order=order,
            ensure_min_samples=0,
            input_name=name,
            estimator=owner,
        )


def _weight_block(weight):
    """Validate the weights of a block, of which all may be zero, if not of others."""
    with numbers_only(weight, "sample_weight") as weight:
        return check_array(
            weight,
            dtype=np.float64,
            ensure_2d=False,
            ensure_min_samples=0,
            ensure_non_negative=True,
            input_name="sample_weight",
        )


def _check_dimensions(weight):
    if weight.ndim != 1:
        raise ValueError(
            f"Sample weights must be 1D array or scalar, got {weight.ndim}D array."
        )


def _evaluate_block(function, block_size, owner, name, X):
    X = _check_block(X, owner, name)
    blocks = row_blocks(max(1, len(X)), block_size)
    with single_threaded_blas():
        return np.concatenate([function(X[rows]) for rows in blocks])
