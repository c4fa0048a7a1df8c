"""The combined ranking and the concentration steps, through the estimator."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn import config_context
from support.quick_fits import normal_rows, quick, two_clusters
from support.soft_distance import soft_distance

from skdsm.detection.threshold import highest_scores


@pytest.mark.parametrize("sigma", [0.4, (0.2, 0.8)])
def test_combined_ranking_is_its_formula(sigma):
    X, rows = normal_rows(300), 2 * normal_rows(50, seed=1)
    matcher = quick(16, sigma=sigma, ranking="combined").fit(X)
    assert matcher.bandwidth_ == pytest.approx(0.4)
    a, a_train = (
        ((matcher.reconstruct(one) - one) ** 2).sum(axis=1) for one in (rows, X)
    )
    b = soft_distance(rows, X, 0.4)
    b_train = [soft_distance(X[[i]], np.delete(X, i, 0), 0.4)[0] for i in range(300)]
    scales = np.median(a_train), np.median(b_train)
    np.testing.assert_allclose(matcher.ranking_scales_, scales, rtol=1e-6)
    expected = -np.log1p(a / scales[0]) - np.log1p(b / scales[1])
    np.testing.assert_allclose(matcher.score_samples(rows), expected, rtol=1e-9)


def test_a_bounded_number_of_rows_is_kept():
    X = normal_rows(300)
    matcher = quick(ranking="combined", n_landmarks=50).fit(X)
    assert matcher.landmarks_.shape == (50, 3)
    assert (cdist(matcher.landmarks_, X).min(axis=1) < 1e-12).all()
    assert (matcher.predict(X) == -1).mean() == 0.1


def test_training_rows_and_new_ones_score_alike():
    """Each training row is a landmark, and would be at no distance from itself."""
    X, new = normal_rows(1000, seed=0), normal_rows(1000, seed=1)
    matcher = quick(ranking="combined", sigma=0.1).fit(X)
    share = (matcher.predict(new) == -1).mean()
    assert 0.05 < share < 0.15  # seven standard errors on either side


def test_other_rankings_keep_no_rows():
    X = normal_rows()
    matcher = quick(ranking="combined").fit(X)
    assert hasattr(matcher, "landmarks_")
    matcher.set_params(ranking="energy").fit(X)
    for name in ("landmarks_", "landmark_weight_", "bandwidth_", "ranking_scales_"):
        assert not hasattr(matcher, name)
    matcher.set_params(ranking="combined")
    for query in (matcher.score_samples, matcher.fit_threshold):
        with pytest.raises(ValueError, match="set the ranking before the fit"):
            query(X)


def test_a_model_with_landmarks_ranks_by_the_energy_too():
    X = normal_rows()
    matcher = quick(ranking="combined").fit(X).set_params(ranking="energy")
    np.testing.assert_array_equal(
        matcher.score_samples(X), quick().fit(X).score_samples(X)
    )


def test_rows_that_are_all_one_can_be_ranked():
    X = np.full((20, 2), 3.0)
    matcher = quick(ranking="combined").fit(X)
    same, other = matcher.score_samples([[3.0, 3.0], [3.0, 9.0]])
    assert same > other


# --- Anomalies among the training rows ---


def contaminated(n_anomalies=30):
    """A tight cluster of anomalies, which a model of all rows takes for normal."""
    rng = np.random.default_rng(0)
    normal = two_clusters(270)
    anomalies = [0, 3] + 0.05 * rng.standard_normal((n_anomalies, 2))
    return np.concatenate([normal, anomalies]), np.repeat([0, 1], [270, n_anomalies])


def test_concentration_leaves_out_the_worst_rows():
    X, y = contaminated()
    noise = np.random.default_rng(1).uniform(-6, 6, (30, 2))
    rows = np.concatenate([X[y == 0], noise])
    robust = quick(32, support_fraction=0.9).fit(rows)
    plain = quick(32).fit(rows)
    clean = quick(32).fit(X[y == 0])
    assert robust.spread_ < 0.5 * (plain.spread_ + clean.spread_)
    # the normal rows against the noise, at the same level of both
    margins = [
        matcher.score_samples(X[y == 0]).mean() - matcher.score_samples(noise).mean()
        for matcher in (plain, robust)
    ]
    assert margins[1] > 1.2 * margins[0]


def test_the_threshold_counts_all_rows():
    X, _ = contaminated()
    matcher = quick(16, support_fraction=0.8, contamination=0.25).fit(X)
    assert (matcher.predict(X) == -1).mean() == pytest.approx(0.25, abs=0.004)


@pytest.mark.parametrize("fraction", [None, 1, 1.0])
def test_a_support_of_all_rows_is_the_plain_fit(fraction):
    X = normal_rows()
    np.testing.assert_array_equal(
        quick(support_fraction=fraction).fit(X).components_,
        quick().fit(X).components_,
    )


@pytest.mark.parametrize("fraction", [0, 0.5, 1.1, True, "all"])
def test_a_bad_support_fraction_is_refused(fraction):
    with pytest.raises(ValueError, match="'support_fraction' parameter"):
        quick(support_fraction=fraction).fit(normal_rows())


def test_the_support_of_rows_too_large_to_copy(tmp_path):
    X = np.concatenate([normal_rows(500), 5 + 4 * normal_rows(50, seed=1)])
    np.save(tmp_path / "rows.npy", X)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    with config_context(working_memory=0):
        kept = quick(16, support_fraction=0.9).fit(mapped)
    assert np.linalg.norm(kept.location_) < 0.5 * np.linalg.norm(X.mean(axis=0))


# --- Which rows have the highest scores ---


def test_the_highest_scores_have_their_share_at_least():
    scores = np.array([3.0, 1.0, 2.0, 0.0])
    weight = np.array([1.0, 1.0, 1.0, 1.0])
    for fraction, expected in [(0.5, [1, 0, 1, 0]), (0.51, [1, 1, 1, 0])]:
        np.testing.assert_array_equal(
            highest_scores(scores, weight, fraction), expected
        )
    heavy = np.array([1.0, 1.0, 5.0, 1.0])
    np.testing.assert_array_equal(highest_scores(scores, heavy, 0.7), [1, 0, 1, 0])


def test_rows_that_tie_stay_together():
    scores = np.array([1.0, 1.0 + 1e-14, 1.0 - 1e-14, 0.0])
    kept = highest_scores(scores, np.ones(4), 0.5)
    np.testing.assert_array_equal(kept, [1, 1, 1, 0])


def test_scores_of_no_weight_do_not_count():
    scores = np.array([2.0, 1.0, 0.9, -1e12])
    kept = highest_scores(scores, np.array([1.0, 1.0, 1.0, 0.0]), 0.6)
    np.testing.assert_array_equal(kept, [1, 1, 0, 0])
