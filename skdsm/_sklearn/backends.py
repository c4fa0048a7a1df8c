"""Where rows are: in NumPy arrays, on a device, in dask; asked once per call.

`Backend` is the interface, and what it does for NumPy arrays, in memory or mapped from
a file. `array_backend` and `dask_backend` override what differs.
"""

import sys
from collections.abc import Callable
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar

import numpy as np
from sklearn import get_config
from sklearn.utils import check_array
from sklearn.utils._array_api import check_same_namespace
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    validate_data,
)

from skdsm._blocks import block_map, default_float_errors, row_blocks
from skdsm._sklearn.schedulers import local_threads
from skdsm.rows.in_file import map_rows
from skdsm.rows.in_memory import prepare_rows

__all__ = [
    "Backend",
    "backend_of",
    "block_rows_of",
    "evaluate",
    "numbers_only",
    "query",
    "too_large_to_copy",
]

# Elements of the widest array of a block. With fewer, some twenty calls of NumPy take
# longer than the arithmetic, and threads wait for each other; with more, it leaves the
# cache.
_BLOCK_ELEMENTS = 2**17
_FEWEST_BLOCKS = 4  # per thread: to start one takes longer than to score fewer

# dtypes of polars and pandas that are no numbers, but would be converted
_DATES = ("Date", "Datetime", "Duration", "Time", "datetime64", "timedelta64")

_Method = TypeVar("_Method")


