"""The mean weight of annealed importance sampling is unbiased."""

import numpy as np
import pytest
from support.gaussian_mixtures import mixture_target
from support.random_models import random_model

from skdsm._blocks import block_map
from skdsm.density.annealing import anneal
from skdsm.density.ladder import Ladder
from skdsm.density.mixture import exact_mixture
from skdsm.density.path import geometric_path
from skdsm.density.resampling import log_mean_exp
from skdsm.density.target import model_target

MODEL = random_model(3, m=4, d=3, sigma=1.0)
MIXTURE = exact_mixture(MODEL)
# a start that is neither where the model is nor as wide
PATH = geometric_path(
    model_target(MODEL), MIXTURE.mean() + 1, 3 * MIXTURE.covariance() + np.eye(3)
)


def fixed_ladder(n_levels):
    """Levels and steps that nobody has adapted."""
    betas = np.linspace(0, 1, n_levels) ** 2
    return Ladder(betas, np.full((n_levels, 3), 1.0), 3)


def z_score_of_mean_one(log_values):
    """Standard errors that the mean of exponentials is off from one by."""
    values = np.exp(log_values)
    return (values.mean() - 1) / (values.std(ddof=1) / np.sqrt(len(values)))


@pytest.mark.parametrize("n_levels", [2, 3, 6, 20])
def test_the_mean_weight_is_the_integral_at_any_number_of_levels(n_levels):
    run = anneal(np.random.default_rng(n_levels), PATH, fixed_ladder(n_levels), 20_000)
    log_weights = run[:, 0] - MIXTURE.log_partition
    assert abs(z_score_of_mean_one(log_weights)) < 4
    assert np.exp(log_weights).std() < 10  # and the standard error says something


@pytest.mark.parametrize("island_size", [2, 8, 64])
def test_resampling_leaves_the_mean_weight_unbiased(island_size):
    rng = np.random.default_rng(island_size)
    run = anneal(rng, PATH, fixed_ladder(6), 20_000 // island_size, island_size)
    assert run.shape == (20_000 // island_size, island_size)
    islands = log_mean_exp(run, axis=1) - MIXTURE.log_partition
    assert abs(z_score_of_mean_one(islands)) < 4


def test_islands_are_resampled_when_few_particles_carry_them():
    rng = np.random.default_rng(0)
    target = mixture_target([[0.0, 0.0]], [1], 0.1)
    path = geometric_path(target, np.zeros(2), np.eye(2))
    single = Ladder(np.array([0.0, 1.0]), np.full((2, 2), 0.1), 3)
    shared = anneal(rng, path, single, 50, 64)
    assert np.ptp(shared, axis=1).max() == 0
    assert np.ptp(shared[:, 0]) > 0.1
    # a step that leaves more than half of them changes nothing but the weights
    tiny = single._replace(betas=np.array([0.0, 1e-3]))
    kept = anneal(rng, path, tiny, 50, 64)
    assert all(len(set(weights)) == 64 for weights in kept)


def test_more_levels_bring_the_mean_log_weight_to_the_integral_from_below():
    rng = np.random.default_rng(7)
    below = [
        anneal(rng, PATH, fixed_ladder(n_levels), 4000).mean() - MIXTURE.log_partition
        for n_levels in (3, 10, 40)
    ]
    assert below[0] < -1
    assert np.all(np.diff(below) > 0)
    assert -0.4 < below[-1] < 0


@pytest.mark.parametrize("island_size", [1, 100])
def test_threads_do_not_change_the_run(island_size):
    def run(n_threads, seed=21):
        with block_map(n_threads) as map:
            rng, n = np.random.default_rng(seed), 3000 // island_size
            return anneal(rng, PATH, fixed_ladder(4), n, island_size, map=map)

    np.testing.assert_array_equal(run(1), run(3))
    assert np.all(run(1) != run(1, seed=22))
