"""Labelled scorers are told which label marks the outliers, and believe it."""

import pickle
from functools import partial

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import BaseEstimator
from sklearn.covariance import EllipticEnvelope
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.neighbors import KernelDensity, LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM
from support.quick_fits import normal_rows, quick

from skdsm.calibration import ConformalOutlierDetector
from skdsm.scorers import make_outlier_scorer

N_NORMAL, N_OUTLIERS = 90, 10
X = np.concatenate([normal_rows(N_NORMAL), 8 * normal_rows(N_OUTLIERS, seed=1)])
IS_OUTLIER = np.repeat([False, True], [N_NORMAL, N_OUTLIERS])
FOLDS = StratifiedKFold(3, shuffle=True, random_state=0)
METRICS = {"roc_auc": roc_auc_score, "average_precision": average_precision_score}
# what marks normal rows and outliers
LABELS = {
    "ADBench and PyOD": (0, 1),
    "scikit-learn": (1, -1),
    "inverted": (1, 0),
    "words": ("normal", "fraud"),
    "words in order": ("ok", "a fraud"),
    "booleans": (False, True),
}
DETECTORS = [
    quick(),
    make_pipeline(StandardScaler(), quick()),
    ConformalOutlierDetector(EllipticEnvelope(random_state=0), random_state=0),
    EllipticEnvelope(random_state=0),
    GaussianMixture(random_state=0),
    IsolationForest(n_estimators=30, random_state=0),
    KernelDensity(),
    LocalOutlierFactor(novelty=True),
    OneClassSVM(gamma=0.1),
]


def labels(normal, outlier):
    return np.where(IS_OUTLIER, outlier, normal)


@pytest.mark.parametrize("names", LABELS.values(), ids=LABELS)
@pytest.mark.parametrize("metric", METRICS)
def test_metric_is_that_of_outliers_against_minus_the_score(metric, names):
    detector = KernelDensity().fit(X)
    scorer = make_outlier_scorer(metric, outlier_label=names[1])
    expected = METRICS[metric](IS_OUTLIER, -detector.score_samples(X))
    assert scorer(detector, X, labels(*names)) == expected
    assert scorer(detector, X, list(labels(*names))) == expected
    assert scorer(detector, X, pd.Series(labels(*names))) == expected


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda d: type(d).__name__)
def test_every_detector_finds_outliers_that_are_far_out(detector):
    detector = detector.fit(X[~IS_OUTLIER])
    for metric in METRICS:
        scorer = make_outlier_scorer(metric, outlier_label=1)
        assert scorer(detector, X, labels(0, 1)) > 0.9


def test_scoring_by_name_inverts_and_this_does_not():
    """The trap, as documented: roc_auc is one minus what is meant."""
    y = labels(0, 1)
    right = cross_val_score(
        quick(), X, y, cv=FOLDS, scoring=make_outlier_scorer(outlier_label=1)
    )
    wrong = cross_val_score(quick(), X, y, cv=FOLDS, scoring="roc_auc")
    np.testing.assert_allclose(right + wrong, 1)
    assert right.mean() > 0.9


class Distance(BaseEstimator):
    """Minus the squared distance from the origin, or, with sign=-1, the opposite."""

    def __init__(self, sign=1):
        self.sign = sign

    def fit(self, X, y=None):
        self.is_fitted_ = True
        return self

    def score_samples(self, X):
        return -self.sign * (X**2).sum(axis=1)


def test_a_search_selects_the_better_detector():
    search = GridSearchCV(
        make_pipeline(StandardScaler(), Distance()),
        {"distance__sign": [-1, 1]},
        scoring={m: make_outlier_scorer(m, outlier_label=1) for m in METRICS},
        refit="roc_auc",
        cv=FOLDS,
    ).fit(X, labels(0, 1))
    assert search.best_params_ == {"distance__sign": 1}
    assert search.best_score_ > 0.9


def test_sample_weights_reach_the_metric():
    detector = KernelDensity().fit(X[:50])
    weight = np.arange(1.0, 101)
    scorer = make_outlier_scorer("average_precision", outlier_label=1)
    expected = average_precision_score(
        IS_OUTLIER, -detector.score_samples(X), sample_weight=weight
    )
    assert scorer(detector, X, labels(0, 1), sample_weight=weight) == expected


def test_any_metric_may_be_given():
    detector, early = KernelDensity().fit(X), partial(roc_auc_score, max_fpr=0.1)
    scorer = make_outlier_scorer(early, outlier_label=1)
    expected = early(IS_OUTLIER, -detector.score_samples(X))
    assert scorer(detector, X, labels(0, 1)) == expected
    copy = pickle.loads(pickle.dumps(scorer))
    assert copy(detector, X, labels(0, 1)) == expected


@pytest.mark.parametrize(
    ("y", "label", "message"),
    [
        (labels(0, 1), -1, "no row with outlier_label=-1, only 0, 1"),
        (labels(0, 0), 1, "no row with outlier_label=1, only 0"),
        (labels(1, 1), 1, "one other label, for normal rows, got 1"),
        (np.arange(100), 1, r"one other label.*got 0, 1, 2, 3, 4, \.\.\."),
        (labels("normal", "fraud"), "Fraud", "no row with outlier_label='Fraud'"),
        (np.where(IS_OUTLIER, 1.0, np.nan), 1, "NaN"),
        (labels(0, 1)[:, None] * [1, 1], 1, "1d array"),
    ],
)
def test_labels_that_tell_no_outliers_are_refused(y, label, message):
    with pytest.raises(ValueError, match=message):
        make_outlier_scorer(outlier_label=label)(KernelDensity().fit(X), X, y)


