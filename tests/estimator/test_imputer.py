"""The imputer: how cells are filled, and how sure its draws are."""

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.base import clone
from sklearn.impute import KNNImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support.quick_fits import two_clusters

from skdsm import DenoisingScoreMatcher
from skdsm.exceptions import NonFiniteError
from skdsm.imputation import DenoisingImputer, _best_weights, _hidden

COMPLETE = two_clusters(n_features=4)
MISSING = np.random.default_rng(1).random(COMPLETE.shape) < 0.3
MISSING[:3] = [[True] * 4, [False] * 4, [True, False, True, False]]
X = np.where(MISSING, np.nan, COMPLETE)


@pytest.fixture(scope="module")
def imputer():
    return DenoisingImputer(DenoisingScoreMatcher(16, random_state=0)).fit(X)


def test_the_imputer_fills_in_the_units_of_the_columns(imputer):
    unit, origin = np.array([1.0, 100.0, 1e-3, 1.0]), np.array([0, 1e4, 0, -5.0])
    filled = imputer.transform(X)
    np.testing.assert_array_equal(filled[~MISSING], X[~MISSING])
    other = clone(imputer).fit(X * unit + origin).transform(X * unit + origin)
    np.testing.assert_allclose((other - origin) / unit, filled, atol=1e-4)


def test_the_imputer_knows_columns_that_others_nearly_determine():
    rng = np.random.default_rng(0)
    z = rng.standard_normal((400, 2))
    rows = np.column_stack([z, z.sum(axis=1) + 0.05 * rng.standard_normal(400)])
    missing = rng.random(rows.shape) < 0.1
    given = np.where(missing, np.nan, rows)
    imputer = DenoisingImputer(DenoisingScoreMatcher(16, random_state=0))
    alone = missing & (missing.sum(axis=1) == 1)[:, np.newaxis]
    error = (imputer.fit_transform(given) - rows)[alone]
    assert np.sqrt(np.mean(error**2)) < 0.15  # of columns with deviations of 1, 1, 1.4


def test_the_imputer_takes_constant_columns_and_rows_without_cells():
    rows = np.column_stack([X, np.full(len(X), 7.0)])
    rows[5] = np.nan
    imputer = DenoisingImputer(DenoisingScoreMatcher(8, random_state=0)).fit(rows)
    filled = imputer.transform(rows)
    assert np.isfinite(filled).all()
    np.testing.assert_array_equal(filled[:, 4], 7)
    np.testing.assert_array_equal(imputer.draw(rows, 2, random_state=0)[:, :, 4], 7)


def test_a_failed_fit_leaves_the_imputer_as_it_was(imputer):
    before = imputer.transform(X)
    empty = np.column_stack([X, np.full(len(X), np.nan)])
    with pytest.raises(ValueError, match="columns without any observed cell"):
        imputer.fit(empty)
    with pytest.raises(NonFiniteError, match="rescale"):
        imputer.fit(X * 1e200)
    np.testing.assert_array_equal(imputer.transform(X), before)


def test_the_imputer_is_a_step_of_a_pipeline():
    estimator = DenoisingScoreMatcher(8, random_state=0)
    pipeline = make_pipeline(DenoisingImputer(estimator), StandardScaler())
    transformed = pipeline.fit_transform(X)
    assert not np.isnan(transformed).any()
    assert pipeline[:1].get_feature_names_out(list("abcd")).tolist() == list("abcd")


# --- Three ways to fill a cell ---


def root_mean_square(error):
    return np.sqrt(np.mean(error**2))


def test_of_gaussian_rows_cells_are_filled_by_regression():
    rng = np.random.default_rng(0)
    root = rng.standard_normal((4, 4))
    rows = rng.standard_normal((500, 4)) @ root
    missing = np.zeros(rows.shape, dtype=bool)
    missing[np.arange(500), rng.integers(4, size=500)] = True
    imputer = DenoisingImputer(DenoisingScoreMatcher(8, random_state=0))
    filled = imputer.fit_transform(np.where(missing, np.nan, rows))
    # of x_j given the others, the variance is one over the precision's diagonal
    deviation = np.diag(np.linalg.inv(root.T @ root)) ** -0.5
    error = ((filled - rows) / deviation)[missing]
    assert root_mean_square(error) < 1.1
    assert imputer.weights_[2] < 0.1


def test_of_rows_that_repeat_cells_are_filled_from_neighbours():
    rng = np.random.default_rng(0)
    kinds = rng.standard_normal((40, 6))
    rows = kinds[rng.integers(40, size=600)] + 0.01 * rng.standard_normal((600, 6))
    missing = rng.random(rows.shape) < 0.1
    given = np.where(missing, np.nan, rows)
    imputer = DenoisingImputer(DenoisingScoreMatcher(8, random_state=0))
    filled = imputer.fit_transform(given)
    nearest = KNNImputer().fit_transform(given)
    error = root_mean_square((filled - rows)[missing])
    assert error < 1.1 * root_mean_square((nearest - rows)[missing])
    assert imputer.weights_[2] > 0.9


