"""The threshold never sits on a score, and cuts off the share it is asked to."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import RobustScaler
from support.quick_fits import (
    CONFIGURATIONS,
    normal_rows,
    quick,
    with_every_model_or_value,
)

from skdsm.detection.threshold import (
    contamination_threshold,
    tukey_threshold,
    weighted_quantile,
)

same_every_time = settings(deadline=None, derandomize=True)
contaminations = st.floats(1e-6, 0.5)
# steps of 1e-3 in a range of 1e3: further apart than rounding
grid_scores = st.lists(
    st.integers(-500_000, 500_000).map(lambda step: step / 1000),
    min_size=1,
    max_size=30,
).map(np.array)


@st.composite
def weighted_scores(draw):
    scores = draw(grid_scores)
    weight = st.integers(1, 9)
    weights = draw(st.lists(weight, min_size=len(scores), max_size=len(scores)))
    return scores, np.array(weights)


def share_below(threshold, scores, weight):
    return weight[scores < threshold].sum() / weight.sum()


@same_every_time
@given(weighted_scores(), contaminations)
def test_threshold_lies_strictly_between_two_scores(data, contamination):
    scores, weight = data
    threshold = contamination_threshold(scores, weight, contamination)
    assert threshold not in scores
    if len(np.unique(scores)) > 1:
        below, above = (
            scores[scores < threshold].max(),
            scores[scores > threshold].min(),
        )
        assert threshold == pytest.approx((below + above) / 2, abs=1e-9)


@same_every_time
@given(weighted_scores(), contaminations)
def test_no_threshold_comes_nearer_to_the_contamination(data, contamination):
    scores, weight = data
    threshold = contamination_threshold(scores, weight, contamination)
    distinct = np.unique(scores)
    if len(distinct) > 1:  # below the second at least, so that one lies below
        shares = [share_below(score, scores, weight) for score in distinct[1:]]
        miss = abs(share_below(threshold, scores, weight) - contamination)
        assert miss <= min(abs(share - contamination) for share in shares) + 1e-12


@same_every_time
@given(weighted_scores(), contaminations)
def test_a_weight_is_a_number_of_repetitions(data, contamination):
    scores, weight = data
    repeated = np.repeat(scores, weight)
    assert contamination_threshold(
        scores, weight, contamination
    ) == contamination_threshold(repeated, None, contamination)


@same_every_time
@given(weighted_scores(), contaminations, st.randoms(use_true_random=False))
def test_the_order_of_the_scores_does_not_matter(data, contamination, random):
    scores, weight = data
    order = np.array(random.sample(range(len(scores)), len(scores)))
    assert contamination_threshold(
        scores[order], weight[order], contamination
    ) == contamination_threshold(scores, weight, contamination)
    assert tukey_threshold(scores, np.ones(len(scores))) == tukey_threshold(
        scores[order], np.ones(len(scores))
    )


@same_every_time
@given(weighted_scores(), contaminations, contaminations)
def test_more_contamination_raises_the_threshold(data, one, other):
    low, high = sorted([one, other])
    assert contamination_threshold(*data, low) <= contamination_threshold(*data, high)


@same_every_time
@given(st.floats(-1e300, 1e300), st.integers(1, 5), contaminations)
@example(0.0, 2, 0.1)
@example(5e-324, 1, 0.1)
@example(-5e-324, 1, 0.1)
@example(1e-305, 1, 0.1)
def test_a_single_score_lies_above(score, n_samples, contamination):
    scores, weight = np.full(n_samples, score), np.ones(n_samples)
    threshold = contamination_threshold(scores, weight, contamination)
    assert -np.inf < threshold < score
    assert -np.inf < tukey_threshold(scores, weight) < score


@same_every_time
@given(grid_scores, contaminations, st.integers(0, 2**32 - 1))
def test_scores_that_differ_by_rounding_are_not_told_apart(scores, contamination, seed):
    rng = np.random.default_rng(seed)
    sizes = np.sort(np.abs(scores))
    size = np.maximum(np.abs(scores), sizes[(len(scores) - 1) // 2])
    near = scores + 1e-14 * size * rng.choice([-1, 0, 1], (4, len(scores)))
    weight = np.ones(scores.size)
    threshold = contamination_threshold(near.ravel(), np.ones(near.size), contamination)
    expected = contamination_threshold(scores, weight, contamination)
    below = near < threshold
    assert (below == below[0]).all()
    np.testing.assert_array_equal(below[0], scores < expected)


@same_every_time
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50).map(np.array))
def test_fence_is_that_of_a_box_plot(scores):
    q1, q3 = np.percentile(scores, [25, 75], method="hazen")
    fence = q1 - 1.5 * (q3 - q1)
    size = np.abs(scores).max()
    assert tukey_threshold(scores, np.ones(len(scores))) == pytest.approx(
        fence, abs=1e-8 * size + 1e-300
    )


@same_every_time
@given(grid_scores)
def test_fence_without_spread_is_below_the_quartile(scores):
    low, *_ = scores
    most = np.append(scores, np.full(4 * len(scores), low))
    threshold = tukey_threshold(most, np.ones(len(most)))
    assert threshold < low
    assert threshold == pytest.approx(low, abs=1e-6)


# --- One row more ---

absurd = st.one_of(st.floats(-1e300, 1e300), st.sampled_from([-1e300, 1e7, 1e300]))


def equal(scores):
    return np.ones(len(scores))


@same_every_time
@given(grid_scores, absurd, contaminations)
@example(np.arange(1.0, 100), 1e12, 0.1)
@example(np.arange(1.0, 100), -1e300, 0.1)
def test_one_row_more_moves_the_threshold_by_one_rank(scores, score, contamination):
    before = contamination_threshold(scores, equal(scores), contamination)
    more = np.append(scores, score)
    after = contamination_threshold(more, equal(more), contamination)
    low, high = sorted([before, after])
    passed = np.unique(scores[(low < scores) & (scores < high)])
    assert len(passed) <= 1


@same_every_time
@given(grid_scores.filter(lambda scores: len(scores) >= 5), absurd)
@example(np.arange(1.0, 100), -1e300)
@example(np.zeros(5), 1e300)
def test_one_row_more_moves_the_quartiles_by_one_rank(scores, score):
    n, ordered = len(scores), np.sort(scores)
    bounds = {}
    for share in (0.25, 0.75):
        position = n * share - 0.5
        low, high = int(np.floor(position)) - 1, int(np.ceil(position)) + 1
        bounds[share] = (
            ordered[low] if low >= 0 else -np.inf,
            ordered[high] if high < n else np.inf,
        )
    more = np.append(scores, score)
    q1, q3 = weighted_quantile(more, equal(more), [0.25, 0.75])
    assert bounds[0.25][0] <= q1 <= bounds[0.25][1]
    assert bounds[0.75][0] <= q3 <= bounds[0.75][1]
    fence = tukey_threshold(more, equal(more))
    assert fence == pytest.approx(q1 - 1.5 * (q3 - q1), abs=1e-6)


HEAVY_TAILS = {
    "Cauchy": lambda rng: rng.standard_cauchy(10_000),
    "log-normal": lambda rng: rng.lognormal(0, 4, 10_000),
    "minus log-normal": lambda rng: -rng.lognormal(0, 4, 10_000),
    "far from zero": lambda rng: 1e10 + rng.standard_normal(10_000),
}


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5])
@pytest.mark.parametrize("draw", HEAVY_TAILS.values(), ids=HEAVY_TAILS)
def test_heavy_tails_have_the_share_that_is_asked_for(draw, share):
    scores = draw(np.random.default_rng(0))
    threshold = contamination_threshold(scores, equal(scores), share)
    assert (scores < threshold).mean() == pytest.approx(share, abs=5e-4)


# --- The estimator ---

with_every_model = pytest.mark.parametrize(
    "parameters", CONFIGURATIONS.values(), ids=CONFIGURATIONS
)


@with_every_model
def test_outliers_have_a_negative_decision(parameters):
    matcher = quick(**parameters).fit(normal_rows())
    X = 2 * normal_rows(seed=1)
    decision = matcher.decision_function(X)
    np.testing.assert_array_equal(decision, matcher.score_samples(X) - matcher.offset_)
    np.testing.assert_array_equal(matcher.predict(X), np.where(decision >= 0, 1, -1))
    assert len(np.unique(matcher.predict(X))) == 2


def test_a_decision_of_zero_is_an_inlier():
    matcher = quick().fit(normal_rows())
    X = normal_rows()[:1]
    matcher.offset_ = matcher.score_samples(X)[0]
    assert matcher.predict(X) == [1]


@with_every_model_or_value("dtype", [np.float64, np.float32], chosen=[np.float64])
def test_share_of_training_outliers_is_the_contamination(dtype, parameters):
    X = normal_rows(n_samples=100).astype(dtype)
    matcher = quick(**parameters | {"contamination": 0.1})
    assert (matcher.fit_predict(X) == -1).mean() == 0.1
    for contamination in (0.01, 0.25, 0.5):
        matcher.set_params(contamination=contamination).fit_threshold(X)
        assert (matcher.predict(X) == -1).mean() == contamination


def test_contamination_is_a_share_of_the_weight():
    X = normal_rows(n_samples=100)
    weight = np.exp(-0.5 * (X**2).sum(axis=1))  # heavy in the middle
    outliers = quick(contamination=0.25).fit(X, sample_weight=weight).predict(X) == -1
    share = weight[outliers].sum() / weight.sum()
    assert share == pytest.approx(0.25, abs=weight.max() / weight.sum() / 2)
    assert outliers.mean() > 0.5


@with_every_model
def test_training_rows_are_as_clear_cut_alone_as_together(parameters):
    X = normal_rows()
    matcher = quick(**parameters).fit(X)
    alone = [matcher.predict(x[None])[0] for x in X]
    np.testing.assert_array_equal(matcher.predict(X), alone)


@with_every_model
def test_ranking_does_not_depend_on_contamination(parameters):
    X = normal_rows()
    few = quick(**parameters | {"contamination": 0.05}).fit(X)
    many = quick(**parameters | {"contamination": 0.4}).fit(X)
    np.testing.assert_array_equal(few.score_samples(X), many.score_samples(X))
    assert few.offset_ < many.offset_


def fences(scores):
    """Lower fences of box plots, by NumPy's many definitions of a quantile."""
    methods = ["linear", "hazen", "weibull", "median_unbiased", "lower", "higher"]
    quartiles = [np.percentile(scores, [25, 75], method=m) for m in methods]
    return [q1 - 1.5 * (q3 - q1) for q1, q3 in quartiles]


