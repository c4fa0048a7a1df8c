"""Parallel tempering visits modes in proportion, from wherever it starts."""

import numpy as np
import pytest
from arviz_stats.base import array_stats
from support.gaussian_mixtures import (
    coordinates,
    mixture_target,
    moment_z_scores,
    nearest,
    ring,
    ring_moments,
    weights_p_value,
)

from skdsm import DenoisingScoreMatcher
from skdsm.density.ladder import Ladder, pilot_run
from skdsm.density.mixture import exact_mixture
from skdsm.density.path import geometric_path
from skdsm.density.target import model_target
from skdsm.density.tempering import restart_interval, temper, tempered_draws
from skdsm.model.energy import EnergyModel
from skdsm.model.parameters import Parameters

SIGMA = 0.05
RING = ring()


def ring_path(weights):
    return geometric_path(mixture_target(RING, weights, SIGMA), *ring_moments(SIGMA))


def test_modes_are_visited_in_proportion_wherever_the_chains_start():
    rng, weights = np.random.default_rng(0), np.arange(1, 9)
    path = ring_path(weights)
    ladder = pilot_run(rng, path, conditional_ess=0.5).ladder
    # each of 400 ensembles, at all levels, in the mode of the least weight
    start = coordinates(path, RING[:1])
    positions = np.tile(start, (len(ladder.betas), 400, 1))
    run = temper(rng, path, ladder, positions, 1, n_warmup=100)
    rows = run.draws[:, 0]  # one of each ensemble: independent
    assert weights_p_value(rows, RING, weights) > 1e-3
    # the rows are nearer to a mode than three sigma, as often as they should be
    distance = np.linalg.norm(rows - RING[nearest(rows, RING)], axis=1)
    assert np.mean(distance**2) == pytest.approx(2 * SIGMA**2, rel=5 / np.sqrt(400))
    assert weights_p_value(rows, RING, weights[::-1] + np.eye(8)[0]) < 1e-3


def test_one_chain_a_level_that_never_swaps_stays_in_its_mode():
    rng = np.random.default_rng(1)
    path = ring_path(np.ones(8))
    ladder = pilot_run(rng, path, conditional_ess=0.5).ladder
    state = path.state(np.tile(coordinates(path, RING[:1]), (200, 1)))
    for _ in range(100):
        state, _ = ladder.move(rng, path, state, len(ladder.betas) - 1)
    assert set(nearest(path.rows(state.position), RING)) == {0}


def test_traces_of_the_chains_have_converged():
    weights = np.arange(1, 9)
    target = mixture_target(RING, weights, SIGMA)
    run = tempered_draws(np.random.default_rng(2), target, *ring_moments(SIGMA), 60)
    assert run.draws.shape == (16, 60, 2)
    statistics = {"chain_axis": 0, "draw_axis": 1}
    # x, y and whether a row is in the mode
    is_there = nearest(run.draws.reshape(-1, 2), RING).reshape(16, 60)[..., None]
    traces = np.concatenate([run.draws, is_there == np.arange(8)], axis=2)
    assert array_stats.rhat(traces, **statistics).max() < 1.05
    # draws are thinned to be nearly independent
    assert array_stats.ess(run.draws, **statistics).min() > 300
    counts = is_there.ravel()
    ess = array_stats.ess(traces, **statistics)[2:]
    share = np.bincount(counts, minlength=8) / 960
    expected = weights / weights.sum()
    z_scores = (share - expected) / np.sqrt(expected * (1 - expected) / ess)
    assert np.abs(z_scores).max() < 4


def test_rows_arrive_at_the_rate_of_non_reversible_tempering():
    rng = np.random.default_rng(3)
    path = ring_path(np.ones(8))
    pilot = pilot_run(rng, path, conditional_ess=0.5)
    n_sweeps = 500
    run = temper(rng, path, pilot.ladder, pilot.positions[:, :32], n_sweeps)
    assert run.restarts.max() < n_sweeps
    arrivals = (
        np.mean([len(np.unique(restarts)) for restarts in run.restarts]) / n_sweeps
    )
    assert arrivals * restart_interval(run.swap_rate) == pytest.approx(1, abs=0.1)
    assert 0.3 < run.swap_rate.min() < run.swap_rate.max() < 1


