"""What is accepted: every way to write numbers, and numbers of every size."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.exceptions import ConvergenceWarning
from support.quick_fits import (
    CONFIGURATIONS,
    QUERIES,
    assert_same_model,
    fitted_state,
    normal_rows,
    quick,
    with_every_model_or_value,
)

INTEGERS = np.random.default_rng(0).integers(0, 120, (40, 3)).astype(float)
BITS = np.random.default_rng(1).integers(0, 2, (40, 5)).astype(float)


class ArrayLike:
    """Converts to an array, and does nothing else."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype=dtype)


def read_only_memmap(rows, path):
    np.save(path / "rows.npy", rows)
    return np.load(path / "rows.npy", mmap_mode="r")


def misaligned(rows):
    buffer = np.zeros(rows.nbytes + 1, dtype=np.uint8)
    view = buffer[1:].view(rows.dtype).reshape(rows.shape)
    view[:] = rows
    assert not view.flags.aligned
    return view


def frame(rows, dtype):
    return pd.DataFrame(rows, columns=list("abcde")[: rows.shape[1]]).astype(dtype)


WRITINGS = {
    "int8": lambda X, _: X.astype(np.int8),
    "int64": lambda X, _: X.astype(np.int64),
    "uint8": lambda X, _: X.astype(np.uint8),
    "float16": lambda X, _: X.astype(np.float16),
    "longdouble": lambda X, _: X.astype(np.longdouble),
    "object": lambda X, _: X.astype(object),
    "big-endian": lambda X, _: X.astype(">f8"),
    "big-endian int": lambda X, _: X.astype(">i4"),
    "Fortran order": lambda X, _: np.asfortranarray(X),
    "strided": lambda X, _: np.repeat(np.repeat(X, 2, axis=0), 3, axis=1)[::2, ::3],
    "backwards": lambda X, _: X[::-1, ::-1].copy()[::-1, ::-1],
    "broadcast": lambda X, _: np.broadcast_to(X[None], (2, *X.shape))[1],
    "misaligned": lambda X, _: misaligned(X),
    "read-only": lambda X, path: read_only_memmap(X, path),
    "read-only, Fortran": lambda X, path: read_only_memmap(np.asfortranarray(X), path),
    "list": lambda X, _: X.tolist(),
    "list of int": lambda X, _: X.astype(int).tolist(),
    "tuple of arrays": lambda X, _: tuple(X),
    "array-like": lambda X, _: ArrayLike(X),
    "masked array, nothing masked": lambda X, _: np.ma.array(X, mask=np.zeros(X.shape)),
    "masked array, no mask": lambda X, _: np.ma.array(X),
    "pandas": lambda X, _: frame(X, float),
    "pandas Float64": lambda X, _: frame(X, "Float64"),
    "pandas Int64": lambda X, _: frame(X, "Int64"),
    "pandas UInt8": lambda X, _: frame(X, "UInt8"),
    "pandas, several types": lambda X, _: frame(
        X, {"a": "Int64", "b": np.float32, "c": object}
    ),
    "polars": lambda X, _: pl.DataFrame(X, schema=list("abcde")[: X.shape[1]]),
    "polars Int16": lambda X, _: pl.DataFrame(X.astype(np.int16)),
}
WRITINGS_OF_BITS = {
    "bool": lambda X: X.astype(bool),
    "list of bool": lambda X: X.astype(bool).tolist(),
    "pandas bool": lambda X: frame(X, bool),
    "pandas boolean": lambda X: frame(X, "boolean"),
    "polars Boolean": lambda X: pl.DataFrame(X.astype(bool)),
}


def assert_same_answers(matcher, rows, expected, expected_rows):
    assert_same_model(matcher, expected)
    for query in QUERIES:
        actual = getattr(matcher, query)(rows)
        np.testing.assert_array_equal(actual, getattr(expected, query)(expected_rows))


@pytest.fixture(scope="module")
def fitted_to_integers():
    return few_iterations().fit(INTEGERS)


def few_iterations():
    """Numbers that enter are equal or not, however long training goes on."""
    return quick(sigma=20.0, max_iter=5)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("write", WRITINGS.values(), ids=WRITINGS)
def test_equal_numbers_give_equal_models(write, fitted_to_integers, tmp_path):
    rows = write(INTEGERS, tmp_path)
    matcher = few_iterations().fit(rows)
    assert_same_answers(matcher, rows, fitted_to_integers, INTEGERS)


@pytest.mark.parametrize("write", WRITINGS_OF_BITS.values(), ids=WRITINGS_OF_BITS)
def test_booleans_are_zeros_and_ones(write):
    rows = write(BITS)
    assert_same_answers(quick().fit(rows), rows, quick().fit(BITS), BITS)


