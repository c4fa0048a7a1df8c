"""Underflow and the like are not errors here, however the caller has set NumPy."""

import numpy as np
import pytest
from support.quick_fits import CONFIGURATIONS, QUERIES, quick

from skdsm.calibration import ConformalOutlierDetector
from skdsm.model.parzen import parzen_log_density, parzen_posterior_mean, parzen_score
from skdsm.scorers import make_outlier_scorer

# two groups so far apart that exp underflows, and rows that are absurd or subnormal
X = np.repeat([[-30.0, -30.0], [30.0, 30.0]], 30, axis=0)
X += np.random.default_rng(0).standard_normal(X.shape)
FAR = np.array([[1e3, -1e3], [1e8, 1e8], [1e150, 1.0], [1e-310, 0.0], [1e-200, 0.0]])

with_every_model = pytest.mark.parametrize(
    "parameters", CONFIGURATIONS.values(), ids=CONFIGURATIONS
)


def raising():
    return np.errstate(all="raise")


def same(function):
    """What a function returns, if it is the same while NumPy raises."""
    with raising():
        value = np.asarray(function())
    np.testing.assert_array_equal(value, np.asarray(function()))
    return value


@with_every_model
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_fits_and_queries_are_the_same(parameters, n_jobs):
    matcher = quick(**parameters, n_jobs=n_jobs)
    same(lambda: matcher.fit(X).components_)
    for query in QUERIES:
        for rows in (X, FAR, FAR[[0, 1]].astype(np.float32)):
            same(lambda q=query, rows=rows: getattr(matcher, q)(rows))
    same(lambda: matcher.inverse_transform(np.full((1, 4), 1e-310)))
    same(lambda: matcher.fit_threshold(X).offset_)
    same(lambda: matcher.fit_predict(X))


@pytest.mark.parametrize(
    "parameters",
    [CONFIGURATIONS["default"], CONFIGURATIONS["paper"]],
    ids=["chains", "exact"],
)
@pytest.mark.filterwarnings("ignore::skdsm.exceptions.SamplingWarning")
def test_samples_and_densities_are_the_same(parameters):
    matcher = quick(**parameters).fit(X)
    same(lambda: matcher.sample(20, random_state=0))
    same(lambda: matcher.sample_chains(5, 4, random_state=0)["posterior"]["x"])
    with raising():
        value = matcher.log_partition().value
        density = matcher.log_density(FAR)
    again = quick(**parameters).fit(X)
    assert again.log_partition().value == value
    np.testing.assert_array_equal(again.log_density(FAR), density)


def test_annealing_is_the_same():
    rows = np.random.default_rng(1).standard_normal((100, 5))
    matcher, again = (quick(12).fit(rows) for _ in range(2))
    with raising():
        value = matcher.log_partition(max_islands=64)
    assert value.method == "annealing"
    assert again.log_partition(max_islands=64) == value


def test_weights_of_all_magnitudes_are_the_same():
    weight = np.geomspace(1e-300, 1, len(X))
    same(lambda: quick().fit(X, sample_weight=weight).components_)


def test_calibration_and_scorers_are_the_same():
    conformal = ConformalOutlierDetector(quick(), random_state=0)
    same(lambda: conformal.fit(X).calibration_scores_)
    for query in ("predict", "p_values", "decision_function"):
        same(lambda q=query: getattr(conformal, q)(FAR))
    y = np.repeat([0, 1], 30)
    for metric in ("roc_auc", "average_precision"):
        scorer = make_outlier_scorer(metric, outlier_label=1)
        same(lambda scorer=scorer: scorer(conformal, X, y))


def test_parzen_densities_are_the_same():
    for function in (parzen_log_density, parzen_posterior_mean, parzen_score):
        same(lambda function=function: function(X, X, 0.5))


def test_state_of_the_caller_is_left_alone():
    with raising():
        before = np.geterr()
        quick().fit(X).predict(FAR)
        with pytest.raises(ValueError, match="infinity"):
            quick().fit([[np.inf]])
        assert np.geterr() == before
