"""One transition of Hamiltonian Monte Carlo: its states and statistics."""

import numpy as np
import pytest
from support.known_targets import gaussian, gaussian_target, mixture, mixture_model

from skdsm.density.target import model_target
from skdsm.mcmc.hmc import Target, hmc_step, initial_state, leapfrog
from skdsm.mcmc.mass_matrix import dense_metric, diagonal_metric

METRICS = {
    "identity": None,
    "diagonal": diagonal_metric([0.4, 2.0]),
    "dense": dense_metric([[1.0, 0.5], [0.5, 0.7]]),
}
TARGET = model_target(mixture_model())


def start(n_chains, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((2, n_chains, 2))


def test_a_trajectory_calls_the_score_once_a_step_and_the_density_once():
    calls = []

    def counted(name):
        def function(X):
            calls.append(name)
            return getattr(TARGET, name)(X)

        return function

    apart = Target(counted("log_density"), counted("score"))
    together = apart._replace(log_density_and_score=counted("log_density_and_score"))
    ends = []
    for target, last in [
        (apart, ["score", "log_density"]),
        (together, ["log_density_and_score"]),
    ]:
        state = initial_state(target, start(4)[0])
        assert calls == last
        calls.clear()
        state, info = hmc_step(np.random.default_rng(0), state, target, 0.1, 7)
        assert calls == 6 * ["score"] + last
        assert info.num_integration_steps == 7
        calls.clear()
        ends.append(state)
    for a, b in zip(*ends, strict=True):
        np.testing.assert_array_equal(a, b)


def test_arguments_are_not_changed():
    position, momentum = start(4)
    score = TARGET.score(position)
    copies = position.copy(), momentum.copy(), score.copy()
    leapfrog(TARGET.score, position, momentum, score, 0.3, 3)
    state = initial_state(TARGET, position)
    before = [part.copy() for part in state]
    hmc_step(np.random.default_rng(0), state, TARGET, 0.3, 3)
    for now, then in zip((position, momentum, score), copies, strict=True):
        np.testing.assert_array_equal(now, then)
    for now, then in zip(state, before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_a_state_does_not_follow_the_array_it_was_made_of():
    position = start(3)[0]
    state = initial_state(TARGET, position)
    position += 1
    np.testing.assert_allclose(state.log_density, TARGET.log_density(state.position))


def test_a_rejected_chain_stays_and_an_accepted_one_moves():
    known = gaussian(500)
    state = initial_state(known.target, known.draws)
    after, info = hmc_step(np.random.default_rng(0), state, known.target, 0.75, 3)
    assert 50 < info.is_accepted.sum() < 450
    for new, old in zip(after, state, strict=True):
        changed = new != old
        changed = changed.reshape(len(changed), -1).all(axis=1)
        np.testing.assert_array_equal(changed, info.is_accepted)
    np.testing.assert_allclose(after.log_density, known.target.log_density(after[0]))
    np.testing.assert_allclose(after.score, known.target.score(after.position))


def test_acceptance_rate_follows_from_the_energy_error():
    known = mixture(2000)
    state = initial_state(known.target, known.draws)
    after, info = hmc_step(np.random.default_rng(1), state, known.target, 1.0, 3)
    expected = np.minimum(1, np.exp(-info.energy_error))
    np.testing.assert_allclose(info.acceptance_rate, expected, rtol=1e-12)
    error = info.is_accepted.mean() - info.acceptance_rate.mean()
    assert abs(error) < 5 * 0.5 / np.sqrt(2000)
    kinetic = info.energy + after.log_density
    assert kinetic.min() > 0


def test_a_target_may_return_the_same_memory_each_time():
    memory = {name: np.empty(shape) for name, shape in [("p", 6), ("s", (6, 2))]}

    def log_density(X):
        memory["p"][:] = TARGET.log_density(X)
        return memory["p"]

    def score(X):
        memory["s"][:] = TARGET.score(X)
        return memory["s"]

    reused = Target(log_density, score)
    both = Target(None, score, lambda X: (log_density(X), score(X)))
    ends = []
    for target in (TARGET, reused, both):
        rng = np.random.default_rng(2)
        state = initial_state(target, start(6)[0])
        for _ in range(10):
            state, _ = hmc_step(rng, state, target, 1.2, 3)
        ends.append(state)
    for a, b, c in zip(*ends, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)


@pytest.mark.parametrize("outside", [-np.inf, np.nan])
def test_a_cliff_makes_divergences_that_are_rejected(outside):
    """A normal density, cut off at zero."""

    def log_density(X):
        return np.where(X[:, 0] > 0, -0.5 * (X**2).sum(axis=1), outside)

    def score(X):
        return np.where(X[:, :1] > 0, -X, np.nan if np.isnan(outside) else -X)

    target = Target(log_density, score)
    rng = np.random.default_rng(3)
    state = initial_state(target, np.abs(rng.standard_normal((4000, 2))))
    n_divergent = 0
    for _ in range(5):
        state, info = hmc_step(rng, state, target, 0.3, 3)
        n_divergent += info.is_divergent.sum()
        assert not (info.is_divergent & info.is_accepted).any()
        assert np.all(info.acceptance_rate[info.is_divergent] == 0)
        assert not np.isnan(info.energy_error).any()
        assert all(np.isfinite(part).all() for part in state)
        assert np.isfinite(info.energy).all()
    assert n_divergent > 1000
    assert state.position[:, 0].min() > 0
    np.testing.assert_allclose(
        state.position[:, 0].mean(), np.sqrt(2 / np.pi), atol=0.04
    )


@pytest.mark.parametrize("step_size", [1e3, 1e200])
def test_an_unstable_step_diverges_without_a_warning(step_size):
    state = initial_state(TARGET, start(5)[0])
    after, info = hmc_step(np.random.default_rng(0), state, TARGET, step_size, 50)
    assert info.is_divergent.all()
    assert np.all(info.energy_error > 1000)
    np.testing.assert_array_equal(after.position, state.position)


def test_single_precision_chains_stay_in_single_precision():
    target = model_target(mixture_model(), np.float32)
    state = initial_state(target, start(5)[0].astype(np.float32))
    for metric in METRICS.values():
        for step in (0.2, np.full(5, 0.2)):
            rng = np.random.default_rng(0)
            state, _ = hmc_step(rng, state, target, step, 3, metric)
            assert state.position.dtype == state.score.dtype == np.float32
            assert state.log_density.dtype == np.float64


def test_one_chain_in_one_dimension_works():
    target = gaussian_target(np.eye(1))
    state = initial_state(target, [[3]])
    assert state.position.dtype == np.float64
    positions = []
    rng = np.random.default_rng(0)
    for _ in range(4000):
        state, _ = hmc_step(rng, state, target, 0.7, 2)
        positions.append(state.position[0, 0])
    assert abs(np.mean(positions)) < 0.1
    assert abs(np.var(positions) - 1) < 0.15


@pytest.mark.parametrize(
    ("position", "message"),
    [
        (np.zeros(3), "shape"),
        (np.zeros((0, 3)), "shape"),
        (np.zeros((3, 0)), "shape"),
        ([[np.nan, 0.0, 0.0]], "NaN or infinity"),
        ([[np.inf, 0.0, 0.0]], "NaN or infinity"),
        ([[1e200, 0.0, 0.0], [0.0, 0.0, 0.0]], "not finite at 1 of 2 .* chain 0"),
    ],
)
def test_bad_starting_positions_are_refused(position, message):
    with pytest.raises(ValueError, match=message):
        initial_state(gaussian_target(np.eye(3)), position)


@pytest.mark.parametrize("n_steps", [0, -1])
def test_a_trajectory_without_steps_is_refused(n_steps):
    state = initial_state(TARGET, start(3)[0])
    with pytest.raises(ValueError, match="num_integration_steps must be 1 or more"):
        hmc_step(np.random.default_rng(0), state, TARGET, 0.1, n_steps)


@pytest.mark.parametrize("value", [-np.inf, np.nan, np.inf])
def test_a_start_without_density_is_refused(value):
    target = Target(lambda X: np.where(X[:, 0] > 0, value, 0.0), np.zeros_like)
    with pytest.raises(ValueError, match="not finite at 2 of 3 .* chain 1"):
        initial_state(target, [[-1.0], [1.0], [2.0]])


@pytest.mark.parametrize(
    "target",
    [
        Target(lambda X: 0.0, np.zeros_like),
        Target(lambda X: np.zeros((3, 1)), np.zeros_like),
        Target(lambda X: np.zeros(3), lambda X: np.zeros(3)),
    ],
)
def test_a_target_that_returns_wrong_shapes_is_refused(target):
    with pytest.raises(ValueError, match="the target returned log-densities of shape"):
        initial_state(target, np.ones((3, 2)))
