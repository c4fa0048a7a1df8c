"""Rows in which cells are missing: fits, queries, and what fills them."""

import io
import pickle

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import clone
from support.quick_fits import (
    CONFIGURATIONS,
    QUERIES,
    assert_same_model,
    fitted_on_a_device,
    quick,
    two_clusters,
)

from skdsm.calibration import ConformalOutlierDetector

COMPLETE = two_clusters(n_features=4)
MISSING = np.random.default_rng(1).random(COMPLETE.shape) < 0.3
MISSING[:3] = [[True] * 4, [False] * 4, [True, False, True, False]]
X = np.where(MISSING, np.nan, COMPLETE)
ANSWERED = [name for name in QUERIES if name != "score"]


@pytest.fixture(scope="module")
def fitted():
    return quick(16).fit(X)


@pytest.fixture(scope="module")
def fitted_to_complete_rows():
    return quick(16).fit(COMPLETE)


@pytest.mark.parametrize("parameters", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_every_model_is_fitted_and_answers(parameters):
    matcher = quick(**parameters).fit(X)
    for query in ANSWERED:
        assert np.isfinite(getattr(matcher, query)(X)).all(), query
    assert not np.isnan(matcher.impute(X)).any()


def test_most_training_rows_are_inliers(fitted):
    assert (fitted.predict(X) == -1).mean() == pytest.approx(0.1, abs=0.01)
    again = clone(fitted).fit(X).fit_threshold(X)
    assert again.offset_ == pytest.approx(fitted.offset_, abs=1e-9)


def test_outliers_are_found_by_the_cells_that_there_are(fitted):
    near = [[2.0, np.nan, 2.0, np.nan], [np.nan, -2.0, np.nan, -2.0]]
    far = [[2.0, np.nan, -2.0, np.nan], [np.nan, 9.0, np.nan, np.nan]]
    assert (fitted.predict(near) == 1).all()
    assert (fitted.predict(far) == -1).all()
    assert fitted.feature_contributions(far)[1].argmax() == 1


def test_rows_with_and_without_missing_cells_are_on_one_scale(fitted):
    scores = fitted.score_samples(COMPLETE)
    with_holes = fitted.score_samples(X)
    inner = scores > np.quantile(scores, 0.1)
    assert np.median(with_holes[inner]) == pytest.approx(
        np.median(scores[inner]), abs=1.0
    )


def test_complete_rows_are_scored_as_if_no_other_had_missing_cells(fitted):
    complete = ~MISSING.any(axis=1)
    for query in ANSWERED:
        together = getattr(fitted, query)(X)[complete]
        np.testing.assert_allclose(
            together, getattr(fitted, query)(X[complete]), rtol=1e-10, err_msg=query
        )


def test_a_row_without_observed_cells_has_a_score_and_says_nothing(fitted):
    empty = np.full((1, 4), np.nan)
    assert np.isfinite(fitted.score_samples(empty)).all()
    assert (fitted.feature_contributions(empty) == 0).all()
    assert (fitted.score_function(empty) == 0).all()
    more = np.concatenate([X, empty, empty])
    assert_same_model(quick(16).fit(more), quick(16).fit(X))


def test_order_and_repetition_of_rows_do_not_matter():
    weight = np.random.default_rng(2).integers(0, 3, len(X))
    weighted = quick().fit(X, sample_weight=weight)
    order = np.random.default_rng(3).permutation(len(X))
    assert_same_model(quick().fit(X[order], sample_weight=weight[order]), weighted)
    assert_same_model(quick().fit(np.repeat(X, weight, axis=0)), weighted)


def test_another_unit_gives_the_same_scores(fitted):
    scaled = quick(16).fit(1000 * X)
    np.testing.assert_allclose(
        scaled.score_samples(1000 * X), fitted.score_samples(X), rtol=1e-4
    )


def test_single_precision_rows_are_fitted_and_filled(fitted):
    rows = X.astype(np.float32)
    matcher = quick(16).fit(rows)
    assert matcher.impute(rows).dtype == matcher.transform(rows).dtype == np.float32
    assert matcher.impute(rows, n_draws=2).dtype == np.float32
    assert matcher.score_samples(rows).dtype == np.float64
    filled = fitted.impute(rows)
    np.testing.assert_allclose(filled, fitted.impute(X), atol=1e-5)


def test_training_from_rows_with_missing_cells_is_nearly_as_good(
    fitted, fitted_to_complete_rows
):
    new = two_clusters(n_features=4, seed=5)
    far = np.random.default_rng(6).uniform(-5, 5, (200, 4))
    for matcher in (fitted, fitted_to_complete_rows):
        outlier = np.r_[np.zeros(200), np.ones(200)]
        scores = matcher.score_samples(np.concatenate([new, far]))
        found = scores[outlier == 1][:, None] < scores[outlier == 0]
        assert found.mean() > 0.97


def test_log_density_is_that_of_the_observed_cells():
    matcher = quick(4).fit(X[:, :2])
    grid = np.arange(-6, 6, 0.02)
    rows = np.stack([grid, np.full_like(grid, np.nan)], axis=1)
    total = np.exp(matcher.log_density(rows)).sum() * 0.02
    # of two clusters given nothing else, a little is lost by Laplace's method
    assert total == pytest.approx(1, abs=0.05)


def test_filled_cells_are_near_what_was_there(fitted):
    filled = fitted.impute(X)
    np.testing.assert_array_equal(filled[~MISSING], X[~MISSING])
    some = MISSING.sum(axis=1) < 3
    error = (filled - COMPLETE)[some][MISSING[some]]
    assert np.sqrt(np.mean(error**2)) < 0.35  # of at least 0.3


def test_filling_undoes_what_noise_takes_from_dependence():
    """Of two equal columns, noise of level 0.5 takes a fifth of the slope."""
    x = np.random.default_rng(0).standard_normal((2000, 1))
    matcher = quick(32, sigma=0.5).fit(np.hstack([x, x]))
    given = np.stack([np.linspace(-1, 1, 9), np.full(9, np.nan)], axis=1)
    slope = np.polyfit(given[:, 0], matcher.impute(given)[:, 1], 1)[0]
    assert slope == pytest.approx(1, abs=0.06)


def test_draws_are_reproducible_and_differ(fitted):
    draws = fitted.impute(X, n_draws=3, random_state=0)
    assert draws.shape == (3, *X.shape)
    again = fitted.impute(X, n_draws=3, random_state=0)
    np.testing.assert_array_equal(draws, again)
    assert (draws[0][MISSING] != draws[1][MISSING]).all()
    complete = fitted.impute(COMPLETE, n_draws=2)
    np.testing.assert_array_equal(complete, [COMPLETE, COMPLETE])


@pytest.mark.parametrize("n_draws", [0, -1, 1.5])
def test_impute_refuses_a_number_of_draws(fitted, n_draws):
    with pytest.raises((ValueError, TypeError), match="n_draws"):
        fitted.impute(X, n_draws=n_draws)


def test_impute_leaves_complete_rows_and_its_input_alone(fitted):
    np.testing.assert_array_equal(fitted.impute(COMPLETE), COMPLETE)
    rows = X.copy()
    fitted.impute(rows)[:] = 0
    np.testing.assert_array_equal(rows, X)
    assert not np.shares_memory(fitted.impute(COMPLETE), COMPLETE)


def test_score_refuses_missing_cells(fitted):
    with pytest.raises(ValueError, match=r"score needs complete rows.*impute"):
        fitted.score(X)


def test_saved_models_answer_alike(fitted):
    loaded = pickle.load(io.BytesIO(pickle.dumps(fitted)))
    np.testing.assert_array_equal(loaded.score_samples(X), fitted.score_samples(X))
    vars(loaded).pop("location_")  # as in files of earlier versions
    assert np.isfinite(loaded.score_samples(X)).all()


def test_rows_are_refused_where_missing_cells_are_not_supported(
    fitted, tmp_path, monkeypatch
):
    path = tmp_path / "rows.npy"
    np.save(path, X)
    mapped = np.load(path, mmap_mode="r")
    with config_context(working_memory=0):
        with pytest.raises(ValueError, match=r"contains NaN.*mapped to memory"):
            quick().fit(mapped)
        np.testing.assert_array_equal(
            fitted.score_samples(mapped), fitted.score_samples(X)
        )


def test_devices_refuse_missing_cells(monkeypatch):
    with pytest.raises(ValueError, match=r"contains NaN.*but not in arrays of"):
        fitted_on_a_device(X, monkeypatch)


def test_dask_refuses_missing_cells(fitted):
    da = pytest.importorskip("dask.array")
    rows = da.from_array(X, chunks=(100, 4))
    with pytest.raises(ValueError, match=r"contains NaN.*but not in dask collections"):
        quick().fit(rows)
    with pytest.raises(ValueError, match=r"contains NaN.*but not in dask collections"):
        fitted.score_samples(rows).compute()


def test_calibration_takes_missing_cells():
    detector = ConformalOutlierDetector(quick(), alpha=0.1, random_state=0).fit(X)
    assert ((detector.p_values(X) > 0) & (detector.p_values(X) <= 1)).all()