def assert_offset_is_a_fence(matcher, X):
    fence = fences(matcher.score_samples(X))
    slack = 1e-6 * np.abs(fence).max()
    assert min(fence) - slack <= matcher.offset_ <= max(fence) + slack


@pytest.mark.parametrize("ranking", ["energy", "score_norm"])
def test_automatic_threshold_is_the_fence_of_the_training_scores(ranking):
    X = normal_rows(n_samples=300)
    matcher = quick(contamination="auto", ranking=ranking).fit(X)
    assert_offset_is_a_fence(matcher, X)
    assert 0 < (matcher.predict(X) == -1).mean() < 0.2
    assert matcher.predict([[9.0, 9.0, 9.0]]) == [-1]


@pytest.mark.parametrize("n_copies", [10, 40, 400])
def test_automatic_threshold_counts_repeated_rows(n_copies):
    """Most rows are one and the same: both quartiles are its score."""
    X = np.repeat([[0.0, 0.0], [1.0, 0.0], [0.0, 3.0]], [n_copies, 1, 1], axis=0)
    matcher = quick(contamination="auto").fit(X)
    assert_offset_is_a_fence(matcher, X)
    np.testing.assert_array_equal(matcher.predict(X[-2:]), [-1, -1])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::skdsm.exceptions.ScreeningWarning")
