"""ConformalOutlierDetector: any detector, at a rate of false alarms."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.stats import betabinom, chisquare, false_discovery_control
from sklearn import config_context
from sklearn.base import BaseEstimator, clone, is_outlier_detector
from sklearn.covariance import EllipticEnvelope
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import NotFittedError, UnsetMetadataPassedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KernelDensity, LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import OneClassSVM
from support.quick_fits import normal_rows, quick

from skdsm.calibration import ConformalOutlierDetector

DETECTORS = [
    quick(contamination=0.3),
    make_pipeline(StandardScaler(), quick()),
    EllipticEnvelope(random_state=0),
    GaussianMixture(random_state=0),
    IsolationForest(n_estimators=10, random_state=0),
    KernelDensity(),
    LocalOutlierFactor(novelty=True),
    OneClassSVM(),
]
every_detector = pytest.mark.parametrize(
    "detector", DETECTORS, ids=lambda detector: type(detector).__name__
)


@every_detector
def test_predictions_are_those_of_the_p_values(detector):
    X = normal_rows(200)
    conformal = ConformalOutlierDetector(detector, alpha=0.1, random_state=0).fit(X)
    rows = np.concatenate([X, 2 * normal_rows(100, seed=1)])
    decision, p = conformal.decision_function(rows), conformal.p_values(rows)
    scores = conformal.score_samples(rows)
    np.testing.assert_array_equal(scores, conformal.estimator_.score_samples(rows))
    np.testing.assert_array_equal(decision, scores - conformal.offset_)
    np.testing.assert_array_equal(conformal.predict(rows), np.where(p <= 0.1, -1, 1))
    np.testing.assert_array_equal(decision < 0, p <= 0.1)
    assert len(np.unique(conformal.predict(rows))) == 2
    assert is_outlier_detector(conformal)


def test_number_of_false_alarms_is_beta_binomial():
    """By a chi-square test over 300 fits, of 40 rows, 19 calibrate, 30 are new.

    The threshold of the training scores, with the same share below, fails it.
    """
    rng, law, m = np.random.default_rng(0), betabinom(30, 2, 18), 30
    detector = KernelDensity(bandwidth=0.2)
    counts, naive = [], []
    for seed in range(300):
        X = rng.standard_t(3, (70, 2))
        conformal = ConformalOutlierDetector(
            detector, alpha=0.1, calibration_size=19 / 40, random_state=seed
        ).fit(X[:40])
        assert len(conformal.calibration_scores_) == 19
        counts.append((conformal.predict(X[40:]) == -1).sum())
        detector.fit(X[:40])
        threshold = np.quantile(detector.score_samples(X[:40]), 0.1)
        naive.append((detector.score_samples(X[40:]) < threshold).sum())
    expected = 300 * np.append(law.pmf(np.arange(8)), law.sf(7))

    def p_value(counts):
        cells = np.bincount(np.minimum(counts, 8), minlength=9)
        return chisquare(cells, expected).pvalue

    assert p_value(counts) > 1e-3
    assert abs(np.mean(counts) - law.mean()) < 4 * law.std() / np.sqrt(300)
    assert np.mean(naive) / m > 0.13
    assert p_value(naive) < 1e-6


def test_alpha_may_change_without_another_fit():
    X, rows = normal_rows(200), 2 * normal_rows(100, seed=1)
    conformal = ConformalOutlierDetector(quick(), alpha=0.02, random_state=0).fit(X)
    few = (conformal.predict(rows) == -1).sum()
    conformal.set_params(alpha=0.3)
    many = (conformal.predict(rows) == -1).sum()
    assert many > few
    again = ConformalOutlierDetector(quick(), alpha=0.3, random_state=0).fit(X)
    np.testing.assert_array_equal(
        conformal.decision_function(rows), again.decision_function(rows)
    )
    with pytest.raises(ValueError, match="needs 999 calibration rows at least, there"):
        conformal.set_params(alpha=0.001).predict(rows)


def test_rows_to_calibrate_are_not_those_of_the_fit():
    X = normal_rows(100)
    conformal = ConformalOutlierDetector(
        KernelDensity(bandwidth=0.1), calibration_size=0.3, random_state=0
    ).fit(X)
    train = np.asarray(conformal.estimator_.tree_.data)
    assert len(train) == 70
    seen = (X[:, None] == train).all(axis=2).any(axis=1)
    expected = np.sort(conformal.score_samples(X[~seen]))
    np.testing.assert_allclose(conformal.calibration_scores_, expected, atol=1e-6)
    assert (conformal.calibration_scores_ < expected).all()


def test_frozen_detectors_are_taken_as_they_are():
    X, held_out = normal_rows(100), normal_rows(60, seed=1)
    detector = make_pipeline(StandardScaler(), quick()).fit(X)
    conformal = ConformalOutlierDetector(FrozenEstimator(detector)).fit(held_out)
    scores = np.sort(detector.score_samples(held_out))
    np.testing.assert_allclose(conformal.calibration_scores_, scores, atol=1e-6)
    np.testing.assert_array_equal(conformal.score_samples(X), detector.score_samples(X))


def test_ties_are_no_outliers():
    """Half of the rows have the lowest score: none of them is odd at 0.3."""
    X = np.repeat([[0.0], [1.0]], [30, 30], axis=0)
    detector = KernelDensity(bandwidth=0.1).fit([[1.0], [1.0]])
    conformal = ConformalOutlierDetector(FrozenEstimator(detector), alpha=0.3).fit(X)
    assert (conformal.predict(X) == 1).all()
    np.testing.assert_allclose(conformal.p_values([[0.0], [5.0]]), [31 / 61, 1 / 61])


class Rounded(KernelDensity):
    """Scores of equal rows differ in the last bits, as between blocks."""

    def score_samples(self, X):
        return super().score_samples(X) * (1 + 1e-15 * (len(X) == 1))


def test_ties_but_for_rounding_are_no_outliers():
    X = normal_rows(60)
    detector = FrozenEstimator(Rounded().fit(X))
    conformal = ConformalOutlierDetector(detector, alpha=0.2).fit(X)
    row = X[[np.argsort(conformal.score_samples(X))[11]]]  # the twelfth is the limit
    assert conformal.predict(row) == [1]


@every_detector
def test_rows_are_as_clear_cut_alone_as_together(detector):
    X = normal_rows(60)
    conformal = ConformalOutlierDetector(detector, alpha=0.2, random_state=0).fit(X)
    alone = [conformal.predict(x[None])[0] for x in X]
    np.testing.assert_array_equal(conformal.predict(X), alone)


class FirstColumn(BaseEstimator):
    """A detector whose scores are the rows' first entries."""

    def fit(self, X, y=None):
        return self

    def score_samples(self, X):
        return np.asarray(X, dtype=float)[:, 0]


