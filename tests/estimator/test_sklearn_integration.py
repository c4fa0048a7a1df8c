"""The estimator among other estimators: pipelines, searches, frames, metadata."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.base import is_outlier_detector
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer, roc_auc_score
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import FeatureUnion, make_pipeline, make_union
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils import get_tags
from support.quick_fits import assert_same_model, normal_rows, quick, two_clusters

X = normal_rows()
NAMES = ["a", "b", "c"]
FRAMES = {"pandas": pd.DataFrame, "polars": pl.DataFrame}
CODE_NAMES = [f"denoisingscorematcher{j}" for j in range(4)]


def frame(library, rows=X, names=NAMES):
    return FRAMES[library](dict(zip(names, rows.T, strict=True)))


# --- Pipelines ---


def test_pipeline_answers_as_its_steps_do():
    rows = 100 * X + 7
    scaled = StandardScaler().fit_transform(rows)
    pipeline = make_pipeline(StandardScaler(), quick()).fit(rows)
    alone = quick().fit(scaled)
    assert_same_model(pipeline[-1], alone)
    for query in ["predict", "score_samples", "decision_function", "transform"]:
        np.testing.assert_array_equal(
            getattr(pipeline, query)(rows), getattr(alone, query)(scaled)
        )
    assert pipeline.score(rows) == alone.score(scaled)
    np.testing.assert_array_equal(pipeline.fit_predict(rows), alone.predict(scaled))


def test_pipeline_inverts_the_code_to_a_denoised_row():
    rows = 100 * X + 7
    pipeline = make_pipeline(StandardScaler(), quick()).fit(rows)
    scaler, matcher = pipeline
    denoised = pipeline.inverse_transform(pipeline.transform(rows))
    expected = scaler.inverse_transform(matcher.reconstruct(scaler.transform(rows)))
    np.testing.assert_allclose(denoised, expected, atol=1e-9)


def test_codes_are_features_for_a_classifier():
    X, y = load_iris(return_X_y=True)
    pipeline = make_pipeline(
        StandardScaler(), quick(16), StandardScaler(), LogisticRegression()
    )
    folds = KFold(3, shuffle=True, random_state=0)
    assert cross_val_score(pipeline, X, y, cv=folds).mean() > 0.9


def test_feature_union_puts_codes_beside_other_features():
    union = make_union(quick(), StandardScaler()).fit(X)
    codes = quick().fit_transform(X)
    expected = np.column_stack([codes, StandardScaler().fit_transform(X)])
    np.testing.assert_array_equal(union.transform(X), expected)
    names = union.get_feature_names_out()
    assert list(names[:4]) == [f"denoisingscorematcher__{name}" for name in CODE_NAMES]


def test_column_transformer_gives_columns_by_name():
    columns = ColumnTransformer(
        [("code", quick(), ["c", "a"]), ("rest", "passthrough", ["b"])],
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    actual = columns.fit_transform(frame("pandas"))
    assert list(actual) == [*CODE_NAMES, "b"]
    expected = quick().fit_transform(X[:, [2, 0]])
    np.testing.assert_array_equal(actual[CODE_NAMES], expected)


def test_several_scales_of_noise_side_by_side():
    union = FeatureUnion([(f"s{s}", quick(sigma=s)) for s in (0.2, 1.0)])
    assert union.fit_transform(X).shape == (len(X), 8)


def test_it_is_an_outlier_detector_and_a_transformer():
    tags = get_tags(quick())
    assert is_outlier_detector(quick())
    assert tags.transformer_tags.preserves_dtype == ["float64", "float32"]
    assert tags.input_tags.allow_nan
    assert not tags.input_tags.sparse
    assert not tags.target_tags.required
    assert not tags.non_deterministic


# --- Searches ---


def test_grid_search_needs_no_labels():
    grid = {"n_components": [2, 8], "sigma": [0.1, 0.5]}
    search = GridSearchCV(quick(), grid, cv=3, error_score="raise").fit(X)
    assert search.best_params_["sigma"] == 0.5
    held_out = [
        quick(**search.best_params_).fit(X[train]).score(X[test])
        for train, test in KFold(3).split(X)
    ]
    assert search.best_score_ == pytest.approx(np.mean(held_out))
    assert_same_model(search.best_estimator_, quick(**search.best_params_).fit(X))
    np.testing.assert_array_equal(search.predict(X), search.best_estimator_.predict(X))


def test_grid_search_over_a_pipeline():
    name = "denoisingscorematcher"
    grid = {
        f"{name}__sigma": [0.5, (0.1, 1.0)],
        f"{name}__gains": ["unit", "learned"],
        "standardscaler": [StandardScaler(), MinMaxScaler()],
    }
    pipeline = make_pipeline(StandardScaler(), quick())
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(100 * X)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert np.isfinite(search.score(100 * X))


@pytest.mark.filterwarnings("ignore::skdsm.exceptions.ScreeningWarning")
def test_labels_serve_a_scorer_that_wants_them():
    inliers = two_clusters()
    rows = np.concatenate([inliers, np.random.default_rng(0).uniform(-6, 6, (60, 2))])
    is_inlier = np.repeat([1, 0], [len(inliers), 60])
    folds = KFold(2, shuffle=True, random_state=0)
    auc = cross_val_score(quick(8), rows, is_inlier, scoring="roc_auc", cv=folds)
    assert auc.min() > 0.8
    matcher = quick(8).fit(rows)
    assert get_scorer("roc_auc")(matcher, rows, is_inlier) == pytest.approx(
        roc_auc_score(is_inlier, matcher.score_samples(rows))
    )


# --- Frames ---


def test_names_of_codes():
    matcher = quick().fit(X)
    assert list(matcher.get_feature_names_out()) == CODE_NAMES
    assert not hasattr(matcher, "feature_names_in_")


@pytest.mark.parametrize("library", FRAMES)
def test_names_of_columns_are_remembered(library):
    matcher = quick().fit(frame(library))
    assert list(matcher.feature_names_in_) == NAMES
    assert_same_model(matcher, quick().fit(X))


@pytest.mark.parametrize("output", FRAMES)
@pytest.mark.parametrize("library", FRAMES)
def test_codes_come_in_the_frame_asked_for(library, output):
    rows = frame(library)
    codes = quick().set_output(transform=output).fit_transform(rows)
    assert isinstance(codes, FRAMES[output])
    assert list(codes.columns) == CODE_NAMES
    np.testing.assert_array_equal(codes.to_numpy(), quick().fit_transform(X))


def test_codes_keep_the_index_of_the_rows():
    rows = frame("pandas").set_index(np.arange(len(X))[::-1] * 3)
    codes = quick().set_output(transform="pandas").fit_transform(rows)
    pd.testing.assert_index_equal(codes.index, rows.index)


@pytest.mark.parametrize("library", FRAMES)
@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a", "b", "z"], "Feature names unseen at fit time"),
        (["b", "a", "c"], "Feature names must be in the same order"),
    ],
    ids=["renamed", "reordered"],
)
def test_other_columns_are_refused(names, message, library):
    matcher = quick().fit(frame(library))
    with pytest.raises(ValueError, match=message):
        matcher.predict(frame(library, names=names))


@pytest.mark.parametrize("library", FRAMES)
def test_rows_without_names_are_taken_with_a_warning(library):
    matcher = quick().fit(frame(library))
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        scores = matcher.score_samples(X)
    np.testing.assert_array_equal(scores, matcher.score_samples(frame(library)))


# --- Metadata routing ---


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


WEIGHT = np.arange(len(X)) % 4


@pytest.mark.usefixtures("routing")
def test_weights_are_routed_through_a_pipeline():
    pipeline = make_pipeline(
        StandardScaler().set_fit_request(sample_weight=False),
        quick().set_fit_request(sample_weight=True),
    ).fit(X, sample_weight=WEIGHT)
    scaled = StandardScaler().fit_transform(X)
    assert_same_model(pipeline[-1], quick().fit(scaled, sample_weight=WEIGHT))


@pytest.mark.usefixtures("routing")
def test_weights_that_are_not_asked_for_are_not_routed():
    pipeline = make_pipeline(
        StandardScaler().set_fit_request(sample_weight=True),
        quick().set_fit_request(sample_weight=False),
    ).fit(X, sample_weight=WEIGHT)
    scaled = StandardScaler().fit(X, sample_weight=WEIGHT).transform(X)
    assert_same_model(pipeline[-1], quick().fit(scaled))


@pytest.mark.usefixtures("routing")
def test_weights_without_a_request_are_an_error():
    with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
        make_pipeline(quick()).fit(X, sample_weight=WEIGHT)


@pytest.mark.usefixtures("routing")
def test_weights_are_routed_through_a_search_and_an_alias():
    search = GridSearchCV(
        quick().set_fit_request(sample_weight="importance"), {"sigma": [0.5]}, cv=2
    ).fit(X, importance=WEIGHT)
    weighted = quick(sigma=0.5).fit(X, sample_weight=WEIGHT)
    assert_same_model(search.best_estimator_, weighted)
    held_out = [
        quick(sigma=0.5).fit(X[train], sample_weight=WEIGHT[train]).score(X[test])
        for train, test in KFold(2).split(X)
    ]
    assert search.best_score_ == pytest.approx(np.mean(held_out))


@pytest.mark.usefixtures("routing")
def test_requests_can_be_read_back():
    matcher = quick().set_fit_request(sample_weight=True)
    assert matcher.get_metadata_routing().fit.requests == {"sample_weight": True}
    assert quick().get_metadata_routing().fit.requests == {"sample_weight": None}