@pytest.mark.parametrize("columns", ["one corrupt cell", "log-normal"])
def test_absurd_cells_leave_the_share_as_it_is(columns):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((1000, 4))
    if columns == "log-normal":
        X = rng.lognormal(0, 4, (1000, 4))
    else:
        X[7, 2] = 999_999
    Z = RobustScaler().fit_transform(X)
    matcher = quick(8, contamination=0.1, max_iter=50, tol=1e-2).fit(Z)
    assert (matcher.predict(Z) == -1).sum() == pytest.approx(100, abs=2)


# --- Without another fit ---


@with_every_model
def test_threshold_of_the_training_rows_is_that_of_the_fit(parameters):
    X = normal_rows()
    matcher = quick(**parameters).fit(X)
    before = matcher.offset_
    assert matcher.fit_threshold(X) is matcher
    assert matcher.offset_ == pytest.approx(before, rel=1e-12)


@pytest.mark.parametrize(
    "changes",
    [
        {"contamination": 0.3},
        {"contamination": "auto"},
        {"ranking": "score_norm"},
        {"ranking": "score_norm", "contamination": 0.3},
    ],
    ids=str,
)
def test_new_threshold_is_that_of_a_new_fit(changes):
    X, weight = normal_rows(), np.arange(40) % 3
    matcher = quick().fit(X, sample_weight=weight).set_params(**changes)
    matcher.fit_threshold(X, sample_weight=weight)
    again = quick(**changes).fit(X, sample_weight=weight)
    assert matcher.offset_ == pytest.approx(again.offset_, rel=1e-12)
    np.testing.assert_array_equal(matcher.components_, again.components_)
    np.testing.assert_array_equal(matcher.predict(X), again.predict(X))