def calibrated(scores, alpha=0.5):
    detector = FrozenEstimator(FirstColumn())
    return ConformalOutlierDetector(detector, alpha=alpha).fit(np.c_[scores])


grid = st.lists(st.integers(-500_000, 500_000).map(lambda k: k / 1000), min_size=3)


@given(grid, grid, st.one_of(st.floats(-1e300, 1e300), st.sampled_from([1e7, -1e7])))
@example(np.arange(1.0, 100), [-5.0, 0.5, 50.5], -1e14)
@example(np.arange(1.0, 100), [-5.0, 0.5, 50.5], 1e14)
def test_one_row_more_moves_p_values_and_the_threshold_by_one_rank(rows, new, absurd):
    """Of rows at rank r of n: ``(1 + r) / (n + 1)``, then r or r + 1 of n + 1."""
    n, new = len(rows), np.c_[new]
    before, after = calibrated(rows), calibrated([*rows, absurd])
    ranks = np.rint((n + 1) * before.p_values(new)) - 1
    more = np.rint((n + 2) * after.p_values(new)) - 1
    assert set(more - ranks) <= {0, 1}
    low, high = sorted([before.offset_, after.offset_])
    slack = 1e-9
    ordered = np.sort(rows)
    assert ((low + slack < ordered) & (ordered < high - slack)).sum() <= 1


def test_one_absurd_row_leaves_outliers_outliers():
    rng = np.random.default_rng(0)
    detector = FrozenEstimator(KernelDensity().fit(rng.standard_normal((500, 1))))
    rows = rng.standard_normal((99, 1))
    rows[0] = 1e7
    conformal = ConformalOutlierDetector(detector, alpha=0.05).fit(rows)
    np.testing.assert_array_equal(conformal.predict([[8.0], [50.0]]), [-1, -1])
    assert conformal.p_values([[8.0]]) == 2 / 100  # only the absurd row is as bad


