"""Rows in the blocks of a dask array or DataFrame."""

import sys
from functools import partial

import numpy as np
from sklearn import get_config
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from skdsm._blocks import single_threaded_blas
from skdsm._sklearn.backends import (
    Backend,
    block_rows_of,
    numbers_only,
    without_missing,
)
from skdsm._sklearn.schedulers import check_dask_scheduler
from skdsm.model.array_ops import NUMPY
from skdsm.rows.in_dask import distribute_rows

__all__ = ["DaskBackend", "has_cluster"]


class DaskBackend(Backend):
    """Rows in blocks: values are checked when a block is computed."""

    def check_rows(self, estimator, X, *, reset):
        """Rows as a dask array of floats in one block of columns."""
        rows = _float_blocks(X, type(estimator).__name__, "X")
        meta = X._meta  # of a dask DataFrame, an empty DataFrame
        named = meta if hasattr(meta, "columns") else np.empty((1, rows.shape[1]))
        validate_data(estimator, named, skip_check_array=True, reset=reset)
        return rows

    def check_weights(self, sample_weight, X):
        """Weights as a dask array of shape (n_samples,); None stays."""
        if sample_weight is None:
            return None
        import dask.array as da
        from dask import is_dask_collection

        if not is_dask_collection(sample_weight):
            with numbers_only(sample_weight, "sample_weight") as sample_weight:
                weight = np.asarray(sample_weight)
            _check_dimensions(weight)
            # one block: it is cut as the rows are, once their blocks are known
            sample_weight = da.from_array(weight, chunks=-1)
        elif not isinstance(sample_weight, da.Array):
            if not hasattr(sample_weight, "ndim"):
                raise _not_rows(sample_weight, "sample_weight", "Series")
            _check_dimensions(sample_weight)
            return sample_weight.map_partitions(_weight_block, meta=np.empty(0))
        _check_dimensions(sample_weight)
        return sample_weight.map_blocks(_weight_block, dtype=np.float64)

    def check_codes(self, H, n_components):
        """Hidden codes as a dask array of shape (n_samples, n_components)."""
        H = _float_blocks(H, None, "H")
        super().check_codes(np.zeros((1, H.shape[1])), n_components)
        return H

    def prepare(self, X, sample_weight, seed, owner):
        """Set up training rows in their blocks."""
        check_dask_scheduler()
        check = partial(_check_block, owner=owner, name="X")
        persist = has_cluster() or X.nbytes <= get_config()["working_memory"] * 2**20
        return distribute_rows(X, sample_weight, seed, check=check, persist=persist)

    def evaluate(self, function, subject, X, *, n_jobs, owner, name="X"):
        """``function(subject, X)``, as a lazy dask array."""
        # of a copy: what it keeps for rows need not travel
        probe = function(subject.to(NUMPY), np.zeros((1, X.shape[1]), X.dtype))
        if probe.ndim == 1:
            shape = {"drop_axis": 1}
        else:
            shape = {"chunks": (X.chunks[0], (probe.shape[1],))}
        return X.map_blocks(
            partial(_evaluate_block, function, subject, owner, name),
            dtype=probe.dtype,
            meta=np.empty((0,) * probe.ndim, probe.dtype),
            **shape,
        )


def has_cluster():
    """Whether tasks go to the workers of a distributed scheduler."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return False
    try:
        distributed.default_client()
    except ValueError:
        return False
    return True


def _not_rows(X, name, frame):
    return TypeError(
        f"{name} is a dask collection of type {type(X).__name__}. Please pass a dask "
        f"array or a dask {frame}."
    )


def _float_blocks(X, owner, name):
    """Turn a collection into an array of floats in one block of columns."""
    import dask.array as da

    if not isinstance(X, da.Array):
        meta = getattr(X, "_meta", None)
        if not hasattr(meta, "columns"):
            raise _not_rows(X, name, "DataFrame")
        rows = X._meta_nonempty.copy()
        # dask makes up words where types do not tell: the blocks will
        untold = meta.dtypes.isin([np.dtype(object)]) | (meta.dtypes == "category")
        rows[meta.columns[untold]] = 0.0
        probe = _check_block(rows, owner, name)
        meta = np.empty((0, probe.shape[1]), probe.dtype)
        return X.map_partitions(_check_block, owner, name, "C", meta=meta)
    if not isinstance(X._meta, np.ndarray):
        raise TypeError(
            f"{name} is a dask array of {type(X._meta).__name__}. Please convert its "
            "blocks to NumPy arrays."
        )
    # arrays of other dimensions are refused as NumPy's would be
    shape = tuple(1 if np.isnan(n) else min(n, 1) for n in X.shape)
    with numbers_only(np.zeros(shape, X.dtype), name) as empty:
        types = Backend.float_types
        dtype = check_array(empty, dtype=types, input_name=name, estimator=owner).dtype
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


def _check_block(X, owner, name, order=None):
    """Validate the values of a block, which may have no rows."""
    with without_missing(name, "dask collections"), numbers_only(X, name) as X:
        return check_array(
            X,
            dtype=Backend.float_types,
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


def _evaluate_block(function, subject, owner, name, X):
    X = _check_block(X, owner, name)
    with single_threaded_blas():
        blocks = block_rows_of(subject, max(1, len(X)))
        return np.concatenate([function(subject, X[rows]) for rows in blocks])