def test_threshold_of_held_out_rows_cuts_off_their_share():
    X, held_out = normal_rows(20, 10), normal_rows(100, 10, seed=1)
    matcher = quick(32, sigma=0.2, contamination=0.05).fit(X)
    assert (matcher.predict(held_out) == -1).mean() > 0.5  # of an over-fitted model
    matcher.fit_threshold(held_out)
    assert (matcher.predict(held_out) == -1).mean() == 0.05


def test_threshold_of_another_ranking_is_not_used():
    X = normal_rows()
    matcher = quick().fit(X).set_params(ranking="score_norm")
    for query in (matcher.predict, matcher.decision_function):
        with pytest.raises(ValueError, match="'energy', but ranking is now 'score_no"):
            query(X)
    matcher.score_samples(X)  # needs no threshold
    matcher.fit_threshold(X)
    assert (matcher.predict(X) == -1).mean() == 0.1
    matcher.set_params(ranking="energy")
    with pytest.raises(ValueError, match="call fit_threshold or fit"):
        matcher.predict(X)


def test_a_bad_threshold_leaves_the_old_one():
    X = normal_rows()
    matcher = quick().fit(X)
    before = matcher.offset_
    with pytest.raises(ValueError, match="3 features"):
        matcher.fit_threshold(X[:, :2])
    with pytest.raises(ValueError, match="'contamination' parameter"):
        matcher.set_params(contamination=0.9).fit_threshold(X)
    with pytest.raises(ValueError, match="Negative values"):
        matcher.set_params(contamination=0.2).fit_threshold(X, sample_weight=-X[:, 0])
    assert matcher.offset_ == before
    with pytest.raises(NotFittedError):
        quick().fit_threshold(X)
