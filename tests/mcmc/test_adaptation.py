"""What the warm-up finds: step size, metric, trajectory length."""

import numpy as np
import pytest
from support.known_targets import gaussian_target, mixture_model

from skdsm.density.target import model_target
from skdsm.mcmc.adaptation import (
    Lane,
    Tuning,
    add_rows,
    draw_num_steps,
    reasonable_step_size,
    start_moments,
    trajectory_length,
    warm_up,
)
from skdsm.mcmc.hmc import Target, hmc_step, initial_state
from skdsm.mcmc.mass_matrix import dense_metric, diagonal_metric, identity_metric

SCALES = np.array([0.01, 1.0, 20.0])
CORRELATION = np.array([[1.0, 0.8, 0.0], [0.8, 1.0, -0.3], [0.0, -0.3, 1.0]])
COVARIANCE = CORRELATION * np.outer(SCALES, SCALES)


def lanes_for(target, n_chains, d, seed=0, n_lanes=1):
    rng = np.random.default_rng(seed)
    return [
        Lane(rng, initial_state(target, rng.standard_normal((n_chains, d))))
        for _ in range(n_lanes)
    ]


def mean_acceptance(lane, target, tuning, n_transitions=100):
    rng, state = lane
    rates = []
    for _ in range(n_transitions):
        n_steps = draw_num_steps(rng, tuning)
        state, info = hmc_step(
            rng, state, target, tuning.step_size, n_steps, tuning.metric
        )
        rates.append(info.acceptance_rate.mean())
    return np.mean(rates)


@pytest.mark.parametrize("wanted", [0.65, 0.8, 0.9])
@pytest.mark.parametrize("metric", ["identity", "diag", "dense"])
def test_warm_up_reaches_the_wanted_acceptance_rate(wanted, metric):
    target = model_target(mixture_model())
    lanes = lanes_for(target, 100, 2, seed=3)
    lanes, tuning = warm_up(
        np.random.default_rng(1), lanes, target, 300, metric, target_acceptance=wanted
    )
    assert abs(mean_acceptance(lanes[0], target, tuning) - wanted) < 0.05


def test_warm_up_of_one_chain_comes_near_the_wanted_acceptance_rate():
    target = model_target(mixture_model())
    lanes = lanes_for(target, 1, 2, seed=3)
    lanes, tuning = warm_up(np.random.default_rng(1), lanes, target, 1000)
    assert abs(mean_acceptance(lanes[0], target, tuning, 2000) - 0.8) < 0.1


@pytest.mark.parametrize("metric", ["diag", "dense"])
def test_warm_up_recovers_scales_that_are_far_apart(metric):
    target = gaussian_target(COVARIANCE)
    _, tuning = warm_up(
        np.random.default_rng(0), lanes_for(target, 50, 3), target, 400, metric
    )
    found = tuning.metric.inverse_mass
    expected = COVARIANCE if metric == "dense" else np.diag(COVARIANCE)
    scale = np.outer(SCALES, SCALES) if metric == "dense" else SCALES**2
    np.testing.assert_allclose(found / scale, expected / scale, atol=0.15)
    # width in units of the metric: that of the correlations, or one
    correlation_width = np.sqrt(np.linalg.eigvalsh(CORRELATION)[-1])
    width = 1.0 if metric == "dense" else correlation_width
    np.testing.assert_allclose(tuning.trajectory_length, 2 * width, rtol=0.1)
    assert 0.3 < tuning.step_size < 1.7


def test_identity_and_given_metrics_are_kept():
    target = gaussian_target(np.diag([1.0, 9.0]))
    given = diagonal_metric([1.0, 4.0])
    for metric, width in [("identity", 3.0), (given, 1.5)]:
        rng = np.random.default_rng(0)
        lanes = lanes_for(target, 100, 2)
        _, tuning = warm_up(rng, lanes, target, 300, metric)
        kept = given if metric is given else identity_metric(2)
        np.testing.assert_array_equal(tuning.metric.inverse_mass, kept.inverse_mass)
        np.testing.assert_allclose(tuning.trajectory_length, 2 * width, rtol=0.1)


@pytest.mark.parametrize("n_transitions", [1, 2, 3, 10, 25])
@pytest.mark.parametrize("n_chains", [1, 2, 30])
def test_a_short_warm_up_still_tunes(n_transitions, n_chains):
    target = gaussian_target(COVARIANCE)
    for metric in ("diag", "dense"):
        lanes, tuning = warm_up(
            np.random.default_rng(0),
            lanes_for(target, n_chains, 3),
            target,
            n_transitions,
            metric,
        )
        assert np.isfinite(tuning.step_size)
        assert tuning.step_size > 0
        assert tuning.trajectory_length > 0
        assert np.isfinite(tuning.metric.momentum_factor).all()
        assert np.isfinite(lanes[0].state.position).all()


