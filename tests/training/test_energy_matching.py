"""The gains' last step: energies that agree with held-out Parzen log-densities."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from support.quick_fits import normal_rows, quick
from support.random_models import random_parameters
from support.reference import E, decode, encode, square_norm, subtract

from skdsm.exceptions import NonFiniteError
from skdsm.model.parameters import Parameters
from skdsm.model.parzen import held_out_log_density
from skdsm.rows.in_memory import InMemoryRows, prepare_rows
from skdsm.training import energy_matching
from skdsm.training.corruption import NoiseLevels, draw_corruption
from skdsm.training.energy_matching import match_energy

SEED = (0, 3)


def log_density_without(x, X, weight, left_out, bandwidth):
    """log sum_i w_i exp(-|x - x_i|^2 / (2 tau^2)), one row's weight less at one row."""
    total = math.fsum(
        (w - (i == left_out))
        * math.exp(-square_norm(subtract(x, x_i)) / (2 * bandwidth**2))
        for i, (x_i, w) in enumerate(zip(X, weight, strict=True))
    )
    return math.log(total) if total else -math.inf


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**31),
    k=st.integers(1, 12),
    d=st.integers(1, 4),
    bandwidth=st.sampled_from([0.2, 1.0, 5.0]),
    most=st.integers(1, 3),
)
def test_held_out_log_density_is_that_of_the_formula(seed, k, d, bandwidth, most):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((k, d))
    weight = np.ones(k)  # one row's, as for more than half of them
    weight[k // 2 + 1 :] = rng.integers(1, most + 1, size=k - k // 2 - 1)
    own = rng.integers(0, k, size=20)
    X_noisy = X[own] + bandwidth * rng.standard_normal((20, d))
    actual = held_out_log_density(X_noisy, X, weight, own, bandwidth)
    expected = [
        log_density_without(x, X, weight, i, bandwidth)
        for x, i in zip(X_noisy, own, strict=True)
    ]
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-9)


def losses_and_differences(g, theta, X, weight, X_noisy, own, tau):
    """What the gains minimise, in the words of the module: losses, and D, by row."""
    W, b, c, _ = theta
    theta = W, b, c, g
    pairs = list(zip(X_noisy, own, strict=True))
    losses = [
        square_norm(subtract(decode(encode(x, theta), theta), X[i])) / 2
        for x, i in pairs
    ]
    D = [
        E(x, theta, 1.0) + tau**2 * log_density_without(x, X, weight, i, tau)
        for x, i in pairs
    ]
    return np.array(losses), np.array(D)


def huber(t, limit):
    t = np.abs(t)
    return np.where(t <= limit, t**2, limit * (2 * t - limit))


@pytest.mark.parametrize(
    ("levels", "strength", "most"),
    [
        (NoiseLevels(0.6, 0.6), 1.0, 1.0),
        (NoiseLevels(0.5, 1.0), 0.05, 1.0),
        (NoiseLevels(0.5, 1.0), 1.0, 4.0),
    ],
)
def test_no_other_gains_do_better(levels, strength, most, monkeypatch):
    """Each gain by itself, either way; the limit of Huber's loss is that found.

    The loss is quadratic: how it grows is half of what both directions add.
    """
    monkeypatch.setattr(energy_matching, "_STEPS", 100)
    monkeypatch.setattr(energy_matching, "_GAIN_RIDGE", 1e-12)
    rng = np.random.default_rng(0)
    theta = random_parameters(0, 3, 2)
    X = rng.standard_normal((12, 2))
    X[0] = 3.0
    weight = np.where(np.arange(12) < 8, 1.0, most)
    rows = InMemoryRows(X, weight, np.zeros(2))
    matched = match_energy(theta, rows, levels, strength, SEED)
    for kept, before in zip(matched[:3], theta[:3], strict=True):
        np.testing.assert_array_equal(kept, before)

    noise = draw_corruption(X.shape, levels, 4, SEED, np.float64).noise
    X_noisy, own = np.concatenate(X + noise), np.tile(np.arange(12), len(noise))
    share = weight[own] / weight[own].sum()
    arguments = theta, X, weight, X_noisy, own, levels.low
    _, D = losses_and_differences(matched.gains, *arguments)
    k = np.median(D)
    for _ in range(100):  # Huber's location and scale, together
        limit = max(3 * np.median(np.abs(D - k)), 3 * levels.low**2)
        k = minimize_scalar(lambda k, limit=limit: share @ huber(D - k, limit)).x
    assert (np.abs(D - k) > limit).any()

    def value(g):
        losses, D = losses_and_differences(g, *arguments)
        opposite, _ = losses_and_differences(2 * theta.gains - g, *arguments)
        best = minimize_scalar(lambda k: share @ huber(D - k, limit)).fun
        return (
            share @ (losses + opposite) / 2 + strength / (2 * levels.mean_square) * best
        )

    least = value(matched.gains)
    assert least < value(theta.gains)
    for j in range(3):
        for step in (-0.03, 0.03):
            other = matched.gains.copy()
            other[j] += step
            assert value(other) > least


