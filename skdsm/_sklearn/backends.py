"""Where rows are: in NumPy arrays, on a device, in dask; asked once per call.

`Backend` is the interface, and what it does for NumPy arrays, in memory or mapped from
a file. `array_backend` and `dask_backend` override what differs.
"""

import re
import sys
from collections.abc import Callable
from contextlib import contextmanager
from datetime import date, time, timedelta
from functools import wraps
from itertools import chain
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
from skdsm.model.marginal import has_missing
from skdsm.rows.in_file import map_rows
from skdsm.rows.in_memory import prepare_rows

__all__ = [
    "Backend",
    "backend_of",
    "block_rows_of",
    "evaluate",
    "marginal_model",
    "numbers_only",
    "query",
    "too_large_to_copy",
    "without_missing",
]

# Elements of the widest array of a block. With fewer, some twenty calls of NumPy take
# longer than the arithmetic, and threads wait for each other; with more, it leaves the
# cache.
_BLOCK_ELEMENTS = 2**18
_FEWEST_BLOCKS = 2  # per thread: to start one takes longer than to score fewer
_TASKS = 4  # per thread, of consecutive blocks: to hand over each block takes longer

# What float() or NumPy may take for numbers: kinds of dtypes, classes of single values,
# and what is raised.
_TEXT = (str, bytes, bytearray, memoryview)
_TIME = (date, time, timedelta, np.datetime64, np.timedelta64)
_COMPLEX = (complex, np.complexfloating)
_REFUSED = (
    ("SUT", _TEXT, ValueError, "strings. Please convert them to floats."),
    ("mM", _TIME, TypeError, "dates or durations. Please convert them to floats."),
    ("c", _COMPLEX, ValueError, "Complex data not supported."),
    ("V", (), TypeError, "structures. Please convert them to columns of floats."),
)
_NUMBERS = "biuf"

# dtypes of libraries that do not give NumPy's letter: polars, pyarrow, PyTorch
_NAMES = re.compile(
    r"(\w+\.)?(?:(?P<real>bool|u?int\d|b?float|double|halffloat)|(?P<complex>complex)"
    r"|(?P<time>date|time|duration)|(?P<structure>struct))",
    re.IGNORECASE,
)
_LETTERS = {"real": "f", "complex": "c", "time": "M", "structure": "V"}

_Method = TypeVar("_Method")