@pytest.mark.parametrize(
    "write",
    [
        lambda w: w.astype(int),
        lambda w: w.tolist(),
        lambda w: pd.Series(w, index=np.arange(len(w))[::-1]),
        lambda w: pd.Series(w).astype("Int64"),
        lambda w: pl.Series(w),
        lambda w: np.repeat(w, 2)[::2],
        lambda w: w.astype(">f4"),
    ],
    ids=["int", "list", "pandas", "Int64", "polars", "strided", "big-endian"],
)
def test_equal_weights_give_equal_models(write):
    X = normal_rows()
    weight = np.random.default_rng(2).integers(0, 5, len(X)).astype(float)
    expected = quick().fit(X, sample_weight=weight)
    assert_same_model(quick().fit(X, sample_weight=write(weight)), expected)


@pytest.mark.parametrize("weight", [1e308, 5e-324, 1e-300])
def test_equal_weights_of_any_size_are_no_weights(weight):
    X = normal_rows()
    actual = quick().fit(X, sample_weight=np.full(len(X), weight))
    assert_same_model(actual, quick().fit(X))


@pytest.mark.parametrize("y", [np.full(40, np.nan), ["label"] * 40, [None], "y"])
def test_y_is_ignored(y):
    X = normal_rows()
    matcher = quick().fit(X, y)
    assert_same_model(matcher, quick().fit(X))
    assert matcher.score(X, y) == matcher.score(X)
    np.testing.assert_array_equal(matcher.fit_predict(X, y), matcher.predict(X))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_inputs_are_never_modified_nor_returned(dtype, order):
    X = np.array(normal_rows(), dtype=dtype, order=order)
    X[:3] = -0.0  # the canonical form of the rows has zeros without sign
    weight = np.arange(len(X), dtype=np.float64)
    before, weight_before = X.tobytes(), weight.tobytes()
    matcher = quick(n_components=3).fit(X, sample_weight=weight)
    for query in [*QUERIES, "inverse_transform"]:
        assert not np.shares_memory(X, getattr(matcher, query)(X))
    assert X.tobytes() == before
    assert weight.tobytes() == weight_before
    for name, value in fitted_state(matcher).items():
        assert not np.shares_memory(X, value), name


def test_parameters_are_never_modified():
    sigma = [0.1, 1.0]
    matcher = quick(sigma=sigma).fit(normal_rows())
    assert matcher.sigma is sigma
    assert sigma == [0.1, 1.0]


def assert_finite(matcher, X):
    for name, value in fitted_state(matcher).items():
        assert np.isfinite(value).all(), name
    for query in QUERIES:
        assert np.isfinite(getattr(matcher, query)(X)).all(), query


with_every_model = pytest.mark.parametrize(
    "parameters", CONFIGURATIONS.values(), ids=CONFIGURATIONS
)


@with_every_model_or_value(
    "size", [1e-10, 1e-20, 1e-30, 1e-160, 1e-200, 1e-310, 0.0], chosen=[1e-160, 0.0]
)
def test_tiny_rows_are_fitted(size, parameters):
    X = size * normal_rows()
    assert_finite(quick(**parameters).fit(X), X)


@with_every_model_or_value("size", [1e-10, 1e-20, 1e-30, 1e-42], chosen=[1e-20])
def test_tiny_float32_rows_are_fitted(size, parameters):
    X = np.float32(size * normal_rows())
    assert_finite(quick(**parameters).fit(X), X)


@with_every_model_or_value(
    "value", [0.0, 7.5, 1e8, 5e-324, 1e-200, -1e-160], chosen=[7.5, 1e-200]
)
def test_constant_columns_are_fitted(value, parameters):
    X = normal_rows()
    X[:, 1] = value
    matcher = quick(**parameters).fit(X)
    assert_finite(matcher, X)
    assert np.ptp(matcher.score_samples(X)) > 0.1


@with_every_model_or_value(
    "rows",
    [(1, 0.0), (1, 1e200), (2, 7.5), (2, 1e8), (30, 0.0), (30, 1e8), (30, 1e200)],
    chosen=[(1, 7.5), (30, 1e200)],
)
def test_rows_that_are_all_the_same_are_fitted(rows, parameters):
    n_rows, value = rows
    X = np.full((n_rows, 2), value)
    matcher = quick(**parameters).fit(X)
    assert_finite(matcher, X)
    assert (matcher.predict(X) == 1).all()