def mixture(seed, share=0.2):
    rng = np.random.default_rng(seed)
    side = np.repeat([-3.0, 3.0], [int(1000 * share), 1000 - int(1000 * share)])
    return (side + 0.5 * rng.standard_normal(1000))[:, None]


def test_proportions_of_clusters_that_lie_apart():
    """Two clusters, one four times the other: log 4 between their energies."""
    errors = {}
    for strength in (0.0, 0.05):
        errors[strength] = []
        for seed in range(3):
            matcher = quick(
                16, sigma=0.5, energy_matching=strength, random_state=seed
            ).fit(mixture(seed))
            few, many = matcher.energy([[-3.0], [3.0]])
            errors[strength].append(abs(few - many - math.log(4)))
    assert np.mean(errors[0.05]) < 0.25
    assert np.mean(errors[0.0]) > 4 * np.mean(errors[0.05])


def test_a_lone_outlier_is_found_at_one_noise_level():
    """Without, a hidden unit makes it the most normal row (user guide, ranking)."""
    places = {}
    for strength in (0.0, 0.05):
        places[strength] = []
        for seed in (0, 2):
            X = normal_rows(300, 8, seed)
            X[0] = 6.0
            matcher = quick(
                128,
                sigma=0.5,
                energy_matching=strength,
                screening=False,
                random_state=seed,
            )
            scores = matcher.fit(X).score_samples(X)
            places[strength].append((scores < scores[0]).mean())
    assert max(places[0.05]) <= 0.02
    assert max(places[0.0]) > 0.5


def test_the_paper_has_no_gains_to_move():
    X = normal_rows()
    with_it = quick(gains="unit", energy_matching=1.0).fit(X)
    without = quick(gains="unit", energy_matching=0.0).fit(X)
    np.testing.assert_array_equal(with_it.energy(X), without.energy(X))


def test_only_the_gains_move_and_some_of_the_loss_is_given():
    X = normal_rows(300)
    with_it = quick(16, sigma=(0.5, 1.0), energy_matching=1.0).fit(X)
    without = quick(16, sigma=(0.5, 1.0), energy_matching=0.0).fit(X)
    np.testing.assert_array_equal(with_it.components_, without.components_)
    np.testing.assert_array_equal(with_it.loss_curve_, without.loss_curve_)
    assert with_it.loss_ == without.loss_  # the loss of training
    assert np.abs(with_it.gains_ - without.gains_).max() > 1e-3
    X_noisy = X + 0.7 * np.random.default_rng(1).standard_normal(X.shape)
    loss = {
        matcher.energy_matching: ((matcher.reconstruct(X_noisy) - X) ** 2).sum()
        for matcher in (with_it, without)
    }
    assert loss[0.0] < loss[1.0] < 1.2 * loss[0.0]


@pytest.mark.parametrize("n_rows", [1, 30])
def test_rows_without_another_one_have_nothing_to_be_compared_with(n_rows):
    X = np.ones((n_rows, 2))
    rows = prepare_rows(X, None, 0)
    theta = random_parameters(0, 3, 2)
    matched = match_energy(theta, rows, NoiseLevels(0.5, 0.5), 0.05, SEED)
    np.testing.assert_array_equal(matched.gains, theta.gains)


def test_units_that_are_never_on_keep_their_gains():
    X = normal_rows(100)
    W, _, c, g = random_parameters(0, 3, 3)
    theta = Parameters(W, np.full(3, -1e4), c, g)
    rows = prepare_rows(X, None, 0)
    matched = match_energy(theta, rows, NoiseLevels(0.5, 0.5), 0.05, SEED)
    np.testing.assert_array_equal(matched.gains, theta.gains)


def test_overflow_is_an_error_that_says_so():
    theta = random_parameters(0, 3, 3)
    theta = theta._replace(components=theta.components * 1e160)
    rows = prepare_rows(normal_rows(100), None, 0)
    with pytest.raises(NonFiniteError, match="Energy matching"):
        match_energy(theta, rows, NoiseLevels(0.5, 0.5), 0.05, SEED)