class Backend:
    """What the estimator asks of rows; here for NumPy arrays."""

    # types that rows may have; weights have the first
    float_types: Any = [np.float64, np.float32]
    finite: Any = "allow-nan"  # what scikit-learn calls ensure_all_finite

    def check_rows(self, estimator, X, *, reset):
        """Rows as an array of shape (n_samples, n_features) of floats, none infinite.

        The estimator's feature count and names are set (in fit) or compared.
        """
        with numbers_only(X, "X") as X:
            return validate_data(
                estimator,
                X,
                dtype=self.float_types,
                order="C",
                ensure_all_finite=self.finite,
                reset=reset,
            )

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
                dtype=self.float_types[0],
                ensure_non_negative=True,
            )

    def as_weights(self, sample_weight):
        """Weights as scikit-learn's check takes them."""
        return sample_weight

    def check_codes(self, H, n_components):
        """Hidden codes as a finite array of shape (n_samples, n_components)."""
        with numbers_only(H, "H") as H:
            H = check_array(H, dtype=self.float_types, input_name="H")
        if H.shape[1] != n_components:
            raise ValueError(
                f"H has {H.shape[1]} columns, but the model has {n_components} "
                "components."
            )
        return H

    def prepare(self, X, sample_weight, seed, owner):
        """Set up training rows where they are."""
        if not too_large_to_copy(X):
            return prepare_rows(X, sample_weight, seed)
        if has_missing(X):
            raise _missing_refused("X", "a file that is mapped to memory")
        return map_rows(X, sample_weight, seed)

    def evaluate(self, function, subject, X, *, n_jobs, owner, name="X"):
        """``function(subject, X)`` of an EnergyModel or a Detector, block by block."""
        blocks = block_rows_of(subject, len(X))
        n_threads = min(local_threads(n_jobs), -(-len(blocks) // _FEWEST_BLOCKS))
        size = -(-len(blocks) // (_TASKS * n_threads))
        tasks = [blocks[i : i + size] for i in range(0, len(blocks), size)]
        with block_map(n_threads) as map:
            parts = map(lambda t: [function(subject, X[rows]) for rows in t], tasks)
            return np.concatenate(list(chain.from_iterable(parts)))

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
    """Check the rows of a query, and apply ``function(subject, X)`` where they are.

    Where cells are missing, the function of the same name that allows for that.
    """
    backend = backend_of(X)
    X = backend.check_rows(estimator, X, reset=False)
    owner = type(estimator).__name__
    if isinstance(X, np.ndarray) and has_missing(X):
        subject = marginal_model(estimator, subject)
        function = getattr(type(subject), function.__name__)
    return backend.evaluate(function, subject, X, n_jobs=estimator.n_jobs, owner=owner)


def marginal_model(estimator, subject):
    """An EnergyModel or a Detector, for rows in which cells are missing."""
    # of models that were saved before there was a location_
    return subject.marginal(
        getattr(estimator, "location_", estimator.intercept_visible_)
    )


def block_rows_of(subject, n_rows):
    """Blocks of rows whose widest array, for an EnergyModel or a Detector, is small."""
    return row_blocks(n_rows, max(1, _BLOCK_ELEMENTS // subject.width))


# --- What is refused ---


@contextmanager
def numbers_only(X, name):
    """Refuse what NumPy would convert to floats without a word, or with a strange one.

    Yields X, as an array if it was a list.
    """
    with _floats_in_range(name):
        if type(X) is not np.ndarray or X.dtype.kind not in _NUMBERS:
            X = _without_others(X, name)
        yield X


def _without_others(X, name):
    """X, as an array if it was a list, if each value can be a number."""
    is_list = isinstance(X, list | tuple)
    # NumPy drops the mask, of a list of masked rows as well
    if any(np.ma.is_masked(part) for part in (X if is_list else [X])):
        raise ValueError(
            f"{name} has masked values, which are not supported. Please impute or drop "
            "them."
        )
    # scikit-learn takes a list of float32 rows as float64: it stays a list
    if is_list and not any(hasattr(row, "dtype") for row in X):
        X = np.asarray(X)
    if hasattr(X, "columns") and not len(X.columns):
        raise ValueError(f"{name} has 0 feature(s): it is a table without columns.")
    for part in _typed_parts(X):
        _check_values(part, name)
    return X


def _typed_parts(X):
    """Columns of a table or rows of a list, unless all types are numbers; else X."""
    if isinstance(X, list | tuple):
        return [] if _all_numbers(getattr(row, "dtype", None) for row in X) else X
    if hasattr(X, "column_names"):  # pyarrow
        return X.columns
    if hasattr(X, "columns") and hasattr(X, "dtypes"):
        if _all_numbers(X.dtypes):
            return []
        if hasattr(X, "iter_columns"):  # polars
            return X.iter_columns()
        return [column for _, column in X.items()]
    return [X]


def _all_numbers(dtypes):
    return all(_kind(dtype) in _NUMBERS for dtype in set(dtypes))


def _kind(dtype):
    """NumPy's letter for a type of any library; "O" where only the values tell."""
    kind = getattr(dtype, "kind", None)
    if kind is not None:
        return kind
    found = _NAMES.match(str(dtype))
    return _LETTERS[found.lastgroup] if found else "O"


def _check_values(values, name):
    """Refuse by the type of values, or where it does not tell, by the cells."""
    dtype = getattr(values, "dtype", getattr(values, "type", None))  # pyarrow's name
    kind = _kind(dtype)
    if kind == "O":
        values = np.asarray(values)
        dtype, kind = values.dtype, values.dtype.kind
    if kind == "O":
        _check_cells(values, name)
    elif kind not in _NUMBERS:
        for kinds, _, error, what in _REFUSED:
            if kind in kinds:
                raise error(f"{name} has dtype {dtype}: {what}")


def _check_cells(values, name):
    types = set(map(type, values.flat))
    for _, classes, error, what in _REFUSED:
        for cell in types:
            if issubclass(cell, classes):
                raise error(f"{name} holds values of type {cell.__name__}: {what}")
    if any(cell.__name__ == "NAType" for cell in types):
        raise ValueError(
            f"Input {name} contains NaN: pandas.NA among objects. Please convert it to "
            "a column of floats, such as pandas.Float64Dtype."
        )
    if np.ndarray in types:
        for cell in values.flat:
            _check_values(cell, name)


@contextmanager
def without_missing(name, where):
    """Say where missing cells are supported, to whom they are refused."""
    try:
        yield
    except ValueError as error:
        if "contains NaN" not in str(error):
            raise
        raise _missing_refused(name, where) from None


def _missing_refused(name, where):
    return ValueError(
        f"Input {name} contains NaN. Missing cells are supported in NumPy arrays and "
        f"data frames in memory, but not in {where}. Please convert {name}, or impute "
        "it first."
    )


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
