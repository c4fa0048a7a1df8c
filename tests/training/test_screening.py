"""Rows that noise reaches, against groups that are linked one row at a time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from skdsm.rows.canonical import canonical_rows
from skdsm.training.screening import _groups, find_reach


def kept(X, weight=None):
    weight = np.ones(len(X)) if weight is None else np.asarray(weight, float)
    return find_reach(X, weight).contains(X)


def normal_rows(n, d, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d))


@given(st.integers(0, 2**16))
def test_groups_are_connected_components(seed):
    X = np.random.default_rng(seed).uniform(size=(25, 2))
    linked = cdist(X, X) <= 0.2
    group = np.arange(25)
    for i in range(25):
        for j in range(25):
            if linked[i, j]:
                group[group == group[j]] = group[i]
    number = _groups(linked)
    np.testing.assert_array_equal(number[:, None] == number, group[:, None] == group)


@pytest.mark.parametrize("d", [1, 4, 20])
@pytest.mark.parametrize("n", [200, 800])
def test_normal_rows_are_kept(n, d):
    assert kept(normal_rows(n, d)).mean() > 0.995


@pytest.mark.parametrize("d", [1, 4, 20])
@pytest.mark.parametrize("value", [999, 99999, 1e9, -1e6])
@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize("is_standardised", [False, True])
def test_sentinels_are_left_out_whatever_the_scale(d, value, count, is_standardised):
    X = normal_rows(500, d)
    X[:count, 0] = value
    if is_standardised:
        X = (X - X.mean(axis=0)) / X.std(axis=0)
    reached = kept(X)
    assert not reached[:count].any()
    assert reached[count:].mean() > 0.98


def test_equal_rows_of_small_weight_are_left_out_and_a_heavy_one_is_kept():
    X = normal_rows(300, 2)
    X[0] = 1e4
    assert not kept(X, np.append(5.0, np.ones(299)))[0]
    assert kept(X, np.append(100.0, np.ones(299)))[0]


def test_a_group_apart_is_kept_if_it_is_large():
    X = normal_rows(400, 2)
    X[:40] += 1e4
    assert kept(X).all()


def test_the_bandwidth_is_free_of_what_is_left_out():
    X = normal_rows(400, 3)
    alone = find_reach(X, np.ones(400))
    with_far = find_reach(np.concatenate([X, [[1e7, 0, 0]]]), np.ones(401))
    assert with_far.bandwidth == pytest.approx(alone.bandwidth, rel=0.02)


@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_the_unit_of_the_columns_does_not_matter(unit):
    X = np.concatenate([normal_rows(300, 3), [[50.0, 0, 0]]])
    one, other = find_reach(X, np.ones(301)), find_reach(unit * X, np.ones(301))
    assert other.bandwidth / unit == pytest.approx(one.bandwidth, rel=1e-5)
    np.testing.assert_array_equal(other.contains(unit * X), one.contains(X))


@pytest.mark.parametrize(
    "X", [[[0.0]], [[0.0], [1.0]], [[0.0, 5.0], [1.0, 5.0], [9.0, 5.0]]]
)
def test_few_rows_are_all_kept(X):
    reach = find_reach(np.array(X), np.ones(len(X)))
    assert reach.contains(np.array(X)).all()
    assert 0 < reach.bandwidth < np.inf


def test_at_most_a_tenth_is_left_out():
    X = np.random.default_rng(0).standard_cauchy((500, 2))
    assert 0.9 <= kept(X).mean() <= 1


def test_rows_near_a_centre_are_reached_and_rows_far_from_all_are_not():
    reach = find_reach(normal_rows(500, 4), np.ones(500))
    assert reach.contains(normal_rows(500, 4, seed=1)).mean() > 0.99
    assert not reach.contains(np.full((1, 4), 50.0)).any()


def test_a_row_repeated_is_a_row_of_weight_two_to_the_bit():
    X = np.concatenate([normal_rows(300, 3), [[50.0, 0, 0]]])
    weight = np.random.default_rng(1).integers(1, 4, 301)
    once = find_reach(*canonical_rows(X, weight.astype(float), seed=0))
    repeated = find_reach(*canonical_rows(np.repeat(X, weight, axis=0), None, seed=0))
    assert once.bandwidth == repeated.bandwidth
    assert once.radius == repeated.radius
    np.testing.assert_array_equal(once.centres, repeated.centres)
