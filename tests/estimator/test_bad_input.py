"""What is refused, with which error, and that the message names the cause.

Values that are not numbers, in any container, are in test_refused_values.py.
"""

import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.exceptions import NotFittedError
from sklearn.utils._param_validation import InvalidParameterError
from support.quick_fits import QUERIES, normal_rows, quick

from skdsm import DenoisingScoreMatcher

X = normal_rows()
N, D = X.shape
NAMES = ["a", "b", "c"]
BEYOND_FLOATS = 2**2000


def with_entry(value, rows=X):
    """Rows, one entry of which is the value."""
    rows = rows.copy()
    rows[3, 1] = value
    return rows


def frame(dtype, value=None):
    """A data frame with one missing entry, or another given value."""
    rows = pd.DataFrame((X > 0).astype(int), columns=NAMES).astype(dtype)
    rows.iloc[3, 1] = pd.NA if value is None else value
    return rows


def polars_frame(column):
    return pl.DataFrame({"a": X[:, 0], "b": column, "c": X[:, 2]}, strict=False)


MASKED = np.ma.array(X, mask=np.arange(N * D).reshape(N, D) == 7)
STRUCTURED = np.zeros((N, D), dtype=[("field", float)])

REFUSED_ROWS = {
    "infinity": (with_entry(np.inf), ValueError, "infinity"),
    "minus infinity": (with_entry(-np.inf), ValueError, "infinity"),
    "float32 infinity": (with_entry(np.inf, np.float32(X)), ValueError, "infinity"),
    "pandas infinity": (frame(float, np.inf), ValueError, "infinity"),
    "pandas NA, object": (frame(object), ValueError, "contains NaN"),
    "pandas NA, list": ([[1.0, pd.NA, 2.0]], ValueError, "contains NaN"),
    "polars infinity": (polars_frame([np.inf] + [0.5] * (N - 1)), ValueError, "infin"),
    "no rows": (np.empty((0, D)), ValueError, "0 sample"),
    "no features": (np.empty((N, 0)), ValueError, "0 feature"),
    "one dimension": (X[:, 0], ValueError, "Expected 2D array, got 1D"),
    "three dimensions": (X[None], ValueError, "dim 3"),
    "a scalar": (1.5, ValueError, "Expected 2D array, got scalar"),
    "None": (None, ValueError, "Expected 2D array"),
    "ragged lists": ([[1.0, 2.0, 3.0], [4.0]], ValueError, "inhomogeneous"),
    "sparse array": (sparse.csr_array(X), TypeError, "[Ss]parse"),
    "sparse matrix": (sparse.coo_matrix(X), TypeError, "[Ss]parse"),
    "sparse frame": (
        pd.DataFrame(X, columns=NAMES).astype(pd.SparseDtype(float, 0.0)),
        TypeError,
        "[Ss]parse",
    ),
    "table without columns": (pd.DataFrame(index=range(N)), ValueError, "0 feature"),
    "tuple of masked rows": (tuple(MASKED), ValueError, "masked"),
    "np.matrix": (X.view(np.matrix), TypeError, "np.matrix"),
    "record array": (STRUCTURED.view(np.recarray), TypeError, "dtype"),
    "masked": (MASKED, ValueError, "masked"),
    "list of masked rows": (list(MASKED), ValueError, "masked"),
    "int beyond floats": (
        [[BEYOND_FLOATS, 1, 2]],
        ValueError,
        "beyond the range of floats",
    ),
    "minus int beyond floats": (
        [[1.5, -BEYOND_FLOATS, 2]],
        ValueError,
        "beyond the range of floats",
    ),
    "int beyond floats, objects": (
        with_entry(BEYOND_FLOATS, X.astype(object)),
        ValueError,
        "beyond the range of floats",
    ),
    "int beyond floats, frame": (
        frame(object, BEYOND_FLOATS),
        ValueError,
        "beyond the range of floats",
    ),
}


def cases(table):
    """Parameters of a test, named by the keys of a table."""
    return pytest.mark.parametrize(
        ("bad", "error", "message"),
        [pytest.param(*case, id=name) for name, case in table.items()],
    )


@cases(REFUSED_ROWS)
def test_fit_refuses_rows(bad, error, message):
    matcher = quick()
    with pytest.raises(error, match=message):
        matcher.fit(bad)
    assert vars(matcher) == vars(quick())


@pytest.fixture(scope="module")
def fitted():
    return quick().fit(X)


@pytest.fixture(scope="module")
def fitted_to_as_many():
    """As many components as features, so that bad rows are bad codes."""
    return quick(n_components=D).fit(X)


# whichever of the two was fitted without names, the rows are refused
@pytest.mark.filterwarnings("ignore:X has feature names:UserWarning")
@cases(REFUSED_ROWS)
def test_every_query_refuses_rows(bad, error, message, fitted):
    for query in QUERIES:
        with pytest.raises(error, match=message):
            getattr(fitted, query)(bad)


@pytest.mark.parametrize("n_features", [D - 1, D + 1])
def test_every_query_refuses_another_number_of_features(n_features, fitted):
    rows = normal_rows(n_features=n_features)
    message = f"X has {n_features} features, but .* is expecting {D} features"
    for query in QUERIES:
        with pytest.raises(ValueError, match=message):
            getattr(fitted, query)(rows)


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame])
@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a", "b", "z"], "Feature names unseen at fit time:\n- z"),
        (["a", "c", "b"], "Feature names must be in the same order"),
    ],
    ids=["renamed", "reordered"],
)
def test_every_query_refuses_other_columns(library, names, message):
    matcher = quick().fit(library(dict(zip(NAMES, X.T, strict=True))))
    other = library(dict(zip(names, X.T, strict=True)))
    for query in QUERIES:
        with pytest.raises(ValueError, match=message):
            getattr(matcher, query)(other)