class Backend:
    """What the estimator asks of rows; here for NumPy arrays."""

    where = ""  # in messages: where rows are, unless in memory or in a file

    def float_types(self, X, name):
        """Types that rows may have; the first is the one of weights."""
        return [np.float64, np.float32]

    def check_rows(self, estimator, X, *, reset):
        """Rows as a finite array of shape (n_samples, n_features) of floats.

        The estimator's feature count and names are set (in fit) or compared.
        """
        with numbers_only(X, "X") as X:
            types = self.float_types(X, "X")
            return validate_data(estimator, X, dtype=types, order="C", reset=reset)

    def check_weights(self, sample_weight, X):
        """Weights as an array of shape (n_samples,), none negative; None stays."""
        if sample_weight is None:
            return None
        if _is_dask(sample_weight):
            raise TypeError("sample_weight is a dask collection, but X is not.")
        with numbers_only(sample_weight, "sample_weight") as sample_weight:
            return _check_sample_weight(
                self.as_weights(sample_weight),
                X,
                dtype=self.float_types(X, "X")[0],
                ensure_non_negative=True,
            )

    def as_weights(self, sample_weight):
        """Weights as scikit-learn's check takes them."""
        return sample_weight

    def check_codes(self, H, n_components):
        """Hidden codes as a finite array of shape (n_samples, n_components)."""
        with numbers_only(H, "H") as H:
            H = check_array(H, dtype=self.float_types(H, "H"), input_name="H")
        if H.shape[1] != n_components:
            raise ValueError(
                f"H has {H.shape[1]} columns, but the model has {n_components} "
                "components."
            )
        return H

    def prepare(self, X, sample_weight, seed, owner):
        """Set up training rows where they are."""
        prepare = map_rows if too_large_to_copy(X) else prepare_rows
        return prepare(X, sample_weight, seed)

    def evaluate(self, function, subject, X, *, n_jobs, owner, name="X"):
        """``function(subject, X)`` of an EnergyModel or a Detector, block by block."""
        blocks = block_rows_of(subject, len(X))
        n_threads = min(local_threads(n_jobs), -(-len(blocks) // _FEWEST_BLOCKS))
        with block_map(n_threads) as map:
            parts = map(lambda rows: function(subject, X[rows]), blocks)
            return np.concatenate(list(parts))

    def attributes(self, fitted):
        """Fitted attributes, beside the rows of the fit."""
        return fitted

    def labels(self, decision):
        """1 for inliers, -1 for outliers."""
        return np.where(decision >= 0, 1, -1)

    def mean(self, values):
        """Mean of a result, as a float."""
        return float(np.mean(values))


_NUMPY = Backend()


def _is_dask(X):
    dask = sys.modules.get("dask")
    return dask is not None and dask.is_dask_collection(X)


def backend_of(X):
    """Choose the backend of rows. What it is for optional packages is imported then."""
    if isinstance(X, np.ndarray):
        return _NUMPY
    if _is_dask(X):
        from skdsm._sklearn.dask_backend import DaskBackend

        return DaskBackend()
    if get_config()["array_api_dispatch"]:
        from skdsm._sklearn.array_backend import ArrayBackend

        return ArrayBackend.of(X) or _NUMPY
    return _NUMPY


def query(method: _Method) -> _Method:
    """Decorate a method that answers, after a fit, for rows of the same kind."""
    function: Any = method

    @wraps(function)
    def checked(self, X, *args, **kwargs):
        if "components_" not in vars(self):
            check_is_fitted(self)  # a look at the tags, for one row, is not free
        if not _is_dask(X):  # its blocks are NumPy's
            name = function.__name__
            check_same_namespace(X, self, attribute="components_", method=name)
        with default_float_errors():
            return function(self, X, *args, **kwargs)

    decorated: Any = checked
    return decorated


def evaluate(estimator, function: Callable, subject, X):
    """Check the rows of a query, and apply ``function(subject, X)`` where they are."""
    backend = backend_of(X)
    X = backend.check_rows(estimator, X, reset=False)
    owner = type(estimator).__name__
    return backend.evaluate(function, subject, X, n_jobs=estimator.n_jobs, owner=owner)


def block_rows_of(subject, n_rows):
    """Blocks of rows whose widest array, for an EnergyModel or a Detector, is small."""
    return row_blocks(n_rows, max(1, _BLOCK_ELEMENTS // subject.width))


# --- What is refused ---


@contextmanager
def numbers_only(X, name):
    """Refuse what NumPy would convert to floats without a word, or with a strange one.

    Yields X, as an array if it was a list.
    """
    # NumPy drops the mask, of a list of masked rows as well
    if any(np.ma.is_masked(part) for part in (X if isinstance(X, list) else [X])):
        raise ValueError(
            f"{name} has masked values, which are not supported. Please impute or drop "
            "them."
        )
    if isinstance(X, list | tuple) and not any(hasattr(row, "dtype") for row in X):
        with _floats_in_range(name):
            X = np.asarray(X)
    dtypes = getattr(X, "dtypes", [getattr(X, "dtype", None)])
    holds_objects = False
    for dtype in dtypes if np.iterable(dtypes) else [dtypes]:
        kind = getattr(dtype, "kind", None)
        holds_objects |= kind == "O"
        if kind in ("m", "M", "V") or str(dtype).startswith(_DATES):
            raise TypeError(
                f"{name} has dtype {dtype}, which is not numeric. Please convert it to "
                "floats."
            )
        if kind in ("U", "S"):
            raise ValueError(
                f"{name} has dtype {dtype}: strings. Please convert it to floats."
            )
    if holds_objects and any(
        type(value).__name__ == "NAType" for value in np.asarray(X).flat
    ):
        raise ValueError(f"Input {name} contains NaN: pandas.NA.")
    with _floats_in_range(name):
        yield X


@contextmanager
def _floats_in_range(name):
    try:
        yield
    except OverflowError as error:
        raise ValueError(
            f"{name} holds a number beyond the range of floats: {error}."
        ) from None


def too_large_to_copy(X):
    """Tell whether rows are a file that is mapped to memory and too large to copy.

    That is, larger than a sixteenth of scikit-learn's setting `working_memory`.
    """
    if X.nbytes <= get_config()["working_memory"] * 2**16:
        return False
    base = X
    while base is not None and not isinstance(base, np.memmap):
        base = getattr(base, "base", None)
    return base is not None
