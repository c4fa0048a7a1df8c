"""Rows in memory: centred, merged and repeated, without a change of their shares."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from skdsm.exceptions import NonFiniteError
from skdsm.rows.in_file import map_rows
from skdsm.rows.in_memory import IndexedRows, InMemoryRows, prepare_rows

RNG = np.random.default_rng(0)
X = RNG.standard_normal((1000, 3)) * [1, 10, 0.1]
WEIGHT = RNG.uniform(0.5, 1.5, 1000)


@pytest.fixture(autouse=True, params=["copied", "too many to copy"])
def kind(request, monkeypatch):
    """Kind of the rows: all that is said here holds for both."""
    if request.param == "copied":
        return InMemoryRows
    monkeypatch.setattr("skdsm.rows.in_memory.COPIED_ROWS", 0)
    return IndexedRows


def test_many_rows_are_not_copied(kind):
    rows = prepare_rows(X, None, 0)
    assert isinstance(rows, kind)
    for part in (rows.sample(10), rows.head(500).scaled(2.0, np.float32)):
        assert isinstance(part, InMemoryRows)


def weights_of(rows):
    return np.ones(rows.n_rows) if rows.weight is None else rows.weight


def shares(rows):
    """Distinct rows as they were given, sorted, and their shares of the weight."""
    distinct, index = np.unique(rows.centred(), axis=0, return_inverse=True)
    share = np.bincount(index.ravel(), weights_of(rows)) / weights_of(rows).sum()
    return distinct + rows.mean, share


def assert_same_shares(rows, X, weight):
    order = np.lexsort(X.T[::-1])
    distinct, share = shares(rows)
    np.testing.assert_allclose(distinct, X[order], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(share, weight[order] / weight.sum(), rtol=1e-10)


@pytest.mark.parametrize("offset", [0.0, -1e4, 1e8])
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "weighted"])
def test_weighted_mean_is_zero(weight, offset):
    far = X + offset
    rows = prepare_rows(far, weight, 0)
    mean = weights_of(rows) @ rows.centred() / weights_of(rows).sum()
    # X + 1e8 is rounded to multiples of 1.5e-8; of its mean no more is lost
    np.testing.assert_allclose(mean, 0, atol=1e-13 + 1e-16 * abs(offset))
    expected = offset + np.average(far - offset, axis=0, weights=weight)
    np.testing.assert_allclose(rows.mean, expected, rtol=4e-16, atol=1e-14)
    assert rows.mean.dtype == np.float64
    np.testing.assert_allclose(
        np.unique(rows.centred(), axis=0) + rows.mean,
        far[far[:, 0].argsort()],
        atol=1e-14 + 2e-16 * abs(offset),
    )


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_single_precision_rows_stay_so_and_lose_no_digits(offset):
    far = (X + offset).astype(np.float32)
    before = far.copy()
    rows = prepare_rows(far, None, 0)
    assert rows.centred().dtype == np.float32
    assert rows.mean.dtype == np.float64
    exact = np.sort(
        far.astype(np.float64) - far.astype(np.float64).mean(axis=0), axis=0
    )
    np.testing.assert_allclose(
        np.sort(rows.centred(), axis=0), exact, rtol=1e-7, atol=1e-9
    )
    np.testing.assert_array_equal(far, before)


def test_input_is_neither_changed_nor_shared():
    rows_before, weight_before = X.copy(), WEIGHT.copy()
    rows = prepare_rows(X, WEIGHT, 0)
    np.testing.assert_array_equal(X, rows_before)
    np.testing.assert_array_equal(WEIGHT, weight_before)
    assert not np.shares_memory(rows.centred(), X)
    assert not np.shares_memory(rows.weight, WEIGHT)


@pytest.mark.parametrize("weight", [None, np.ones(1000), np.full(1000, 0.3)])
def test_equal_weights_are_no_weights(weight):
    assert prepare_rows(X, weight, 0).weight is None


@pytest.mark.parametrize("n_rows", [1, 7, 255])
def test_few_rows_of_equal_weight_are_repeated_and_need_no_weights(n_rows):
    rows = prepare_rows(X[:n_rows], None, 0)
    assert rows.weight is None or len(np.unique(rows.weight.round(12))) > 1
    assert rows.n_rows >= 128
    assert_same_shares(rows, X[:n_rows], np.ones(n_rows))


def test_uneven_weights_are_kept():
    rows = prepare_rows(X, WEIGHT, 0)
    assert len(rows.weight) == rows.n_rows
    assert (rows.weight > 0).all()
    assert_same_shares(rows, X, WEIGHT)


@hypothesis_settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # the same for all
)
@given(
    arrays(np.float64, st.integers(1, 400), elements=st.sampled_from([0.1, 1, 7, 500])),
    st.integers(0, 2**31),
)
def test_repetition_preserves_the_shares(weight, seed):
    rows = prepare_rows(X[: len(weight)], weight, seed)
    assert_same_shares(rows, X[: len(weight)], weight)
    # no row carries much more than one of as many rows of equal weight would
    share = weights_of(rows) / weights_of(rows).sum()
    assert share.max() <= 2 / max(len(weight), 128)
    assert rows.n_rows < 2 * max(len(weight), 300) + len(weight)


def test_heavy_row_is_repeated():
    weight = np.ones(1000)
    weight[3] = 500
    rows = prepare_rows(X, weight, 0)
    assert_same_shares(rows, X, weight)
    heavy = np.isclose(rows.centred() + rows.mean, X[3]).all(axis=1)
    assert heavy.sum() > 200


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "weighted"])
def test_head_and_blocks_are_those_of_the_rows(weight):
    rows = prepare_rows(X, weight, 0)
    sample = rows.head(300)
    np.testing.assert_array_equal(sample.centred(), rows.centred()[:300])
    np.testing.assert_array_equal(sample.mean, rows.mean)
    if weight is not None:
        np.testing.assert_array_equal(sample.weight, rows.weight[:300])
    assert rows.head(10**6).n_rows == rows.n_rows
    blocks = rows.blocks(64)
    read = np.concatenate([rows.centred(block) for block in blocks])
    np.testing.assert_array_equal(read, rows.centred())


def test_given_rows_are_those_that_were_given():
    rows = prepare_rows(X + 100, None, 0)
    read = np.concatenate([rows.original(block) for block in rows.blocks(64)])
    order = np.lexsort(X.T[::-1])
    np.testing.assert_allclose(read[np.lexsort(read.T[::-1])], X[order] + 100)


def test_head_of_sorted_rows_is_a_random_sample():
    n_rows, n_seeds = 100, 200
    ordered = X[X[:, 0].argsort()]
    means = [
        (prepare_rows(ordered, None, seed).head(n_rows).centred()).mean(axis=0)
        for seed in range(n_seeds)
    ]
    # of the mean of a sample without replacement
    error = X.std(axis=0) * np.sqrt((1 / n_rows - 1 / 1000) / n_seeds)
    assert (np.abs(np.mean(means, axis=0)) < 5 * error).all()
    spread = np.std(means, axis=0) / (error * np.sqrt(n_seeds))
    assert (np.abs(spread - 1) < 5 / np.sqrt(2 * n_seeds)).all()


HUGE = {
    "1e160": X * 1e160,
    "float32 1e30": np.float32(X * 1e30),
    "one entry": np.where(np.arange(3000).reshape(-1, 3) == 7, 1e200, X),
    "both ends": np.array([[1.7e308], [-1.7e308]]),
    "1e153": X * 1e153 * np.sqrt(1000),
}


@pytest.mark.parametrize("prepare", [prepare_rows, map_rows])
@pytest.mark.parametrize("rows", HUGE.values(), ids=HUGE)
def test_rows_whose_distances_overflow_are_refused_with_advice(rows, prepare):
    with pytest.raises(NonFiniteError, match="rescale"):
        prepare(rows, None, 0)


@pytest.mark.parametrize("prepare", [prepare_rows, map_rows])
@pytest.mark.parametrize("value", [0.0, 7.5, 1e200, np.finfo(np.float64).max])
def test_equal_rows_of_any_size_are_rows_of_zero(value, prepare):
    rows = prepare(np.full((5, 2), value), None, 0)
    for block in rows.blocks(10):
        np.testing.assert_array_equal(rows.centred(block), 0)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "weighted"])
def test_head_and_tail_share_no_row_as_far_as_there_are_rows(weight):
    rows = prepare_rows(X, weight, 0)
    n = rows.n_rows
    head, tail = rows.head(n - 300), rows.tail(300)
    np.testing.assert_array_equal(
        np.concatenate([head.centred(), tail.centred()]), rows.centred()
    )
    if rows.weight is not None:
        joined = np.concatenate([head.weight, tail.weight])
        np.testing.assert_array_equal(joined, rows.weight)
    for everything in (rows.tail(n), rows.tail(10 * n)):
        np.testing.assert_array_equal(everything.centred(), rows.centred())