@pytest.mark.parametrize("law", ["cauchy", "lognormal"])
def test_heavy_tails_have_the_rate_of_false_alarms(law):
    rng = np.random.default_rng(0)
    draw = {
        "cauchy": lambda n: rng.standard_cauchy(n),
        "lognormal": lambda n: -rng.lognormal(0, 4, n),
    }[law]
    rows, new = draw(9_999), draw(100_000)
    for alpha in (0.001, 0.1, 0.5):
        alarms = (calibrated(rows, alpha).predict(np.c_[new]) == -1).mean()
        # four standard errors of both samples
        assert alarms == pytest.approx(alpha, abs=4 * np.sqrt(alpha * 1.1e-4))


def test_false_discoveries_are_controlled_by_benjamini_and_hochberg():
    """Among 80 normal rows and 10 anomalies, the mean rate is at most 0.2 * 8 / 9."""
    rng = np.random.default_rng(0)
    rates, found = [], []
    for _ in range(200):
        rows = rng.standard_normal((290, 1))
        rows[-10:] += 4
        detector = GaussianMixture().fit(rows[:100])
        conformal = ConformalOutlierDetector(FrozenEstimator(detector), alpha=0.1)
        p = conformal.fit(rows[100:200]).p_values(rows[200:])
        rejected = false_discovery_control(p) <= 0.2
        rates.append(rejected[:80].sum() / max(rejected.sum(), 1))
        found.append(rejected[80:].mean())
    assert np.mean(rates) <= 0.2 * 80 / 90 + 0.02
    assert np.mean(found) > 0.8


def test_frames_are_split_by_rows():
    X = pd.DataFrame(normal_rows(100), columns=["a", "b", "c"])
    conformal = ConformalOutlierDetector(
        make_pipeline(StandardScaler(), quick()), random_state=0
    ).fit(X)
    assert list(conformal.feature_names_in_) == ["a", "b", "c"]
    with pytest.raises(ValueError, match="Feature names"):
        conformal.predict(X[["b", "a", "c"]])


def test_a_failed_fit_leaves_the_estimator_as_it_was():
    X = normal_rows(60)
    conformal = ConformalOutlierDetector(quick(), alpha=0.1, random_state=0).fit(X)
    before = dict(vars(conformal))
    with pytest.raises(ValueError, match="alpha=0.1 needs 9 calibration rows at least"):
        conformal.fit(X[:10])
    assert vars(conformal) == before


def test_other_estimators_are_refused():
    X = normal_rows()
    for other in (LogisticRegression(), LocalOutlierFactor(), MinMaxScaler(), None):
        with pytest.raises(ValueError, match="'estimator' parameter"):
            ConformalOutlierDetector(other).fit(X)


@pytest.mark.parametrize("alpha", [0, 1, -0.1, np.nan, True, "auto"])
def test_alpha_is_a_rate(alpha):
    with pytest.raises(ValueError, match="'alpha' parameter"):
        ConformalOutlierDetector(quick(), alpha=alpha).fit(normal_rows())


def test_scores_that_are_not_finite_do_not_calibrate():
    detector = KernelDensity(
        bandwidth=0.01, kernel="tophat"
    )  # log-density of minus infinity
    with pytest.raises(ValueError, match="not finite"):
        ConformalOutlierDetector(detector, random_state=0).fit(normal_rows(100))


def test_nothing_before_the_fit():
    conformal = ConformalOutlierDetector(quick())
    for query in (conformal.predict, conformal.p_values, conformal.score_samples):
        with pytest.raises(NotFittedError):
            query(normal_rows())
    clone(conformal)


# --- As a meta-estimator ---


@pytest.fixture
def routing():
    with config_context(enable_metadata_routing=True):
        yield


WEIGHT = np.repeat([1.0, 50.0], 50)


@pytest.mark.usefixtures("routing")
def test_weights_reach_the_detector_with_its_rows():
    X = normal_rows(100)
    detector = quick().set_fit_request(sample_weight=True)
    conformal = ConformalOutlierDetector(detector, random_state=0)
    weighted = clone(conformal).fit(X, sample_weight=WEIGHT)
    train, rest, weight, _ = train_test_split(X, WEIGHT, test_size=0.5, random_state=0)
    expected = quick().fit(train, sample_weight=weight)
    np.testing.assert_array_equal(weighted.estimator_.components_, expected.components_)
    # and rows to calibrate count once each
    scores = np.sort(expected.score_samples(rest))
    np.testing.assert_allclose(weighted.calibration_scores_, scores, rtol=1e-9)
    assert (
        weighted.estimator_.components_
        != clone(conformal).fit(X).estimator_.components_
    ).any()


