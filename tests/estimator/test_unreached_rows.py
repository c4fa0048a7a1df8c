"""Rows that noise does not reach, levels that the rows ask for, and their unit."""

import numpy as np
import pytest
from sklearn import config_context
from sklearn.preprocessing import RobustScaler, StandardScaler
from support.quick_fits import (
    assert_same_model,
    fitted_on_a_device,
    normal_rows,
    quick,
    two_clusters,
)

from skdsm.exceptions import ScreeningWarning
from skdsm.training.screening import reach_of

N = 400
RANKINGS = ["energy", "score_norm", "combined"]


def with_sentinels(count, value, n_features=4):
    """Rows of which the first few hold one value; the rows of a group are equal."""
    X = normal_rows(N, n_features)
    X[:count] = X[0]
    X[:count, 0] = value
    return X


# --- Sentinel values ---


@pytest.mark.parametrize("scaler", [StandardScaler(), RobustScaler()])
@pytest.mark.parametrize(
    ("count", "value", "n_features"),
    [(1, 999_999, 4), (3, 999, 4), (1, -1e6, 1), (3, 1e9, 8)],
)
def test_sentinels_are_lowest_whatever_the_ranking(count, value, n_features, scaler):
    X = scaler.fit_transform(with_sentinels(count, value, n_features))
    for ranking in RANKINGS:
        matcher = quick(64, ranking=ranking).fit(X)
        assert matcher.screened_share_ == pytest.approx(count / N)
        scores = matcher.score_samples(X)
        assert scores[:count].max() < scores[count:].min()


def test_they_count_in_the_threshold_and_not_in_the_model():
    X = with_sentinels(4, 1e5)
    matcher = quick(contamination=0.01).fit(X)
    np.testing.assert_array_equal(np.flatnonzero(matcher.predict(X) == -1), range(4))
    alone = quick().fit(X[4:])
    assert alone.screened_share_ == 0
    np.testing.assert_allclose(matcher.location_, alone.location_, atol=1e-9)
    assert matcher.spread_ == pytest.approx(alone.spread_, rel=1e-9)


def test_without_screening_they_are_fitted_to():
    X = with_sentinels(4, 1e5)
    matcher = quick(screening=False, max_iter=1000).fit(X)
    assert matcher.screened_share_ == 0
    assert matcher.location_[0] == pytest.approx(X[:, 0].mean())


def test_a_surprising_share_is_warned_of():
    X = with_sentinels(30, 1e5)
    X[:30] += 1e5 * np.random.default_rng(0).standard_normal((30, 4))
    with pytest.warns(ScreeningWarning, match="does not reach 7.5% of the training"):
        matcher = quick().fit(X)
    assert matcher.screened_share_ == pytest.approx(0.075)


def test_weights_are_repetitions_where_rows_are_left_out():
    X = with_sentinels(1, 1e5)
    weight = np.random.default_rng(0).integers(1, 4, N)
    weighted = quick().fit(X, sample_weight=weight)
    assert weighted.screened_share_ == pytest.approx(weight[0] / weight.sum())
    assert_same_model(quick().fit(np.repeat(X, weight, axis=0)), weighted)


# --- Wherever the rows are ---


def in_file(X, tmp_path, monkeypatch, **options):
    np.save(tmp_path / "rows.npy", X)
    with config_context(working_memory=0):
        return quick(**options).fit(np.load(tmp_path / "rows.npy", mmap_mode="r"))


def in_dask(X, tmp_path, monkeypatch, **options):
    import dask.array as da

    return quick(**options).fit(da.from_array(X, chunks=(150, -1)))


def on_a_device(X, tmp_path, monkeypatch, **options):
    return fitted_on_a_device(X, monkeypatch, **options)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("fitted", [in_file, in_dask, on_a_device])