@pytest.mark.parametrize("seed", range(5))
def test_no_other_weights_have_a_smaller_error(seed):
    rng = np.random.default_rng(seed)
    errors = rng.standard_normal((200, 3)) @ rng.standard_normal((3, 3))
    weights = _best_weights(errors)
    assert (weights >= 0).all()
    assert weights.sum() == pytest.approx(1)
    best = minimize(
        lambda w: root_mean_square(errors @ w),
        np.full(3, 1 / 3),
        bounds=[(0, 1)] * 3,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
    )
    # the prior cell makes a difference of less than that
    assert root_mean_square(errors @ weights) < 1.01 * best.fun


def test_weights_are_equal_if_nothing_is_known():
    np.testing.assert_allclose(_best_weights(np.empty((0, 3))), 1 / 3)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.3])
def test_cells_are_hidden_where_others_are_missing(share):
    rng = np.random.default_rng(0)
    missing = rng.random((20_000, 3)) < [0, share, 2 * share]
    hidden = _hidden(missing, rng)
    assert not (hidden & missing).any()
    more = max(0, 0.1 - missing.mean())
    expected = 1 - (1 - more) * (1 - missing.mean(axis=0))
    chance = hidden.sum(axis=0) / (~missing).sum(axis=0)
    np.testing.assert_allclose(chance, expected, atol=0.02)


def test_no_column_loses_all_cells():
    missing = np.zeros((100, 2), dtype=bool)
    missing[1:, 1] = True
    for seed in range(200):  # each hides the last cell by a chance of .99
        hidden = _hidden(missing, np.random.default_rng(seed))
        assert not (hidden | missing)[:, 1].all()


def test_new_rows_may_lack_cells_that_no_training_row_lacks():
    imputer = DenoisingImputer(DenoisingScoreMatcher(8, random_state=0)).fit(COMPLETE)
    filled = imputer.transform(X)
    assert root_mean_square((filled - COMPLETE)[MISSING][4:]) < 0.5  # clusters at +-2


@pytest.mark.parametrize("n_rows", [1, 2, 5])
def test_few_rows_are_enough(n_rows):
    imputer = DenoisingImputer(DenoisingScoreMatcher(2, random_state=0))
    filled = imputer.fit(COMPLETE[:n_rows]).transform(X)
    assert np.isfinite(filled).all()


def test_of_many_rows_a_sample_has_the_neighbours(monkeypatch):
    monkeypatch.setattr("skdsm.imputation._MANY", 50)
    rows = np.column_stack([X, np.where(np.arange(len(X)) < 2, 1.0, np.nan)])
    imputer = DenoisingImputer(DenoisingScoreMatcher(8, random_state=0)).fit(rows)
    assert len(imputer.neighbors_._fit_X) == 50
    assert np.isfinite(imputer.transform(rows)).all()


# --- Draws ---


def test_draws_hold_the_cells_as_often_as_they_should():
    rng = np.random.default_rng(0)
    z = rng.standard_normal((800, 1))
    rows = np.hstack([z, z**2, np.exp(z)]) + 0.3 * rng.standard_normal((800, 3))
    missing = rng.random(rows.shape) < 0.2
    given = np.where(missing, np.nan, rows)
    imputer = DenoisingImputer(DenoisingScoreMatcher(16, random_state=0)).fit(given)
    low, high = np.quantile(imputer.draw(given, 200, random_state=0), [0.05, 0.95], 0)
    covered = ((low <= rows) & (high >= rows))[missing].mean()
    assert 0.85 < covered < 0.95  # of 480 cells: a standard error of .014


def test_draws_are_about_what_is_filled_in(imputer):
    draws = imputer.draw(X, 400, random_state=0)
    assert draws.shape == (400, *X.shape)
    np.testing.assert_array_equal(draws[:, ~MISSING], np.tile(X[~MISSING], (400, 1)))
    filled, deviation = imputer.transform(X)[MISSING], draws.std(axis=0)[MISSING]
    error = (draws.mean(axis=0)[MISSING] - filled) / (deviation / 400**0.5)
    assert np.abs(error).max() < 5
    np.testing.assert_array_equal(imputer.draw(X, 400, random_state=0), draws)
    assert (imputer.draw(X, 400, random_state=1) != draws).any()


def test_cells_of_a_row_are_drawn_together(imputer):
    # of a row without cells, both are in one cluster
    x, y = imputer.draw(np.full((1, 4), np.nan), 2000, random_state=0)[:, 0, :2].T
    assert np.corrcoef(x, y)[0, 1] > 0.5