@pytest.mark.usefixtures("routing")
def test_weights_reach_a_detector_behind_pipelines():
    X = normal_rows(100)
    detector = quick().set_fit_request(sample_weight=True)
    scaler = StandardScaler().set_fit_request(sample_weight=True)
    inside = ConformalOutlierDetector(
        make_pipeline(StandardScaler().set_fit_request(sample_weight=False), detector),
        random_state=0,
    )
    outside = make_pipeline(scaler, clone(inside)).fit(X, sample_weight=WEIGHT)
    Z = StandardScaler().fit_transform(X, sample_weight=WEIGHT)
    expected = clone(inside).fit(Z, sample_weight=WEIGHT)
    np.testing.assert_array_equal(
        outside[-1].calibration_scores_, expected.calibration_scores_
    )
    unweighted = clone(inside).fit(Z)
    assert (expected.calibration_scores_ != unweighted.calibration_scores_).any()


@pytest.mark.usefixtures("routing")
def test_weights_that_the_detector_has_no_use_for_are_refused():
    X = normal_rows(100)
    with pytest.raises(UnsetMetadataPassedError, match="not explicitly set"):
        ConformalOutlierDetector(quick()).fit(X, sample_weight=WEIGHT)
    with pytest.raises(TypeError, match="unexpected argument"):
        ConformalOutlierDetector(GaussianMixture()).fit(X, sample_weight=WEIGHT)
    with pytest.raises(
        ValueError, match=r"frozen.*\['sample_weight'\] would have no eff"
    ):
        ConformalOutlierDetector(FrozenEstimator(quick().fit(X))).fit(
            X, sample_weight=WEIGHT
        )
    detector = quick().set_fit_request(sample_weight=True)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        ConformalOutlierDetector(detector).fit(X, sample_weight=WEIGHT[:50])


def test_weights_without_routing_are_refused():
    with pytest.raises(ValueError, match="only supported if enable_metadata_routing"):
        ConformalOutlierDetector(quick()).fit(normal_rows(100), sample_weight=WEIGHT)


STATES = {
    "not fitted": ConformalOutlierDetector(quick()),
    "fitted": ConformalOutlierDetector(quick()).fit(normal_rows(60)),
    "alpha out of reach": ConformalOutlierDetector(quick())
    .fit(normal_rows(60))
    .set_params(alpha=1e-4),
    "no alpha": ConformalOutlierDetector(quick())
    .fit(normal_rows(60))
    .set_params(alpha=None),
    "no detector": ConformalOutlierDetector(None),
    "a class": ConformalOutlierDetector(KernelDensity),
    "no novelty": ConformalOutlierDetector(LocalOutlierFactor()),
    "frozen": ConformalOutlierDetector(FrozenEstimator(quick().fit(normal_rows()))),
}


@pytest.mark.parametrize("conformal", STATES.values(), ids=STATES)
def test_every_state_can_be_shown(conformal):
    assert "ConformalOutlierDetector" in repr(conformal)
    assert "ConformalOutlierDetector" in conformal._repr_html_()
    assert conformal._repr_mimebundle_()
    for name in dir(conformal):
        hasattr(conformal, name)
    clone(conformal, safe=False)


def test_a_threshold_that_no_p_value_reaches_is_absent():
    conformal = STATES["alpha out of reach"]
    assert not hasattr(conformal, "offset_")
    with pytest.raises(AttributeError, match="alpha=0.0001 needs 9999 calibration"):
        conformal.offset_  # noqa: B018
    for query in (conformal.predict, conformal.decision_function):
        with pytest.raises(ValueError, match="alpha=0.0001 needs 9999 calibration"):
            query(normal_rows())
    assert len(conformal.p_values(normal_rows())) == 40


@pytest.mark.parametrize(
    "wrap", [lambda d: d, lambda d: make_pipeline(StandardScaler(), d)]
)
def test_the_missing_novelty_is_named(wrap):
    with pytest.raises(ValueError, match="Use novelty=True"):
        ConformalOutlierDetector(wrap(LocalOutlierFactor())).fit(normal_rows())


def test_another_fit_forgets_the_names_of_columns():
    X = normal_rows(60)
    conformal = ConformalOutlierDetector(quick(), random_state=0)
    conformal.fit(pd.DataFrame(X, columns=["a", "b", "c"]))
    conformal.fit(X)
    assert not hasattr(conformal, "feature_names_in_")
    conformal.predict(X)