def test_lanes_are_pooled():
    """Each lane stays in a mode of its own."""

    def log_density(X):
        return np.logaddexp(*(-0.5 * ((X[:, 0] - a) ** 2) for a in (-20, 20)))

    target = Target(log_density, lambda X: 20 * np.tanh(20 * X) - X)
    lanes = [
        Lane(np.random.default_rng(i), initial_state(target, np.full((10, 1), start)))
        for i, start in enumerate([-20.0, 20.0])
    ]
    _, tuning = warm_up(np.random.default_rng(0), lanes, target, 100, "diag")
    np.testing.assert_allclose(tuning.metric.inverse_mass, 401, rtol=0.05)


def test_the_step_size_follows_a_change_of_the_metric():
    """Of a scale of 1e-5, the first step size is 1e-5, and the last is one."""
    target = gaussian_target(1e-10 * np.eye(3))
    rng = np.random.default_rng(0)
    lane = Lane(rng, initial_state(target, 1e-5 * rng.standard_normal((100, 3))))
    (lane,), tuning = warm_up(rng, [lane], target, 40)
    assert 0.5 < tuning.step_size < 1.9
    assert abs(mean_acceptance(lane, target, tuning) - 0.8) < 0.05


@pytest.mark.parametrize("offset", [0.0, 1e8])
def test_moments_of_pieces_are_those_of_the_whole(offset):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((100, 3)) @ rng.standard_normal((3, 3)) + offset
    moments = start_moments(3)
    for piece in np.split(X, [1, 10, 11, 60]):
        moments = add_rows(moments, piece)
    expected = np.cov(X - offset, rowvar=False)
    shrunk = (100 * expected + 5 * np.diag(np.diag(expected))) / 105
    tolerance = 1e-12 if offset == 0 else 1e-6
    np.testing.assert_allclose(moments.covariance(), shrunk, rtol=tolerance)
    np.testing.assert_allclose(moments.mean, X.mean(axis=0), rtol=1e-12)
    assert moments.n_rows == 100


def test_covariances_go_along_with_units():
    X = np.random.default_rng(1).standard_normal((4, 5))  # fewer rows than columns
    units = np.array([1e-6, 1.0, 3.0, 1e3, 1e9])
    covariance = add_rows(start_moments(5), X).covariance()
    scaled = add_rows(start_moments(5), X * units).covariance()
    np.testing.assert_allclose(scaled, covariance * np.outer(units, units), rtol=1e-12)
    dense_metric(scaled)


def test_trajectory_length_is_a_quarter_period_and_a_little():
    """In whatever units: those of the metric decide."""
    assert trajectory_length(np.eye(3), identity_metric(3)) == pytest.approx(2)
    assert trajectory_length(COVARIANCE, dense_metric(COVARIANCE)) == pytest.approx(2)
    diagonal = diagonal_metric(np.diag(COVARIANCE))
    width = np.sqrt(np.linalg.eigvalsh(CORRELATION)[-1])
    assert trajectory_length(COVARIANCE, diagonal) == pytest.approx(2 * width)


def test_warm_up_of_few_chains_finds_the_trajectory_length():
    target = gaussian_target(np.eye(40))
    rng = np.random.default_rng(0)
    _, tuning = warm_up(rng, lanes_for(target, 5, 40), target, 150, "identity")
    assert abs(tuning.trajectory_length - 2) < 0.4


def test_trajectory_length_is_not_inflated_by_few_rows():
    rng = np.random.default_rng(2)
    earlier, now = (
        add_rows(start_moments(50), rng.standard_normal((200, 50))).covariance()
        for _ in range(2)
    )
    metric = identity_metric(50)
    assert trajectory_length(now, metric) > 2.6
    assert abs(trajectory_length(now, metric, earlier) - 2) < 0.3


@pytest.mark.parametrize("mean", [0.3, 1.0, 3.4, 20.0])
def test_numbers_of_steps_are_spread_around_their_mean(mean):
    rng = np.random.default_rng(0)
    tuning = Tuning(0.1, identity_metric(2), 0.1 * mean)
    drawn = np.array([draw_num_steps(rng, tuning) for _ in range(4000)])
    assert drawn.min() >= 1
    assert drawn.min() >= np.floor(0.7 * mean)
    assert drawn.max() <= np.ceil(1.3 * mean)
    if mean >= 2:
        np.testing.assert_allclose(drawn.mean(), mean, rtol=0.02)
        assert len(np.unique(drawn)) >= 0.5 * mean


def test_number_of_steps_is_bounded():
    tuning = Tuning(1e-9, identity_metric(2), 1.0)
    assert draw_num_steps(np.random.default_rng(0), tuning) == 512


@pytest.mark.parametrize("first", [1e-5, 1.0, 1e5])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_reasonable_steps_are_of_the_targets_scale(first, scale):
    target = gaussian_target(scale**2 * np.eye(4))
    rng = np.random.default_rng(0)
    state = initial_state(target, scale * rng.standard_normal((500, 4)))
    step = reasonable_step_size(rng, state, target, first, identity_metric(4))
    assert 0.4 * scale < step < 2.2 * scale


def test_a_density_that_cannot_be_normalised_is_refused():
    flat = Target(lambda X: np.zeros(len(X)), np.zeros_like)
    with pytest.raises(ValueError, match="No step size gives"):
        warm_up(np.random.default_rng(0), lanes_for(flat, 3, 2), flat, 10)
