"""Annealed importance sampling is unbiased, and its bounds are on the right side."""

import numpy as np
import pytest
from support.gaussian_mixtures import (
    mixture_target,
    moment_z_scores,
    nearest,
    ring,
    ring_moments,
    weights_p_value,
)
from support.random_models import random_model

from skdsm._blocks import block_map
from skdsm.density.annealing import anneal, anneal_back, annealed_draws, weighted_draws
from skdsm.density.bridge import gaussian_path
from skdsm.density.ladder import Ladder, pilot_run, refine
from skdsm.density.mixture import exact_mixture
from skdsm.density.resampling import log_mean_exp, systematic_resampling
from skdsm.density.target import model_target
from skdsm.mcmc.hmc import Target

MODEL = random_model(3, m=4, d=3, sigma=1.0)
MIXTURE = exact_mixture(MODEL)
# a start that is neither where the model is nor as wide
PATH = gaussian_path(
    model_target(MODEL), MIXTURE.mean() + 1, 3 * MIXTURE.covariance() + np.eye(3)
)
# backward, weights have a variance only if the start is less than twice as wide
CLOSE_PATH = gaussian_path(
    model_target(MODEL), MIXTURE.mean() + 0.5, 1.2 * MIXTURE.covariance()
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
    log_weights = run.log_weights[:, 0] - MIXTURE.log_partition
    assert abs(z_score_of_mean_one(log_weights)) < 4
    assert np.exp(log_weights).std() < 10  # and the standard error says something


@pytest.mark.parametrize("n_levels", [2, 3, 6, 20])
def test_the_mean_inverse_weight_of_backward_runs_is_the_inverse(n_levels):
    rng = np.random.default_rng(100 + n_levels)
    X = MIXTURE.sample(rng, 20_000)
    run = anneal_back(rng, CLOSE_PATH, fixed_ladder(n_levels), X)
    log_weights = run.log_weights[:, 0] - MIXTURE.log_partition
    assert abs(z_score_of_mean_one(-log_weights)) < 4


@pytest.mark.parametrize("island_size", [2, 8, 64])
def test_resampling_leaves_the_mean_weight_unbiased(island_size):
    rng = np.random.default_rng(island_size)
    run = anneal(rng, PATH, fixed_ladder(6), 20_000 // island_size, island_size)
    assert run.log_weights.shape == (20_000 // island_size, island_size)
    islands = log_mean_exp(run.log_weights, axis=1) - MIXTURE.log_partition
    assert abs(z_score_of_mean_one(islands)) < 4


def test_islands_are_resampled_when_few_particles_carry_them():
    rng = np.random.default_rng(0)
    target = mixture_target([[0.0, 0.0]], [1], 0.1)
    path = gaussian_path(target, np.zeros(2), np.eye(2))
    single = Ladder(np.array([0.0, 1.0]), np.full((2, 2), 0.1), 3)
    shared = anneal(rng, path, single, 50, 64).log_weights
    assert np.ptp(shared, axis=1).max() == 0
    assert np.ptp(shared[:, 0]) > 0.1
    # a step that leaves more than half of them changes nothing but the weights
    tiny = single._replace(betas=np.array([0.0, 1e-3]))
    kept = anneal(rng, path, tiny, 50, 64).log_weights
    assert all(len(set(weights)) == 64 for weights in kept)


def test_the_mean_log_weight_bounds_the_integral_from_either_side():
    rng = np.random.default_rng(7)
    lower, upper = [], []
    for n_levels in (3, 10, 40):
        ladder = fixed_ladder(n_levels)
        forward = anneal(rng, PATH, ladder, 4000)
        backward = anneal_back(rng, PATH, ladder, MIXTURE.sample(rng, 4000))
        lower.append(forward.log_weights.mean() - MIXTURE.log_partition)
        upper.append(backward.log_weights.mean() - MIXTURE.log_partition)
    assert lower[0] < -1
    assert upper[0] > 0.5
    assert np.all(np.diff(lower) > 0)
    assert np.all(np.diff(upper) < 0)
    assert -0.4 < lower[-1] < 0 < upper[-1] < 0.4


@pytest.mark.parametrize("island_size", [1, 500])
def test_weighted_particles_are_a_sample_of_the_density(island_size):
    rng = np.random.default_rng(8)
    run = anneal(rng, PATH, fixed_ladder(5), 40_000 // island_size, island_size)
    X = weighted_draws(rng, run, 4000)
    z_scores = moment_z_scores(X, MIXTURE.mean(), MIXTURE.covariance())
    assert np.abs(z_scores).max() < 5
    # without the weights they are not, where chains were not resampled
    if island_size == 1:
        X = run.particles[:4000, 0]
        z_scores = moment_z_scores(X, MIXTURE.mean(), MIXTURE.covariance())
        assert np.abs(z_scores).max() > 8


@pytest.mark.parametrize("weights", [np.ones(8), np.arange(1, 9)])
def test_a_population_finds_the_modes_of_a_ring_in_proportion(weights):
    rng = np.random.default_rng(9)
    target = mixture_target(ring(), weights, 0.05)
    X = annealed_draws(rng, target, *ring_moments(0.05), 1000)
    assert X.shape == (1000, 2)
    assert len(np.unique(X, axis=0)) > 950
    assert weights_p_value(X, ring(), weights) > 1e-3
    # and tells one set of weights from another
    assert weights_p_value(X, ring(), weights[::-1] + np.eye(8)[0]) < 1e-3
    distance = np.linalg.norm(X - ring()[nearest(X, ring())], axis=1)
    assert np.mean(distance**2) == pytest.approx(2 * 0.05**2, rel=0.15)


def test_a_population_stays_inside_its_confines():
    rng = np.random.default_rng(20)
    target = mixture_target(ring(), np.ones(8), 0.05)
    X = annealed_draws(rng, target, ring()[0], np.eye(2), 100, radius=1.0)
    assert np.linalg.norm(X - ring()[0], axis=1).max() <= 1


def test_a_pilot_run_makes_levels_equally_hard():
    rng = np.random.default_rng(10)
    pilot = pilot_run(rng, PATH, n_chains=2000, conditional_ess=0.8)
    betas = pilot.ladder.betas
    assert betas[0] == 0
    assert betas[-1] == 1
    assert np.all(np.diff(betas) > 0)
    assert pilot.positions.shape == (len(betas), 2000, 3)
    for level, increment in enumerate(np.diff(betas)[:-1]):
        log_ratio = PATH.log_ratio(PATH.state(pilot.positions[level]))
        weights = np.exp(increment * (log_ratio - log_ratio.max()))
        share = weights.mean() ** 2 / (weights**2).mean()
        assert share == pytest.approx(0.8, abs=0.01)


def test_a_pilot_run_finds_steps_that_are_accepted():
    rng = np.random.default_rng(11)
    target = mixture_target(ring(), np.ones(8), 0.02)
    path = gaussian_path(target, *ring_moments(0.02))
    ladder = pilot_run(rng, path, num_integration_steps=10).ladder
    run = anneal(rng, path, ladder, 1, 256)
    assert run.acceptance.shape == (len(ladder.betas) - 1,)
    assert run.acceptance.min() > 0.6
    # a mode is a fiftieth wide: with the steps of the start, nothing would be
    same = np.broadcast_to(ladder.steps[0], ladder.steps.shape)
    assert anneal(rng, path, ladder._replace(steps=same), 1, 256).acceptance[-1] < 0.1


def test_steps_are_as_long_as_each_coordinate_is_wide():
    rng = np.random.default_rng(18)
    wide = np.array([1.0, 0.1, 0.01])
    target = Target(
        lambda X: -0.5 * ((X / wide) ** 2).sum(axis=1), lambda X: -X / wide**2
    )
    path = gaussian_path(target, np.zeros(3), np.diag([1.0, 2.0, 3.0]))
    last = pilot_run(rng, path, n_chains=2000).ladder.steps[-1]
    np.testing.assert_allclose(
        last * np.sqrt([1.0, 2.0, 3.0]) / wide, last[0], rtol=0.1
    )


def test_steps_are_shortened_where_too_few_are_accepted():
    rng = np.random.default_rng(19)
    path = gaussian_path(mixture_target(ring(), np.ones(8), 0.02), *ring_moments(0.02))
    # one leapfrog step as long as a quarter of a period would be rejected too often
    ladder = pilot_run(rng, path, num_integration_steps=1).ladder
    assert 0.75 < anneal(rng, path, ladder, 1, 1024).acceptance.mean() < 0.9


def test_particles_of_a_pilot_run_are_samples_of_the_levels():
    rng = np.random.default_rng(12)
    weights = np.arange(1, 9)
    path = gaussian_path(mixture_target(ring(), weights, 0.05), *ring_moments(0.05))
    pilot = pilot_run(rng, path, n_chains=4096)
    share = np.bincount(nearest(path.rows(pilot.positions[-1]), ring())) / 4096
    np.testing.assert_allclose(share, weights / 36, atol=0.04)


def test_refining_keeps_the_ends_and_the_order():
    ladder = pilot_run(np.random.default_rng(13), PATH).ladder
    n_levels = len(ladder.betas)
    finer = refine(ladder, 2 * n_levels - 1)
    np.testing.assert_allclose(finer.betas[::2], ladder.betas, rtol=1e-12)
    np.testing.assert_allclose(finer.steps[::2], ladder.steps, rtol=1e-12)
    assert np.all(np.diff(finer.betas) > 0)
    two = refine(ladder, 2)
    np.testing.assert_array_equal(two.betas, [0, 1])


def test_a_density_too_far_away_is_given_up():
    with pytest.raises(RuntimeError, match="3 levels lead to beta"):
        pilot_run(np.random.default_rng(14), PATH, max_levels=3)


def test_a_density_that_is_nowhere_is_given_up():
    nothing = Target(lambda X: np.full(len(X), -np.inf), np.zeros_like)
    path = gaussian_path(nothing, np.zeros(2), np.eye(2))
    with pytest.raises(RuntimeError, match="zero wherever"):
        pilot_run(np.random.default_rng(15), path)


def test_systematic_resampling_rounds_each_share_up_or_down():
    rng = np.random.default_rng(16)
    log_weights = rng.standard_normal(50) - 1000
    shares = np.exp(log_weights + 1000)
    shares *= 50 / shares.sum()
    total = np.zeros(50)
    for _ in range(2000):
        counts = np.bincount(systematic_resampling(rng, log_weights), minlength=50)
        assert counts.sum() == 50
        assert np.all(counts >= np.floor(shares - 1e-9))
        assert np.all(counts <= np.ceil(shares + 1e-9))
        total += counts
    np.testing.assert_allclose(total / 2000, shares, atol=5 * 0.5 / np.sqrt(2000))
    chosen = systematic_resampling(rng, np.array([0.0, -np.inf, 0.0]), 1000)
    np.testing.assert_array_equal(np.bincount(chosen), [500, 0, 500])


def test_the_same_seed_gives_the_same_run():
    def run():
        rng = np.random.default_rng(17)
        return anneal(rng, PATH, pilot_run(rng, PATH).ladder, 4, 16)

    for first, second in zip(run(), run(), strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("island_size", [1, 100])
def test_threads_do_not_change_the_run(island_size):
    def run(n_threads):
        with block_map(n_threads) as map:
            rng, n = np.random.default_rng(21), 3000 // island_size
            ahead = anneal(rng, PATH, fixed_ladder(4), n, island_size, map=map)
            X = MIXTURE.sample(rng, 3000)
            return *ahead, *anneal_back(rng, PATH, fixed_ladder(4), X, map=map)

    for first, second in zip(run(1), run(3), strict=True):
        np.testing.assert_array_equal(first, second)


def test_log_mean_exp_does_not_overflow():
    assert log_mean_exp(np.array([1000.0, 1000.0])) == pytest.approx(1000)
    values = np.log([[1.0, 3.0], [2.0, 6.0]])
    np.testing.assert_allclose(log_mean_exp(values, axis=1), np.log([2, 4]))
