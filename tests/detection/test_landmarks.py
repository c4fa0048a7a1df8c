"""The soft minimum of squared distances to rows that were kept, against brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.quick_fits import normal_rows
from support.soft_distance import soft_distance

from skdsm.detection.landmarks import Landmarks, choose_landmarks
from skdsm.rows.in_memory import InMemoryRows, prepare_rows


def landmarks(X, weight=None, bandwidth=0.5):
    weight = np.ones(len(X)) if weight is None else np.asarray(weight, float)
    return Landmarks(X, weight, bandwidth, X.mean(axis=0, dtype=np.float64))


def without_one(X, weight, bandwidth, index):
    """In the paper's notation: the Parzen density without one row, as a distance."""
    weight = weight.astype(float).copy()
    weight[index] -= 1
    return soft_distance(X[[index]], X, bandwidth, weight)[0]


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**31),
    n=st.integers(1, 20),
    d=st.integers(1, 4),
    bandwidth=st.sampled_from([0.01, 0.3, 4.0]),
    offset=st.sampled_from([0.0, -3e4]),
    distance=st.sampled_from([1.0, 30.0]),
)
def test_new_rows(seed, n, d, bandwidth, offset, distance):
    rng = np.random.default_rng(seed)
    X = offset + rng.standard_normal((n, d))
    new = offset + distance * rng.standard_normal((5, d))
    weight = rng.exponential(size=n)
    actual = landmarks(X, weight, bandwidth).squared_distance(new)
    expected = soft_distance(new, X, bandwidth, weight)
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("offset", [0.0, 1e3])
@pytest.mark.parametrize("bandwidth", [0.01, 0.5])
def test_a_landmark_is_not_compared_with_itself(bandwidth, offset, dtype):
    X = offset + normal_rows(60)
    weight = np.repeat([1, 2, 5], [40, 10, 10])
    expected = [without_one(X, weight, bandwidth, i) for i in range(60)]
    kept = landmarks(X.astype(dtype), weight, bandwidth)
    # what comes back from a frame of its own is the row up to rounding only
    again = ((X - X.mean(axis=0)).astype(dtype) + X.mean(axis=0)).astype(dtype)
    for rows in (X.astype(dtype), again):
        error = 1e-2 if dtype == np.float32 and offset else 1e-4
        np.testing.assert_allclose(
            kept.squared_distance(rows), expected, rtol=error, atol=error
        )


def test_a_new_row_near_a_landmark_is_compared_with_it():
    X = normal_rows(60)
    near = X + 1e-4
    assert (landmarks(X, bandwidth=0.01).squared_distance(near) < 2e-3).all()
    own = landmarks(X, bandwidth=0.01).squared_distance(X)
    assert np.median(own) > 0.05


def test_only_ratios_of_weights_matter():
    X, weight = normal_rows(20), np.repeat([1.0, 3.0], 10)
    rows = np.concatenate([X, 0.5 * X])
    expected = landmarks(X, weight).squared_distance(rows)
    actual = landmarks(X, 0.37 * weight).squared_distance(rows)
    np.testing.assert_allclose(actual, expected, rtol=1e-12)


def test_a_single_landmark_is_a_distance():
    X = np.array([[1.0, 2.0]])
    rows = np.array([[1.0, 2.0], [4.0, 6.0]])
    np.testing.assert_allclose(
        landmarks(X, [3.0]).squared_distance(rows), [0, 25], atol=1e-12
    )


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_rows_beyond_all_bounds_are_far(dtype):
    largest = np.finfo(dtype).max
    far = np.array([[largest, 0, 0], [-largest] * 3], dtype)
    distance = landmarks(normal_rows().astype(dtype)).squared_distance(far)
    assert (distance > np.sqrt(largest)).all()
    assert np.isfinite(distance).all()


# --- Which rows are kept ---


@pytest.mark.parametrize("n_rows", [30, 400])
def test_all_distinct_rows_are_kept_with_their_weight(n_rows):
    X = normal_rows(n_rows).astype(np.float32) + 100
    weight = 1 + np.arange(n_rows) % 3
    rows = prepare_rows(X, weight, seed=0)  # which repeats few rows
    kept = choose_landmarks(rows, 1000, 0.5)
    order, given = np.lexsort(kept.X.T), np.lexsort(X.T)
    np.testing.assert_allclose(kept.X[order], X[given], rtol=1e-6)
    ratio = kept.weight[order] / weight[given]
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-12)


def test_a_sample_is_kept_of_many():
    rows = prepare_rows(normal_rows(50), None, seed=0)
    kept = choose_landmarks(rows, 20, 0.5)
    assert len(kept.X) == len(kept.weight) == 20
    assert len(np.unique(kept.X, axis=0)) == 20
    np.testing.assert_allclose(kept.weight, kept.weight[0])
    other = choose_landmarks(prepare_rows(normal_rows(50), None, seed=1), 20, 0.5)
    assert not np.isin(kept.X, other.X).all()


def test_rows_that_are_all_one():
    rows = InMemoryRows(np.zeros((300, 2)), None, np.array([3.0, 4.0]))
    kept = choose_landmarks(rows, 10, 0.5)
    np.testing.assert_array_equal(kept.X, [[3.0, 4.0]])
    np.testing.assert_array_equal(kept.weight, [300.0])
