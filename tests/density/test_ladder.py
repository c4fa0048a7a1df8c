"""Pilot runs choose levels that are equally hard, and steps that are accepted."""

import numpy as np
import pytest
from support.gaussian_mixtures import mixture_target, nearest, ring, ring_moments
from support.known_targets import gaussian_target, target_of
from support.random_models import random_model

from skdsm.density.ladder import pilot_run, refine
from skdsm.density.mixture import exact_mixture
from skdsm.density.path import geometric_path
from skdsm.density.resampling import systematic_resampling
from skdsm.density.target import model_target
from skdsm.mcmc.hmc import State

MODEL = random_model(3, m=4, d=3, sigma=1.0)
MIXTURE = exact_mixture(MODEL)
PATH = geometric_path(
    model_target(MODEL), MIXTURE.mean() + 1, 3 * MIXTURE.covariance() + np.eye(3)
)


def narrow_ring():
    return geometric_path(mixture_target(ring(), np.ones(8), 0.02), *ring_moments(0.02))


def acceptance(rng, path, ladder, n_chains):
    """Mean acceptance rate at each level of chains that climb the ladder."""
    state, rates = path.draw(rng, n_chains), []
    for level in range(1, len(ladder.betas)):
        increment = ladder.betas[level] - ladder.betas[level - 1]
        chosen = systematic_resampling(rng, increment * path.log_ratio(state))
        state = State(*(array[chosen] for array in state))
        state, rate = ladder.move(rng, path, state, level)
        rates.append(rate.mean())
    return np.array(rates)


def test_a_pilot_run_finds_steps_that_are_accepted():
    rng = np.random.default_rng(11)
    path = narrow_ring()
    ladder = pilot_run(rng, path, num_integration_steps=10).ladder
    assert acceptance(rng, path, ladder, 256).min() > 0.6
    # a mode is a fiftieth wide: with the steps of the start, nothing would be
    same = np.broadcast_to(ladder.step_sizes[0], ladder.step_sizes.shape)
    too_long = ladder._replace(step_sizes=same)
    assert acceptance(rng, path, too_long, 256)[-1] < 0.1


def test_steps_are_shortened_where_too_few_are_accepted():
    rng = np.random.default_rng(19)
    path = narrow_ring()
    # one leapfrog step as long as a quarter of a period would be rejected too often
    ladder = pilot_run(rng, path, num_integration_steps=1).ladder
    assert 0.75 < acceptance(rng, path, ladder, 1024).mean() < 0.9


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


def test_steps_are_as_long_as_each_coordinate_is_wide():
    rng = np.random.default_rng(18)
    wide = np.array([1.0, 0.1, 0.01])
    target = gaussian_target(np.diag(wide**2))
    path = geometric_path(target, np.zeros(3), np.diag([1.0, 2.0, 3.0]))
    last = pilot_run(rng, path, n_chains=2000).ladder.step_sizes[-1]
    np.testing.assert_allclose(
        last * np.sqrt([1.0, 2.0, 3.0]) / wide, last[0], rtol=0.1
    )


def test_particles_of_a_pilot_run_are_samples_of_the_levels():
    rng = np.random.default_rng(12)
    weights = np.arange(1, 9)
    path = geometric_path(mixture_target(ring(), weights, 0.05), *ring_moments(0.05))
    pilot = pilot_run(rng, path, n_chains=2048)
    share = np.bincount(nearest(path.rows(pilot.positions[-1]), ring())) / 2048
    np.testing.assert_allclose(share, weights / 36, atol=0.04)


def test_refining_keeps_the_ends_and_the_order():
    ladder = pilot_run(np.random.default_rng(13), PATH).ladder
    n_levels = len(ladder.betas)
    finer = refine(ladder, 2 * n_levels - 1)
    np.testing.assert_allclose(finer.betas[::2], ladder.betas, rtol=1e-12)
    np.testing.assert_allclose(finer.step_sizes[::2], ladder.step_sizes, rtol=1e-12)
    assert np.all(np.diff(finer.betas) > 0)
    two = refine(ladder, 2)
    np.testing.assert_array_equal(two.betas, [0, 1])


def test_a_density_too_far_away_is_given_up():
    with pytest.raises(RuntimeError, match="3 levels lead to beta"):
        pilot_run(np.random.default_rng(14), PATH, max_levels=3)


def test_a_density_that_is_nowhere_is_given_up():
    nothing = target_of(lambda X: np.full(len(X), -np.inf), np.zeros_like)
    path = geometric_path(nothing, np.zeros(2), np.eye(2))
    with pytest.raises(RuntimeError, match="zero wherever"):
        pilot_run(np.random.default_rng(15), path)
