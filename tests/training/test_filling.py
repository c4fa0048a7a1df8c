"""Missing cells of training rows are drawn, given the observed ones."""

import numpy as np
import pytest

from skdsm.rows.in_memory import prepare_rows
from skdsm.training.filling import filled_rows

N = 600


def correlated(seed=0):
    """Rows of two columns of correlation 0.9, a third of the second one missing."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(N)
    X = np.stack([x, 0.9 * x + np.sqrt(1 - 0.9**2) * rng.standard_normal(N)], axis=1)
    missing = np.zeros((N, 2), bool)
    missing[:, 1] = rng.random(N) < 1 / 3
    return X, missing


def filled(X, missing, seed=0):
    return filled_rows(np.where(missing, 0, X), missing, np.ones(N), np.arange(N), seed)


def test_observed_cells_stay():
    X, missing = correlated()
    np.testing.assert_array_equal(filled(X, missing)[~missing], X[~missing])


def test_moments_are_those_of_the_rows():
    X, missing = correlated()
    Y = filled(X, missing)
    np.testing.assert_allclose(np.corrcoef(Y.T)[0, 1], 0.9, atol=0.03)
    np.testing.assert_allclose(Y.std(axis=0), X.std(axis=0), rtol=0.05)


def test_cells_that_are_missing_where_others_are_large_are_large():
    """Missing at random given the others: the mean of what is observed is too low."""
    X, _ = correlated()
    missing = np.zeros((N, 2), bool)
    missing[:, 1] = (X[:, 0] > 0) & (np.random.default_rng(1).random(N) < 0.7)
    assert X[~missing[:, 1], 1].mean() < -0.2
    assert filled(X, missing)[:, 1].mean() == pytest.approx(X[:, 1].mean(), abs=0.06)


def test_a_sentinel_does_not_reach_other_rows():
    X, missing = correlated()
    X[7], missing[7] = [0.0, 1e9], False
    Y = filled(X, missing)
    assert np.abs(np.delete(Y[:, 1], 7)).max() < 6


def test_copies_of_a_row_have_values_of_their_own():
    X, missing = correlated()
    row = int(np.flatnonzero(missing[:, 1])[0])
    source = np.full(200, row)
    Y = filled_rows(np.where(missing, 0, X), missing, np.ones(N), source, 0)
    assert len(np.unique(Y[:, 1])) == 200
    expected = 0.9 * X[row, 0]
    assert Y[:, 1].mean() == pytest.approx(expected, abs=0.15)
    assert Y[:, 1].std() == pytest.approx(np.sqrt(1 - 0.9**2), rel=0.2)
    assert (Y[:, 0] == X[row, 0]).all()


def with_nan(X, missing):
    return np.where(missing, np.nan, X)


def test_prepared_rows_remember_what_was_missing():
    X, missing = correlated()
    rows = prepare_rows(with_nan(X, missing), None, 0)
    given = rows.original(slice(None))
    assert np.isfinite(rows.centred()).all()
    assert np.isnan(given).sum() == missing.sum()
    order = np.lexsort(given.T)
    expected = with_nan(X, missing)[np.lexsort(with_nan(X, missing).T)]
    np.testing.assert_allclose(given[order], expected, atol=1e-14)
    head = rows.head(50)
    np.testing.assert_array_equal(head.missing, rows.missing[:50])
    assert head.original(slice(None)).shape == (50, 2)


def test_prepared_rows_do_not_depend_on_order_or_repetition():
    X, missing = correlated()
    X = with_nan(X, missing)
    weight = np.random.default_rng(2).integers(0, 4, N)
    order = np.random.default_rng(3).permutation(N)
    weighted = prepare_rows(X, weight.astype(float), 5)
    for other in (
        prepare_rows(X[order], weight[order].astype(float), 5),
        prepare_rows(np.repeat(X, weight, axis=0), None, 5),
    ):
        np.testing.assert_array_equal(other.centred(), weighted.centred())
        np.testing.assert_array_equal(other.missing, weighted.missing)
        np.testing.assert_array_equal(other.weight, weighted.weight)


def test_few_rows_are_repeated_with_values_of_their_own():
    X, missing = correlated()
    X = with_nan(X, missing)[:40]
    rows = prepare_rows(X, None, 0)
    assert rows.n_rows >= 200
    distinct = np.unique(rows.centred(), axis=0)
    assert 40 < len(distinct) < rows.n_rows


def test_rows_without_observed_cells_are_left_out():
    X, missing = correlated()
    X = with_nan(X, missing)
    more = np.concatenate([X, np.full((5, 2), np.nan)])
    np.testing.assert_array_equal(
        prepare_rows(more, None, 0).centred(), prepare_rows(X, None, 0).centred()
    )


@pytest.mark.parametrize(
    "X",
    [
        [[1.0, np.nan]],
        [[1.0, np.nan], [np.nan, 2.0]],
        [[1.0, np.nan], [1.0, 2.0]],
        [[0.0, np.nan, 0.0], [0.0, 0.0, np.nan], [0.0, 0.0, 0.0]],
    ],
    ids=["one row", "no complete row", "two rows", "constant"],
)
def test_tiny_tables(X):
    X = np.array(X)
    if np.isnan(X).all(axis=0).any():
        with pytest.raises(ValueError, match=r"without any observed cell.*\[1\]"):
            prepare_rows(X, None, 0)
    else:
        assert np.isfinite(prepare_rows(X, None, 0).centred()).all()


def test_wide_rows_are_filled():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30, 60))
    missing = rng.random(X.shape) < 0.5
    Y = filled_rows(np.where(missing, 0, X), missing, np.ones(30), np.arange(30), 0)
    assert np.isfinite(Y).all()
    assert np.abs(Y).max() < 10