MISSING = {
    "object, None": np.array(["ok", "fraud", None], dtype=object),
    "object, NaN": np.array(["ok", "fraud", np.nan], dtype=object),
    "list": ["ok", "fraud", None],
    "list of numbers": [0, 1, None],
    "floats": np.array([0, 1, np.nan]),
    "dates": np.array(["2024-01-01", "2024-01-02", "NaT"], "M8[s]"),
    "pandas text": pd.Series(["ok", "fraud", None]),
    "pandas string": pd.Series(["ok", "fraud", pd.NA], dtype="string"),
    "pandas category": pd.Series(["ok", "fraud", None], dtype="category"),
    "pandas Int64": pd.Series([0, 1, pd.NA], dtype="Int64"),
    "pandas boolean": pd.Series([True, False, pd.NA], dtype="boolean"),
    "pandas object": pd.Series(["ok", "fraud", pd.NA], dtype=object),
    "pandas dates": pd.Series(pd.to_datetime(["2024-01-01", "2024-01-02", None])),
    "polars text": pl.Series(["ok", "fraud", None]),
    "polars numbers": pl.Series([0, 1, None]),
    "polars categories": pl.Series(["ok", "fraud", None], dtype=pl.Categorical),
}
three_rows = KernelDensity().fit(X[:3]), X[:3]


@pytest.mark.parametrize("y", MISSING.values(), ids=MISSING)
@pytest.mark.parametrize("label", ["fraud", 1])
def test_missing_labels_are_named(y, label):
    with pytest.raises(ValueError, match="y has missing labels"):
        make_outlier_scorer(outlier_label=label)(*three_rows, y)


MIXED = {
    "object": np.array(["ok", 1, "fraud"], dtype=object),
    "list": ["ok", 1, "fraud"],
    "tuple": ("ok", 1.5, "fraud"),
    "pandas": pd.Series(["ok", 1, "fraud"]),
    "bytes": ["ok", b"fraud", "fraud"],
}


@pytest.mark.parametrize("y", MIXED.values(), ids=MIXED)
def test_labels_of_several_types_are_named(y):
    with pytest.raises(ValueError, match="y mixes labels of several types, .* and "):
        make_outlier_scorer(outlier_label="fraud")(*three_rows, y)


def test_labels_that_are_no_values_are_refused():
    y = np.array([{}, {}, {}], dtype=object)
    with pytest.raises(ValueError, match="cannot be compared: unhashable type"):
        make_outlier_scorer(outlier_label=1)(*three_rows, y)


WORDS = labels("ok", "fraud")
CONTAINERS = {
    "list": (list(WORDS), "fraud"),
    "list of Python's": (WORDS.tolist(), "fraud"),
    "tuple": (tuple(WORDS), "fraud"),
    "column": (WORDS[:, None], "fraud"),
    "object": (WORDS.astype(object), "fraud"),
    "StringDType": (WORDS.astype(np.dtypes.StringDType()), "fraud"),
    "bytes": (WORDS.astype(bytes), b"fraud"),
    "dates": (labels(*np.array(["2024", "2025"], "M8[s]")), np.datetime64("2025")),
    "booleans and integers": ([*IS_OUTLIER[:-1].tolist(), 1], True),
    "pandas text": (pd.Series(WORDS), "fraud"),
    "pandas string": (pd.Series(WORDS, dtype="string"), "fraud"),
    "pandas category": (pd.Series(WORDS, dtype="category"), "fraud"),
    "pandas Categorical": (pd.Categorical(WORDS), "fraud"),
    "pandas Index": (pd.Index(WORDS), "fraud"),
    "pandas frame": (pd.DataFrame({"label": WORDS}), "fraud"),
    "pandas Int64": (pd.Series(labels(0, 1), dtype="Int64"), 1),
    "pandas boolean": (pd.Series(IS_OUTLIER, dtype="boolean"), True),
    "polars text": (pl.Series(WORDS.tolist()), "fraud"),
    "polars categories": (pl.Series(WORDS.tolist(), dtype=pl.Categorical), "fraud"),
    "polars booleans": (pl.Series(IS_OUTLIER), True),
}


@pytest.mark.parametrize(("y", "label"), CONTAINERS.values(), ids=CONTAINERS)
def test_labels_come_in_any_container(y, label):
    detector = KernelDensity().fit(X)
    expected = roc_auc_score(IS_OUTLIER, -detector.score_samples(X))
    assert make_outlier_scorer(outlier_label=label)(detector, X, y) == expected


@pytest.mark.parametrize("label", [None, np.nan, pd.NA, np.datetime64("NaT"), pd.NaT])
def test_a_missing_label_is_not_that_of_outliers(label):
    with pytest.raises(ValueError, match="is what missing labels are"):
        make_outlier_scorer(outlier_label=label)


def test_the_label_has_no_default():
    with pytest.raises(TypeError, match="outlier_label"):
        make_outlier_scorer("roc_auc")


def test_unknown_metrics_are_refused():
    with pytest.raises(ValueError, match="metric must be callable or one of"):
        make_outlier_scorer("accuracy", outlier_label=1)


class HighForOutliers(BaseEstimator):
    """A detector with PyOD's convention."""

    def fit(self, X, y=None):
        return self

    def decision_function(self, X):
        return (X**2).sum(axis=1)


@pytest.mark.parametrize("other", [HighForOutliers(), LogisticRegression()])
def test_scores_of_another_sense_are_refused(other):
    y = labels(0, 1)
    with pytest.raises(AttributeError, match="score_samples"):
        make_outlier_scorer(outlier_label=1)(other.fit(X, y), X, y)
