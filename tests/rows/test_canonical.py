"""Canonical order: a property of the set of rows and their weights, and random."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import kstest, spearmanr

from skdsm._blocks import row_blocks
from skdsm.rows.canonical import canonical_rows, hash_rows

# few values, so that rows repeat; with zeros of both signs and a subnormal
VALUES = st.sampled_from([-0.0, 0.0, 1.0, -1.5, 1e300, 5e-324])
ROWS = st.tuples(st.integers(1, 12), st.integers(1, 3)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=VALUES)
)
SEEDS = st.integers(0, 2**64 - 1)


def colliding(X, seed):
    """The worst of all hashes."""
    return np.zeros(len(X), dtype=np.uint64)


def one_bit(X, seed):
    """A hash under which distinct rows collide, but not all of them."""
    return hash_rows(X, seed) & np.uint64(1)


HASHES = st.sampled_from([hash_rows, colliding, one_bit])


def assert_same_bits(one, other):
    for array, expected in zip(one, other, strict=True):
        assert array.dtype == expected.dtype
        assert array.tobytes() == expected.tobytes()


@settings(deadline=None, max_examples=60)
@given(ROWS, SEEDS, HASHES, st.data())
def test_order_of_the_rows_does_not_matter(X, seed, hash_rows, data):
    weight = data.draw(
        arrays(np.float64, len(X), elements=st.sampled_from([0.1, 0.2, 0.3, 7.0]))
    )
    order = data.draw(st.permutations(range(len(X))))
    assert_same_bits(
        canonical_rows(X[order], weight[order], seed, hash_rows),
        canonical_rows(X, weight, seed, hash_rows),
    )


def shares(rows_and_weight):
    """Rows, and weights as shares of their total: all that training uses."""
    X, weight = rows_and_weight
    return X, weight / weight.sum()


@settings(deadline=None, max_examples=60)
@given(ROWS, SEEDS, HASHES, st.data())
def test_weights_are_repetitions_bit_for_bit(X, seed, hash_rows, data):
    counts = data.draw(arrays(np.int64, len(X), elements=st.integers(0, 9)))
    counts[data.draw(st.integers(0, len(X) - 1))] += 1
    assert_same_bits(
        shares(canonical_rows(X, counts.astype(np.float64), seed, hash_rows)),
        shares(canonical_rows(np.repeat(X, counts, axis=0), None, seed, hash_rows)),
    )


@settings(deadline=None, max_examples=50)
@given(ROWS, SEEDS, HASHES)
def test_result_is_the_set_of_rows_with_their_relative_counts(X, seed, hash_rows):
    rows, weight = canonical_rows(X, None, seed, hash_rows)
    expected, counts = np.unique(X + 0.0, axis=0, return_counts=True)
    order = np.lexsort(rows.T[::-1])
    np.testing.assert_array_equal(rows[order], expected)
    np.testing.assert_array_equal(weight[order], counts / counts.max())
    assert rows.flags.c_contiguous
    assert not np.signbit(rows[rows == 0]).any()


@settings(deadline=None, max_examples=50)
@given(ROWS, SEEDS, st.data())
def test_canonical_rows_are_canonical(X, seed, data):
    weight = data.draw(
        arrays(np.float64, len(X), elements=st.sampled_from([0.25, 0.5, 1.0]))
    )
    once = canonical_rows(X, weight, seed)
    assert_same_bits(shares(canonical_rows(*once, seed)), shares(once))


def test_rows_of_weight_zero_are_left_out():
    X = np.arange(10.0)[:, None]
    weight = np.array([0.0, 1, 0, 2, 0, 0, 3, 0, 4, 0])
    rows, kept_weight = canonical_rows(X, weight, 0)
    order = np.argsort(rows[:, 0])
    np.testing.assert_array_equal(rows[order, 0], [1, 3, 6, 8])
    np.testing.assert_allclose(
        kept_weight[order] / kept_weight.sum(), np.array([1, 2, 3, 4]) / 10
    )


def test_negative_zero_is_zero():
    rows, weight = canonical_rows(np.array([[-0.0, 1.0], [0.0, 1.0]]), None, 0)
    np.testing.assert_array_equal(weight, [1])
    np.testing.assert_array_equal(rows, [[0.0, 1.0]])
    assert not np.signbit(rows).any()


@pytest.mark.parametrize("scale", [1e308, 1.0, 1e-300])
def test_only_ratios_of_weights_matter(scale):
    X = np.array([[1.0], [2.0], [2.0], [3.0]])
    with np.errstate(over="raise", invalid="raise"):
        rows, weight = canonical_rows(X, np.array([1.0, 0.5, 1.0, 0.25]) * scale, 0)
        share = weight / weight.sum()
    order = np.argsort(rows[:, 0])
    np.testing.assert_allclose(share[order], np.array([4, 6, 1]) / 11, rtol=1e-12)


@settings(deadline=None, max_examples=50)
@given(ROWS, SEEDS, st.integers(1, 1000), st.data())
def test_whole_weights_times_a_whole_number_give_the_same_bits(X, seed, factor, data):
    weight = data.draw(
        arrays(np.float64, len(X), elements=st.sampled_from([1.0, 3, 7, 10]))
    )
    assert_same_bits(
        canonical_rows(X, factor * weight, seed), canonical_rows(X, weight, seed)
    )


@pytest.mark.parametrize("hash_rows", [hash_rows, one_bit])
def test_single_precision_is_kept_and_means_the_same_rows(hash_rows):
    X = np.random.default_rng(0).integers(0, 3, (50, 3)).astype(np.float32)
    rows, weight = canonical_rows(X, None, 5, hash_rows)
    assert rows.dtype == np.float32
    assert weight.dtype == np.float64
    distinct, counts = np.unique(X, axis=0, return_counts=True)
    order = np.lexsort(rows.T[::-1])
    np.testing.assert_array_equal(rows[order], distinct)
    np.testing.assert_array_equal(weight[order], counts / counts.max())
    again = canonical_rows(np.asfortranarray(X[::-1]), None, 5, hash_rows)
    assert_same_bits((rows, weight), again)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("column_scale", [1.0, 1e-30, 1e30])
def test_order_is_random(dtype, column_scale):
    X = column_scale * np.random.default_rng(0).standard_normal((5000, 4))
    X[:, 3] = np.round(X[:, 3] / column_scale)  # few values
    rows, _ = canonical_rows(X.astype(dtype), None, 1)
    other, _ = canonical_rows(X.astype(dtype), None, 2)
    position = np.arange(5000)
    for column in rows.T:
        assert abs(spearmanr(position, column).statistic) < 5 / np.sqrt(5000)
        # neighbours are no more alike than any two rows
        assert abs(spearmanr(column[1:], column[:-1]).statistic) < 5 / np.sqrt(5000)
    # any prefix is a random sample
    assert kstest(rows[:1000, 0], X[:, 0].astype(dtype)).pvalue > 1e-4
    # and another seed gives an independent order
    rank = np.argsort(np.argsort(rows[:, 0]))
    other_rank = np.argsort(np.argsort(other[:, 0]))
    places = np.argsort(rank), np.argsort(other_rank)
    assert abs(spearmanr(*places).statistic) < 5 / np.sqrt(5000)


def test_hash_uses_every_bit_of_every_column():
    X = np.random.default_rng(0).standard_normal((1, 6))
    changed = np.repeat(X, 6 * 64, axis=0)
    bits = changed.view(np.uint64).reshape(6, 64, 6)
    for column in range(6):
        bits[column, :, column] ^= np.uint64(1) << np.arange(64, dtype=np.uint64)
    hashes = hash_rows(np.concatenate([X, changed]), 3)
    assert len(np.unique(hashes)) == 6 * 64 + 1
    # and one changed bit flips half of the hash's
    flips = np.bitwise_count(hashes[1:] ^ hashes[0]).reshape(6, 64).mean(axis=1)
    assert (np.abs(flips - 32) < 5).all()


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 200), st.integers(1, 50))
def test_blocks_cover_the_rows_in_order(n_rows, size):
    blocks = row_blocks(n_rows, size)
    assert np.array_equal(
        np.concatenate([[], *(np.arange(n_rows)[rows] for rows in blocks)]),
        np.arange(n_rows),
    )
    assert all(rows.stop - rows.start == size for rows in blocks[:-1])
    assert all(0 < rows.stop - rows.start <= size for rows in blocks)
    assert all(rows.stop <= n_rows for rows in blocks)
