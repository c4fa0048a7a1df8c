"""What users of comparable detectors do, and reported where it did not work."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from sklearn import config_context
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.inspection import permutation_importance
from sklearn.model_selection import (
    HalvingGridSearchCV,
    KFold,
    StratifiedKFold,
    cross_val_predict,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support.quick_fits import normal_rows, quick

from skdsm.exceptions import ScreeningWarning
from skdsm.scorers import make_outlier_scorer

X = np.concatenate([normal_rows(90), 8 * normal_rows(10, seed=1)])
IS_OUTLIER = np.repeat([0, 1], [90, 10])
scorer = make_outlier_scorer(outlier_label=1)
FOLDS = StratifiedKFold(2)


def test_halving_searches_find_a_good_detector():
    search = HalvingGridSearchCV(
        quick(),
        {"sigma": [0.5, 2.0]},
        scoring=scorer,
        cv=FOLDS,
        min_resources=60,
        random_state=0,
    ).fit(X, IS_OUTLIER)
    assert search.best_score_ > 0.8


@pytest.mark.parametrize("method", ["predict", "decision_function"])
def test_cross_validation_predicts_the_rows_held_out(method):
    answers = cross_val_predict(quick(), X, cv=KFold(2), method=method)
    train, test = next(KFold(2).split(X))
    expected = getattr(quick().fit(X[train]), method)(X[test])
    np.testing.assert_array_equal(answers[test], expected)


def test_permutation_finds_the_important_column():
    rows = np.column_stack([0.1 * normal_rows(100)[:, 0], X[:, 0]])
    matcher = quick(n_jobs=2).fit(rows[:90])
    result = permutation_importance(
        matcher, rows, IS_OUTLIER, scoring=scorer, random_state=0
    )
    assert result.importances_mean.argmax() == 1


def test_memory_of_a_pipeline_keeps_the_fitted_model(tmp_path):
    steps = StandardScaler(), quick(), StandardScaler()
    plain = make_pipeline(*steps).fit_transform(X)
    for _ in range(2):
        kept = make_pipeline(*steps, memory=str(tmp_path)).fit_transform(X)
        np.testing.assert_array_equal(kept, plain)


def test_assume_finite_changes_no_bit():
    expected = quick().fit(X).score_samples(X)
    with config_context(assume_finite=True):
        np.testing.assert_array_equal(quick().fit(X).score_samples(X), expected)


def test_plateaus_of_repeated_rows_stay_on_one_side():
    rows = np.repeat([[0.0, 0.0], [1.0, 0.0], [6.0, 6.0]], [60, 35, 5], axis=0)
    rows = np.random.default_rng(0).permutation(rows)
    labels = quick(contamination=0.05).fit(rows).predict(rows)
    np.testing.assert_array_equal(labels == -1, rows[:, 0] == 6)


def test_tables_of_mostly_zeros_have_the_share_asked_for():
    rng = np.random.default_rng(0)
    rows = rng.exponential(size=(300, 8)) * (rng.random((300, 8)) < 0.05)
    with pytest.warns(ScreeningWarning, match="Noise does not reach"):
        matcher = quick(contamination=0.1).fit(rows)
    labels = matcher.predict(rows)
    assert (labels == -1).sum() == 30
    assert (labels[~rows.any(axis=1)] == 1).all()


@pytest.mark.filterwarnings("ignore:Training did not converge")
def test_a_thousand_columns_of_few_rows_are_fitted():
    rows = np.random.default_rng(0).standard_normal((30, 1000))
    matcher = quick(max_iter=20, contamination=0.1).fit(rows)
    assert (matcher.predict(rows) == -1).sum() == 3
    far, near = matcher.score_samples([10 * rows[0], rows[0]])
    assert far < near


def test_nanoseconds_as_integers_are_scaled_and_fitted():
    start = np.datetime64("2024-01-01", "ns").astype(np.int64)
    seconds = np.random.default_rng(0).integers(0, 10**5, (200, 1))
    seconds[0] = 10**8
    rows = start + 10**9 * seconds
    pipeline = make_pipeline(StandardScaler(), quick()).fit(rows[1:])
    assert pipeline.score_samples(rows).argmin() == 0


def score(matcher):
    return matcher.fit(X).score_samples(X)


def test_spawned_workers_fit_and_score():
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        answer = pool.submit(score, quick(n_jobs=2)).result(timeout=120)
    np.testing.assert_array_equal(answer, score(quick()))