REFUSED_CODES = {
    "NaN": (with_entry(np.nan), ValueError, "contains NaN"),
} | {
    name: REFUSED_ROWS[name]
    for name in [
        "infinity",
        "no rows",
        "one dimension",
        "sparse array",
        "np.matrix",
        "masked",
        "int beyond floats",
        "int beyond floats, objects",
    ]
}


@cases(REFUSED_CODES)
def test_inverse_transform_refuses_codes(bad, error, message, fitted_to_as_many):
    with pytest.raises(error, match=message):
        fitted_to_as_many.inverse_transform(bad)


def test_inverse_transform_refuses_another_number_of_components(fitted):
    with pytest.raises(ValueError, match="5 columns, but the model has 4 components"):
        fitted.inverse_transform(np.zeros((2, 5)))


def weights_with(value):
    return np.where(np.arange(N) == 5, value, 1.0)


REFUSED_WEIGHTS = {
    "negative": (weights_with(-1e-300), "Negative values"),
    "NaN": (weights_with(np.nan), "sample_weight contains NaN"),
    "infinite": (weights_with(np.inf), "sample_weight contains infinity"),
    "all zero": (np.zeros(N), "at least one non-zero"),
    "too few": (np.ones(N - 1), r"sample_weight.shape == \(39,\)"),
    "too many": (np.ones(N + 1), r"sample_weight.shape == \(41,\)"),
    "two dimensions": (np.ones((N, 1)), "1D array"),
    "masked": (np.ma.array(np.ones(N), mask=np.arange(N) == 5), "masked"),
    "pandas NA": (pd.Series([pd.NA] + [1.0] * (N - 1), dtype="Float64"), "NaN"),
    "polars null": (pl.Series([None] + [1.0] * (N - 1)), "NaN"),
    "int beyond floats": ([BEYOND_FLOATS] + [1] * (N - 1), "beyond the range"),
}


@pytest.mark.parametrize(
    ("bad", "message"), REFUSED_WEIGHTS.values(), ids=REFUSED_WEIGHTS
)
def test_fit_refuses_weights(bad, message):
    matcher = quick()
    with pytest.raises(ValueError, match=message):
        matcher.fit(X, sample_weight=bad)
    assert vars(matcher) == vars(quick())


NAN, INFINITY = float("nan"), float("inf")
REFUSED_PARAMETERS = [
    *(("sigma", value) for value in [0, -1.0, NAN, INFINITY, "0.5", None, True]),
    *(("sigma", value) for value in [(), (1.0,), (0.1, 0.5, 1.0), {0.1, 1.0}]),
    *(("sigma", (low, 1.0)) for low in [0, -1.0, NAN, "0.5", None, True, 1.1]),
    *(("sigma", (0.1, high)) for high in [INFINITY, NAN, 1e200, BEYOND_FLOATS]),
    *(("sigma", value) for value in [1e-200, 1e200, BEYOND_FLOATS]),
    *(("n_components", value) for value in [0, -1, 2.0, True, None, "4", NAN]),
    *(("n_corruptions", value) for value in [0, 2.0, True, None]),
    *(("max_iter", value) for value in [0, 2.0, True, None]),
    *(("contamination", value) for value in [0, 0.6, -0.1, NAN, True, None, "x"]),
    *(("alpha", value) for value in [-1e-9, NAN, INFINITY, True, BEYOND_FLOATS]),
    *(("tol", value) for value in [-1e-9, NAN, INFINITY, True, BEYOND_FLOATS]),
    *(("gains", value) for value in ["unity", None, 1]),
    *(("objective", value) for value in ["esm", None]),
    *(("ranking", value) for value in ["density", None]),
    *(("warm_start", value) for value in ["yes", None, 2]),
    *(("n_jobs", value) for value in [1.5, "all"]),
    *(("random_state", value) for value in [-1, 1.5, "seed"]),
    *(("verbose", value) for value in [-1, "loud", None]),
]


def short_repr(value):
    return repr(value).replace(str(BEYOND_FLOATS), "2**2000")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param(*case, id="-".join(map(short_repr, case)))
        for case in REFUSED_PARAMETERS
    ],
)
def test_fit_refuses_parameter(name, value):
    matcher = quick().set_params(**{name: value})
    with pytest.raises(InvalidParameterError, match=f"The '{name}' parameter"):
        matcher.fit(X)
    assert vars(matcher).keys() == vars(quick()).keys()


def test_zero_jobs_are_refused():
    with pytest.raises(ValueError, match="n_jobs == 0"):
        quick(n_jobs=0).fit(X)


@pytest.mark.parametrize(
    "parameters",
    [
        {"sigma": (0.1, 1)},
        {"sigma": [0.1, 1.0]},
        {"sigma": (0.5, 0.5)},
        {"sigma": np.float32(0.5)},
        {"sigma": 1},
        {"n_components": np.int64(4)},
        {"contamination": 0.5},
        {"contamination": np.float32(0.1)},
        {"alpha": 1},
        {"tol": 1},
        {"max_iter": sys.maxsize},
        {"n_jobs": -1},
    ],
    ids=str,
)
def test_fit_accepts_parameters(parameters):
    assert quick(**parameters).fit(X).n_iter_ >= 1


@pytest.mark.parametrize("query", [*QUERIES, "inverse_transform"])
def test_unfitted_estimator_says_so(query):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        getattr(DenoisingScoreMatcher(), query)(X)


def test_unfitted_estimator_has_no_names_of_features_out():
    with pytest.raises(NotFittedError, match="not fitted yet"):
        DenoisingScoreMatcher().get_feature_names_out()
