"""The combined ranking, through the estimator."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from support.quick_fits import normal_rows, quick
from support.soft_distance import soft_distance


@pytest.mark.parametrize("sigma", ["auto", 0.4, (0.2, 0.8)])
def test_combined_ranking_is_its_formula(sigma):
    X, rows = normal_rows(300), 2 * normal_rows(50, seed=1)
    matcher = quick(16, sigma=sigma, ranking="combined").fit(X)
    tau = matcher.bandwidth_
    assert tau == quick(ranking="combined", tol=1.0).fit(X).noise_levels_[0] / 2
    a, a_train = (
        ((matcher.reconstruct(one) - one) ** 2).sum(axis=1) for one in (rows, X)
    )
    b = soft_distance(rows, X, tau)
    b_train = [soft_distance(X[[i]], np.delete(X, i, 0), tau)[0] for i in range(300)]
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
    sigma = (0.5, 1.0)
    matcher = quick(ranking="combined", sigma=sigma).fit(X).set_params(ranking="energy")
    np.testing.assert_array_equal(
        matcher.score_samples(X), quick(sigma=sigma).fit(X).score_samples(X)
    )


def test_rows_that_are_all_one_can_be_ranked():
    X = np.full((20, 2), 3.0)
    matcher = quick(ranking="combined").fit(X)
    same, other = matcher.score_samples([[3.0, 3.0], [3.0, 9.0]])
    assert same > other
