"""The log-partition function: exact where it should be, honest where it cannot."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from support import exact_reference
from support.known_targets import gaussian_target
from support.random_models import random_model

from skdsm.density.log_partition import (
    annealed_log_partition,
    exact_log_partition,
    log_partition,
    model_moments,
)
from skdsm.density.mixture import exact_mixture, mixture_log_partition
from skdsm.density.target import model_target
from skdsm.model.energy import EnergyModel
from skdsm.model.parameters import Parameters

RNG = np.random.default_rng


def changed(model, **blocks):
    return EnergyModel(model.parameters._replace(**blocks), model.sigma)


def annealed(model, seed, **options):
    """The estimate, also for models whose value is exact."""
    return annealed_log_partition(
        RNG(seed), model_target(model), *model_moments(model), **options
    )


def test_exact_values_have_no_error():
    model = random_model(0, sigma=1.0)
    theta = model.parameters
    constant = exact_reference.model_constant(theta, 1.0)
    result = log_partition(model, RNG(0))
    expected = exact_reference.mixture_log_Z(theta, 1.0) - constant
    assert result.value == pytest.approx(expected, abs=1e-12)
    assert result.lower_bound == result.value == result.upper_bound
    assert result.standard_error == 0
    assert result.method == "exact"
    assert result.is_reliable


@pytest.mark.parametrize("gains", ["positive", "mixed"])
def test_two_features_are_exact_whatever_the_gains(gains):
    model = random_model(1, m=3, d=2, gains=gains)
    theta = model.parameters
    integral = exact_reference.integrated_log_Z(theta, model.sigma, radius=14)
    expected = integral - exact_reference.model_constant(theta, model.sigma)
    assert exact_log_partition(model) == pytest.approx(expected, abs=1e-7)


def test_orthogonal_groups_of_units_are_treated_one_by_one():
    # a mixture in three dimensions, two units of any gain in two others, one unit
    # alone, one without weights, and one without gain that would join them
    sigma = 0.8
    cube = random_model(2, m=3, d=3).parameters
    plane = random_model(3, m=2, d=2, gains="mixed").parameters
    W = np.zeros((8, 7))
    W[:3, :3], W[3:5, 3:5] = cube.components, plane.components
    W[5, 5], W[7] = -1.3, 1.0
    b = RNG(0).standard_normal(8)
    b[:3], b[3:5] = cube.intercept_hidden, plane.intercept_hidden
    g = np.concatenate([[0.64, 1.28, 0.64], plane.gains, [0.9, -0.4, 0.0]])
    c = RNG(1).standard_normal(7)
    c[:3], c[3:5] = cube.intercept_visible, plane.intercept_visible

    def log_Z(units, features, integrate):
        theta = (W[units][:, features], b[units], c[features], g[units])
        constant = exact_reference.model_constant(theta, sigma)
        return integrate(theta, sigma) - constant

    def quadrature(theta, sigma):
        return exact_reference.integrated_log_Z(theta, sigma, radius=14)

    expected = (
        log_Z([0, 1, 2], [0, 1, 2], exact_reference.mixture_log_Z)
        + log_Z([3, 4], [3, 4], quadrature)
        + log_Z([5], [5], quadrature)
        + 0.5 * np.log(2 * np.pi * sigma**2)  # the seventh feature
        + g[6] / sigma**2 * np.log1p(np.exp(b[6]))
    )
    rotation, _ = np.linalg.qr(RNG(2).standard_normal((7, 7)))
    model = EnergyModel(Parameters(W @ rotation, b, c @ rotation, g), sigma)
    assert exact_log_partition(model) == pytest.approx(expected, abs=1e-6)


def test_a_model_without_weights_is_a_gaussian():
    _, b, c, g = random_model(4, gains="mixed").parameters
    model = EnergyModel(Parameters(np.zeros((4, 3)), b, c, g), 0.6)
    units = g @ np.log1p(np.exp(b)) / 0.36
    expected = 1.5 * np.log(2 * np.pi * 0.36) + units
    assert exact_log_partition(model) == pytest.approx(expected, abs=1e-12)


def test_what_is_not_exact_is_annealed():
    model = random_model(5, gains="mixed")
    assert exact_log_partition(model) is None
    result = log_partition(model, RNG(0), max_islands=8)
    assert result == annealed(model, 0, max_islands=8)
    assert result.method == "annealing"
    assert np.isnan(result.upper_bound)
    assert result.lower_bound < result.value
    assert result.standard_error > 0


def test_annealing_agrees_with_exact_values_to_its_own_error():
    # 19 of 20 within five standard errors is what is promised; they do better
    z_scores, errors = [], []
    for seed in range(20):
        sigma = [0.5, 1.0][seed % 2]
        model = random_model(seed, m=6, d=8, sigma=sigma)
        result = annealed(model, seed, n_islands=32, max_islands=32, island_size=32)
        error = result.value - mixture_log_partition(model)
        errors.append(error)
        z_scores.append(error / result.standard_error)
        assert result.is_reliable
        assert result.effective_sample_size > 0.6 * result.n_islands
        assert result.lower_bound < result.value - error
    assert np.abs(z_scores).max() < 5
    assert 0.5 < np.std(z_scores) < 1.6  # neither too proud nor too modest
    assert np.sqrt(np.mean(np.square(errors))) < 0.08


def test_islands_are_added_until_the_error_is_small():
    model = random_model(1, m=6, d=4, sigma=0.5)
    result = annealed(model, 0)
    assert abs(result.value - mixture_log_partition(model)) < 0.05
    assert result.standard_error < 0.02
    assert 64 < result.n_islands <= 256


def test_rounds_end_at_the_tolerance_or_at_the_largest_number():
    model = random_model(1, m=3, d=2, sigma=1.0)

    def run(**options):
        return annealed(model, 0, n_islands=16, island_size=4, **options)

    one_round = run(tolerance=np.inf)
    assert one_round.n_islands == 16
    assert one_round[:5] == run(max_islands=16)[:5]
    half = run(tolerance=0.5 * one_round.standard_error, max_islands=1024)
    assert half.standard_error <= 0.5 * one_round.standard_error
    assert half.n_islands % 16 == 0
    assert 32 < half.n_islands < 160  # four times as many, about
    before = run(tolerance=0.0, max_islands=half.n_islands - 16)
    assert before.standard_error > 0.5 * one_round.standard_error
    assert run(tolerance=0.0, max_islands=40).n_islands == 40
    assert run(tolerance=0.0, max_islands=8).n_islands == 8


def test_stopping_at_a_small_error_leaves_the_estimate_honest():
    # 100 runs that stop after one to eight rounds: the mean error and the spread of
    # the z-scores are known to a tenth and a fourteenth of a standard deviation
    model = random_model(0, m=3, d=2, sigma=1.0)
    mixture = exact_mixture(model)
    results = [
        annealed_log_partition(
            RNG(seed),
            model_target(model),
            mixture.mean(),
            4 * mixture.covariance(),
            n_islands=16,
            island_size=4,
            refinement=0.01,  # two levels
            tolerance=0.07,
            max_islands=128,
        )
        for seed in range(100)
    ]
    assert len({result.n_islands for result in results}) > 3
    errors = np.array([result.value for result in results]) - mixture.log_partition
    z = errors / [result.standard_error for result in results]
    assert abs(errors.mean()) < 4 * errors.std() / np.sqrt(100)
    assert 0.8 < np.sqrt(np.mean(z**2)) < 1.25
    assert np.abs(z).max() < 5
    lower = [result.lower_bound for result in results]
    assert np.mean(lower < mixture.log_partition) > 0.95


def test_the_value_does_not_depend_on_the_number_of_threads():
    model = random_model(5, gains="mixed")
    with ThreadPoolExecutor(3) as pool:
        threaded = log_partition(model, RNG(0), map=pool.map)
    assert threaded[:5] == log_partition(model, RNG(0))[:5]
    assert threaded.value != log_partition(model, RNG(1), max_islands=64).value


def test_the_value_is_the_logarithm_of_an_unbiased_estimate():
    model = random_model(0, m=3, d=2, sigma=1.0)
    mixture = exact_mixture(model)
    errors = [
        annealed_log_partition(
            RNG(seed),
            model_target(model),
            mixture.mean(),
            10 * mixture.covariance(),
            max_islands=4,
            island_size=2,
            refinement=0.01,  # two levels, whatever the pilot run says
        ).value
        - mixture.log_partition
        for seed in range(60)
    ]
    ratios = np.exp(errors)
    assert abs(ratios.mean() - 1) < 4 * ratios.std() / np.sqrt(60)
    assert np.mean(errors) < -0.3  # while the mean of logarithms is too low


@pytest.mark.parametrize("gains", ["positive", "mixed"])
def test_annealing_agrees_with_quadrature_for_any_gains(gains):
    for seed in range(4):
        model = random_model(seed, m=5, d=2, gains=gains, sigma=0.5)
        result = annealed(model, seed, max_islands=16)
        error = result.value - exact_log_partition(model)
        assert abs(error) < 5 * result.standard_error < 0.5


def test_the_lower_bound_holds_although_the_start_is_poor():
    # a start as wide as sigma, at c: few levels, few chains, and a bad estimate
    is_above, errors = [], []
    for seed in range(30):
        model = random_model(seed, m=3, d=4, sigma=1.0)
        exact = mixture_log_partition(model)
        result = annealed_log_partition(
            RNG(seed),
            model_target(model),
            model.parameters.intercept_visible,
            np.eye(4),
            max_islands=4,
            island_size=4,
            refinement=0.3,
        )
        is_above.append(result.lower_bound > exact)
        errors.append(result.value - exact)
    assert np.std(errors) > 0.5  # it is a bad one
    assert np.sum(is_above) <= 4  # each may be with a probability of a twentieth


def two_modes(log_odds):
    """Two modes ten standard deviations apart; the farther one is the heavier."""
    W = np.full((1, 4), 5.0)
    b = log_odds - 0.5 * (W**2).sum(axis=1)
    return EnergyModel(Parameters(W, b, np.zeros(4), np.ones(1)), 1.0)


def anneal_from_the_nearer_mode(width):
    target = model_target(two_modes(6.0))
    covariance = width**2 * np.eye(4)
    return annealed_log_partition(
        RNG(0), target, np.zeros(4), covariance, island_size=1, max_islands=64
    )


def test_an_estimate_that_few_islands_carry_is_flagged():
    poor = anneal_from_the_nearer_mode(2.0)
    assert not poor.is_reliable
    assert poor.effective_sample_size < 0.2 * poor.n_islands
    exact = mixture_log_partition(two_modes(6.0))
    assert poor.lower_bound < exact
    good = annealed(two_modes(6.0), 0)
    assert good.is_reliable
    assert abs(good.value - exact) < 5 * good.standard_error


def test_a_mode_that_no_chain_sees_is_missed_in_silence():
    # the one error that scatter cannot show; only the lower bound is right then
    result = anneal_from_the_nearer_mode(1.0)
    exact = mixture_log_partition(two_modes(6.0))
    assert result.value == pytest.approx(exact - 6, abs=0.1)
    assert result.is_reliable
    assert result.lower_bound < exact


def test_annealing_follows_the_symmetries_of_the_model():
    model = random_model(6, m=4, d=5, gains="mixed", sigma=0.7)
    W, b, c, g = model.parameters
    rng = RNG(3)
    Q, _ = np.linalg.qr(rng.standard_normal((5, 5)))
    order = rng.permutation(4)
    sign = np.array([1, -1, 1, 1])
    flipped = changed(
        model,
        components=sign[:, None] * W,
        intercept_hidden=sign * b,
        intercept_visible=c + g[1] * W[1],
    )
    X = rng.standard_normal((1, 5))
    shift = flipped.energy(X)[0] - model.energy(X)[0]
    assert abs(shift) > 0.1
    moved = EnergyModel(model.parameters.translate(np.full(5, 50.0)), model.sigma)
    turned = changed(model, components=W @ Q.T, intercept_visible=Q @ c)
    permuted = changed(
        model, components=W[order], intercept_hidden=b[order], gains=g[order]
    )
    options = {"max_islands": 32, "island_size": 32}
    first = log_partition(model, RNG(0), **options)
    for other, expected in [(moved, 0), (turned, 0), (permuted, 0), (flipped, shift)]:
        second = log_partition(other, RNG(1), **options)
        error = np.hypot(first.standard_error, second.standard_error)
        assert error < 0.1
        assert abs(first.value - second.value - expected) < 5 * error


def test_model_moments_cover_what_the_model_generates():
    for seed in range(10):
        model = random_model(seed, m=8, d=6, sigma=1.0)
        mixture = exact_mixture(model)
        mean, covariance = model_moments(model)
        wider = np.linalg.eigvalsh(covariance - mixture.covariance())
        assert wider.min() >= -1e-9
        offset = mixture.mean() - mean
        assert offset @ np.linalg.solve(covariance, offset) < 6


def test_the_lower_bound_is_markovs_for_the_least_or_the_mean_of_the_estimates():
    # a Gaussian annealed from itself: all estimates are exact
    target = gaussian_target(np.eye(2))
    for n_islands in (16, 64):
        same = annealed_log_partition(
            RNG(0), target, np.zeros(2), np.eye(2), n_islands=n_islands
        )
        assert same.standard_error < 1e-12
        assert same.value == pytest.approx(np.log(2 * np.pi), abs=1e-12)
        # P(all of n exceed t times the mean) <= t^-n, and this at half of 5 %
        expected = same.value - np.log(40) / n_islands
        assert same.lower_bound == pytest.approx(expected, abs=1e-12)
    # one island that is far too low leaves the bound by the mean: P <= 1 / t
    poor = anneal_from_the_nearer_mode(2.0)
    assert poor.lower_bound >= poor.value - np.log(40) - 1e-12