@pytest.mark.parametrize("count", [0, 3])
def test_all_kinds_of_rows_are_screened(fitted, count, tmp_path, monkeypatch):
    X = with_sentinels(count, 1e5) if count else normal_rows(N, 4)
    there = fitted(X, tmp_path, monkeypatch, max_iter=5)
    here = quick(max_iter=5).fit(X)
    assert there.screened_share_ == here.screened_share_ == count / N
    np.testing.assert_allclose(
        np.asarray(there.location_) if fitted is not on_a_device else here.location_,
        X[count:].mean(axis=0),
        atol=1e-9,
    )
    low, high = here.noise_levels_
    if fitted is not on_a_device:
        np.testing.assert_allclose(there.noise_levels_, [low, high], rtol=1e-9)


# --- Noise levels ---


def test_noise_goes_from_the_bandwidth_to_the_spread():
    X = two_clusters()
    matcher = quick().fit(X)
    low, high = matcher.noise_levels_
    assert 0.05 < low < 0.3  # of clusters whose standard deviation is 0.3
    assert high > 1.5  # across: they are four apart in each column
    assert low <= matcher.sigma_ <= high


def test_among_normal_rows_noise_need_not_reach_across():
    X = two_clusters()
    low, high = quick(ranking="combined").fit(X).noise_levels_
    assert low == quick().fit(X).noise_levels_[0]
    assert high == 2 * low


@pytest.mark.parametrize("sigma", [0.4, (0.2, 0.8), [0.2, 0.8]])
def test_given_levels_are_used(sigma):
    levels = quick(sigma=sigma, tol=1.0).fit(normal_rows()).noise_levels_
    np.testing.assert_array_equal(levels, np.broadcast_to(sigma, 2))


@pytest.mark.parametrize(
    "X",
    [np.zeros((1, 2)), np.full((30, 3), 7.0), [[0.0], [1.0]], [[0.0, 5], [2, 5]]],
    ids=["one row", "equal rows", "two rows", "a constant column"],
)
def test_levels_are_found_for_few_rows(X):
    low, high = quick().fit(X).noise_levels_
    assert 0 < low < high < np.inf


# --- The unit of the columns ---


@pytest.mark.parametrize("unit", [1e-6, 100, 1e6])
@pytest.mark.parametrize("ranking", RANKINGS)
@pytest.mark.parametrize("sigma", ["auto", 0.2, (0.1, 1.0)])
def test_one_unit_of_all_columns_does_not_matter(sigma, ranking, unit):
    X = normal_rows(300) * [1, 2, 3] + [5, 0, 0]
    X[0] = 1e3
    one = quick(8, sigma=sigma, ranking=ranking).fit(X)
    if sigma != "auto":
        sigma = tuple(np.multiply(unit, np.broadcast_to(sigma, 2)).tolist())
    other = quick(8, sigma=sigma, ranking=ranking).fit(unit * X)
    scores = other.score_samples(unit * X)
    if ranking == "score_norm":  # in inverse units
        scores = scores * unit
    np.testing.assert_allclose(scores, one.score_samples(X), rtol=1e-6)
    np.testing.assert_allclose(
        other.noise_levels_ / unit, one.noise_levels_, rtol=1e-12
    )
    assert other.loss_ / unit**2 == pytest.approx(one.loss_, rel=1e-9)
    np.testing.assert_array_equal(other.predict(unit * X), one.predict(X))


def test_the_penalty_is_in_the_units_of_the_data():
    """Weights are in inverse units, the loss in squared ones."""
    X, unit = normal_rows(300), 128.0  # a power of two, without rounding
    one = quick(alpha=0.1).fit(X)
    other = quick(alpha=0.1 * unit**4).fit(unit * X)
    np.testing.assert_allclose(other.energy(unit * X), one.energy(X), rtol=1e-6)


def test_centres_that_repeat_a_row_are_a_sample_by_weight():
    """A hundred equal sentinels of fifty thousand rows are not a fifth of a sample."""
    from skdsm.rows.in_memory import prepare_rows

    X = normal_rows(20_000, 2)
    X[:60] = 1e6
    for seed in range(5):
        rows = prepare_rows(X, None, seed)
        kept, share = rows.within(reach_of(rows))
        assert share == pytest.approx(60 / 20_000, abs=2e-3)
        assert np.abs(kept.original(slice(None))).max() < 10