def test_every_level_is_left_invariant():
    # Gaussians all the way: start exactly, look at each level as if it were the last
    rng = np.random.default_rng(4)
    shift, width, n = np.array([[0.8, -0.5]]), 0.4, 40_000
    path = geometric_path(mixture_target(shift, [1], width), np.zeros(2), np.eye(2))
    betas = np.array([0.0, 0.3, 1.0])
    precision = 1 - betas + betas / width**2
    means = betas[:, None] * coordinates(path, shift) / width**2 / precision[:, None]
    steps = np.repeat(1 / np.sqrt(precision)[:, None], 2, axis=1)
    positions = means[:, None] + rng.standard_normal((3, n, 2)) * steps[:, None]
    run = temper(rng, path, Ladder(betas, steps, 2), positions, 1, n_warmup=5)
    assert np.all((run.swap_rate > 0.1) & (run.swap_rate < 0.9))
    assert np.mean(run.restarts >= 0) > 0.1
    z_scores = moment_z_scores(run.draws[:, 0], shift[0], width**2 * np.eye(2))
    assert np.abs(z_scores).max() < 4


def test_components_of_an_energy_model_are_visited_in_proportion():
    # eight modes: a cube's corners, of unequal weights
    W, c = 9.0 * np.eye(3, 4), np.full(4, -4.0)
    b = np.array([0.0, 0.5, 1.0]) - 0.5 * (W**2).sum(axis=1) - W @ c
    model = EnergyModel(Parameters(W, b, c, np.ones(3)), 1.0)
    mixture = exact_mixture(model)
    components = np.indices(mixture.log_weights.shape).reshape(2, -1)
    means = mixture.component_means(*components)
    weights = np.exp(mixture.log_weights).ravel()
    assert weights.min() > 0.01
    rng = np.random.default_rng(5)
    run = tempered_draws(
        rng,
        model_target(model),
        mixture.mean(),
        2 * mixture.covariance(),
        1,
        n_ensembles=512,
    )
    rows = run.draws[:, 0]
    assert weights_p_value(rows, means, weights) > 1e-3
    assert weights_p_value(rows, means, np.ones(8)) < 1e-3
    z_scores = moment_z_scores(rows, mixture.mean(), mixture.covariance())
    assert np.abs(z_scores).max() < 4


def test_a_fitted_model_is_sampled_with_its_exact_moments():
    rng = np.random.default_rng(6)
    centres = np.array([[0.0, 0.0, 0.0], [4.0, 0.0, 1.0], [0.0, 3.0, -1.0]])
    data = centres[rng.integers(3, size=300)] + 0.3 * rng.standard_normal((300, 3))
    estimator = DenoisingScoreMatcher(
        4, sigma=0.5, gains="unit", max_iter=200, random_state=0
    )
    model = estimator.fit(data)._model()
    mixture = exact_mixture(model)  # 5^4 components
    covariance = np.cov(data.T) + 0.25 * np.eye(3)
    run = tempered_draws(
        rng,
        model_target(model),
        data.mean(axis=0),
        4 * covariance,
        1,
        n_ensembles=1024,
    )
    rows = run.draws[:, 0]
    z_scores = moment_z_scores(rows, mixture.mean(), mixture.covariance())
    assert np.abs(z_scores).max() < 4
    # the modes that the data made, in the proportions that the model gives them
    expected = np.bincount(nearest(mixture.sample(rng, 100_000), centres)) / 1e5
    assert 0.005 < expected.min() < 0.3
    assert weights_p_value(rows, centres, expected) > 1e-3
