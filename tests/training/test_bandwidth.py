"""The bandwidth against the likelihood as its formula has it, one row at a time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.spatial.distance import cdist

from skdsm.training.bandwidth import (
    effective_dimensions,
    likelihood_bandwidth,
    spread_variances,
)


def bandwidth(X, weight=None, **options):
    weight = np.ones(len(X)) if weight is None else np.asarray(weight, float)
    X = np.asarray(X, float)
    return likelihood_bandwidth(
        cdist(X, X, "sqeuclidean"), weight, spread_variances(X), **options
    )


def log_likelihood(X, weight, log_tau):
    """Mean log-density of each row under the others, with d log(2 pi) / 2 left out."""
    tau, total = np.exp(log_tau), 0.0
    for i in range(len(X)):
        kernels = [
            weight[j] * np.exp(-((X[i] - X[j]) ** 2).sum() / (2 * tau**2))
            for j in range(len(X))
            if j != i
        ]
        total += weight[i] * (np.log(sum(kernels)) - X.shape[1] * log_tau)
    return total / weight.sum()


@pytest.mark.parametrize("d", [1, 3])
def test_it_maximises_the_leave_one_out_likelihood(d):
    rng = np.random.default_rng(d)
    X, weight = rng.standard_normal((40, d)), rng.uniform(0.5, 2, 40)
    best = minimize_scalar(
        lambda log_tau: -log_likelihood(X, weight, log_tau),
        bracket=(-2, 0),
        options={"xtol": 1e-8},
    )
    # columns of a variance of a bandwidth count for 1 / 1.01 each
    assert bandwidth(X, weight) == pytest.approx(np.exp(best.x), rel=0.02)


def test_two_rows_have_their_distance_by_root_d():
    X = np.array([[0.0, 0, 0], [2.0, 3, 6]])
    # on the line that they span, of one dimension
    assert bandwidth(X) == pytest.approx(7.0, rel=1e-6)


@pytest.mark.parametrize("X", [[[3.0, 4.0]], [[0.0]]])
def test_a_single_row_has_the_bandwidth_one(X):
    assert bandwidth(X) == 1.0


@given(st.integers(0, 2**16), st.sampled_from([1e-6, 1e-3, 0.7, 1e3, 1e6]))
def test_it_scales_with_the_unit_of_the_columns(seed, unit):
    rng = np.random.default_rng(seed)
    X = rng.standard_t(3, size=(30, 2))
    assert bandwidth(unit * X) / unit == pytest.approx(bandwidth(X), rel=1e-5)


def test_a_power_of_two_scales_it_to_the_bit():
    X = np.random.default_rng(0).standard_normal((50, 3))
    assert bandwidth(1024 * X) == 1024 * bandwidth(X)


def test_weights_count_as_kernels_and_as_votes():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 2))
    near = np.abs(X).max(axis=1) < 0.7
    weight = np.where(near, 100.0, 1.0)
    # weight on the dense middle asks for a smaller bandwidth
    assert bandwidth(X, weight) < 0.8 * bandwidth(X)
    assert bandwidth(X, 8 * weight) == bandwidth(X, weight)


def test_constant_columns_do_not_count():
    X = np.random.default_rng(0).standard_normal((80, 3))
    with_constants = np.column_stack([X, np.full(80, 7.0), np.zeros(80)])
    assert bandwidth(with_constants) == pytest.approx(bandwidth(X), rel=1e-6)


def test_a_column_that_hardly_varies_hardly_counts():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 3))
    narrow = np.column_stack([X, 1e-4 * rng.standard_normal(200)])
    assert bandwidth(narrow) == pytest.approx(bandwidth(X), rel=1e-3)


def test_discrete_columns_have_about_their_step():
    grid = np.stack(np.meshgrid(range(6), range(6)), axis=-1).reshape(-1, 2)
    assert 0.5 < bandwidth(grid) < 2


def test_trimming_leaves_a_far_row_without_a_say():
    X = np.random.default_rng(0).standard_normal((200, 2))
    far = np.concatenate([X, [[1e6, 0]]])
    trimmed = bandwidth(X, trimmed=0.1)
    assert bandwidth(far, trimmed=0.1) == pytest.approx(trimmed, rel=0.2)
    assert bandwidth(far) > 100 * trimmed


def test_rows_without_votes_are_kernels_only():
    X = np.random.default_rng(0).standard_normal((50, 2))
    far = np.concatenate([X, [[1e9, 0]]])
    votes = np.append(np.ones(50), 0.0)
    assert bandwidth(far, votes=votes) == pytest.approx(bandwidth(X), rel=0.02)


def test_dimensions_are_those_that_the_bandwidth_resolves():
    assert effective_dimensions(np.array([1.0, 1.0, 0.0]), 0.1) == pytest.approx(
        2, abs=1e-3
    )
    assert effective_dimensions(np.zeros(4), 1.0) == 1.0