@pytest.mark.parametrize("X", [[[0.3, -2.0]], [[1.5]]], ids=["one row", "one number"])
def test_one_row_is_fitted(X):
    matcher = quick().fit(X)
    assert_finite(matcher, X)
    far = np.array(X) + 10
    assert matcher.score_samples(far) < matcher.score_samples(X)


HUGE = {
    "1e160": normal_rows() * 1e160,
    "1e200": normal_rows() * 1e200,
    "1e307": normal_rows() * 1e307,
    "float32 1e30": np.float32(normal_rows() * 1e30),
    "one huge column": normal_rows() * [1, 1e200, 1],
    "one huge entry": np.where(np.arange(120).reshape(40, 3) == 7, 1e200, 1.5),
}


@with_every_model
@pytest.mark.parametrize("X", HUGE.values(), ids=HUGE)
def test_huge_rows_are_refused_with_advice(X, parameters):
    with pytest.raises(ValueError, match="rescale"):
        quick(**parameters).fit(X)


def assert_fitted_finitely_or_refused(matcher, X):
    try:
        matcher.fit(X)
    except ValueError as error:
        if "rescale" not in str(error):
            raise
    else:
        assert_finite(matcher, X)


# so far from the scale of sigma, the number of iterations is not the question
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@with_every_model_or_value(
    "exponent", [1, 3, 5, 8, 12, 16, 19, 30, 60, 90, 153, 154], chosen=[8, 19, 153]
)
def test_rows_of_any_size_are_fitted_or_refused(exponent, parameters):
    X = normal_rows(n_samples=20) * 10.0**exponent / 4
    assert_fitted_finitely_or_refused(quick(max_iter=60, **parameters), X)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@with_every_model_or_value(
    "exponent", [1, 3, 5, 8, 11, 14, 17, 18, 19, 37], chosen=[5, 18]
)
def test_float32_rows_of_any_size_are_fitted_or_refused(exponent, parameters):
    X = np.float32(normal_rows(n_samples=20) * 10.0**exponent / 4)
    assert_fitted_finitely_or_refused(quick(max_iter=60, **parameters), X)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("exponent", [-150, -100, -70, -30, -8, -3, 3, 8, 30, 70, 150])
def test_any_noise_level_is_fitted_or_refused(exponent):
    X = normal_rows(n_samples=20)
    assert_fitted_finitely_or_refused(quick(max_iter=60, sigma=10.0**exponent), X)
    levels = 10.0**exponent, 3 * 10.0**exponent
    assert_fitted_finitely_or_refused(quick(max_iter=60, sigma=levels), X)


def test_rows_too_far_from_the_scale_of_sigma_are_warned_of():
    with pytest.warns(ConvergenceWarning, match="far from the scale of sigma"):
        quick(sigma=0.5, gains="unit").fit(normal_rows() * 1e30)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "X",
    [np.zeros((5, 2)), np.ones((1, 3)), normal_rows() * 1e30],
    ids=["all zero", "one row", "1e30"],
)
def test_there_is_at_least_one_iteration(X):
    matcher = quick().fit(X)
    assert matcher.n_iter_ >= 1
    assert len(matcher.loss_curve_) == matcher.n_iter_


FAR = {
    "float64 1e300": np.array([[1e300, 0, 0], [-1e300, 1e300, 1e300]]),
    "float64 maximum": np.full((1, 3), np.finfo(np.float64).max),
    "float64 1e154": np.array([[1e154, 0, 0], [-1e154, 1e154, 1e154]]),
    "float32 maximum": np.full((1, 3), -np.finfo(np.float32).max),
    "float32 1e19": np.full((1, 3), 1e19, dtype=np.float32),
}


at_every_sigma = pytest.mark.parametrize("sigma", [5.0, 0.5, 0.05, (0.05, 1.0)])


@at_every_sigma
@pytest.mark.parametrize("ranking", ["energy", "score_norm"])
def test_rows_far_out_are_outliers_without_a_warning(ranking, sigma):
    """Warnings are errors in this test suite."""
    X = normal_rows()
    matcher = quick(sigma=sigma, ranking=ranking).fit(X)
    for name, rows in FAR.items():
        assert (matcher.predict(rows) == -1).all(), name
        scores = matcher.score_samples(rows)
        assert (scores < 1e6 * matcher.score_samples(X).min()).all(), name
        decision = matcher.decision_function(rows)
        assert (decision < 1e6 * -abs(matcher.offset_)).all(), name


@at_every_sigma
def test_no_query_warns_far_out_or_returns_nan(sigma):
    matcher = quick(sigma=sigma).fit(normal_rows())
    for query in QUERIES:
        for name, rows in FAR.items():
            assert not np.isnan(getattr(matcher, query)(rows)).any(), (query, name)
