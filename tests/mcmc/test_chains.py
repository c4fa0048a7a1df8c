"""Sampling from start to draws, and its diagnostics."""

import sys

import arviz_base
import numpy as np
import pytest
from support.known_targets import gaussian_target, mixture, mixture_model

from skdsm.density.target import model_target
from skdsm.mcmc.adaptation import Tuning
from skdsm.mcmc.chains import sample_chains, to_arviz
from skdsm.mcmc.diagnostics import convergence
from skdsm.mcmc.hmc import Target
from skdsm.mcmc.mass_matrix import diagonal_metric, identity_metric

TARGET = model_target(mixture_model())
TUNING = Tuning(0.5, identity_metric(2), 1.5)


def start(n_chains, d=2, seed=0):
    return np.random.default_rng(seed).standard_normal((n_chains, d))


def sample(n_chains=20, n_draws=30, seed=1, **options):
    rng = np.random.default_rng(seed)
    return sample_chains(
        rng, TARGET, start(n_chains), n_draws, **{"n_warmup": 50} | options
    )


def assert_equal_chains(a, b):
    for name, left, right in zip(a._fields, a, b, strict=True):
        if name != "tuning":
            np.testing.assert_array_equal(left, right, err_msg=name)
    assert a.tuning.step_size == b.tuning.step_size


@pytest.mark.parametrize(
    "metric", ["identity", "diag", "dense", diagonal_metric([2, 1])]
)
def test_chains_find_the_targets_moments(metric):
    known = mixture(1)
    chains = sample(200, 400, n_warmup=150, metric=metric)
    X = chains.positions
    rhat, bulk, tail = convergence(X)
    assert rhat.max() < 1.01
    assert min(bulk.min(), tail.min()) > 4000
    assert np.all(bulk != tail)
    second = X.reshape(-1, 2).T @ X.reshape(-1, 2) / (200 * 400)
    scale = np.sqrt(np.diag(known.second))
    atol = 5 / np.sqrt(bulk.min())
    np.testing.assert_allclose(X.mean(axis=(0, 1)), known.first, atol=atol)
    errors = (second - known.second) / np.outer(scale, scale)
    assert np.abs(errors).max() < 3 * atol
    assert abs(chains.acceptance_rate.mean() - 0.8) < 0.05


def test_chains_stuck_in_modes_far_apart_have_a_large_rhat():
    def log_density(X):
        return np.logaddexp(*(-0.5 * ((X - a) ** 2).sum(axis=1) for a in (-10, 10)))

    def score(X):
        return 10 * np.tanh(10 * X.sum(axis=1, keepdims=True)) - X

    near = np.where(np.arange(20) % 2, 10.0, -10.0)[:, None] + start(20)
    apart = sample_chains(
        np.random.default_rng(0), Target(log_density, score), near, 100, n_warmup=100
    )
    assert np.all(np.sign(apart.positions) == np.sign(near)[:, None])
    assert convergence(apart.positions).rhat.min() > 1.5
    assert convergence(apart.positions).ess_bulk.max() < 100


def test_equal_seeds_give_equal_draws_and_others_do_not():
    assert_equal_chains(sample(), sample())
    for options in ({}, {"n_warmup": 0, "tuning": TUNING}):
        one, two = (sample(seed=seed, **options).positions for seed in (1, 2))
        assert np.all(one[:, -1] != two[:, -1])


def test_chains_that_start_together_part():
    """Those of different lanes, too."""
    chains = sample_chains(
        np.random.default_rng(0),
        TARGET,
        np.ones((600, 2)),
        5,
        n_warmup=0,
        tuning=TUNING,
    )
    assert len(np.unique(chains.positions[:, -1, 0])) == 600


def test_warm_up_takes_as_many_transitions_as_asked_for():
    calls = []

    def log_density(X):
        calls.append(len(X))
        return TARGET.log_density(X)

    target = Target(log_density, TARGET.score)
    sample_chains(np.random.default_rng(0), target, start(5), 7, n_warmup=400, thin=3)
    trials = len(calls) - (1 + 400 + 3 * 7)  # of steps, for a first guess
    assert 0 < trials < 100


def test_one_generator_gives_new_draws_each_time():
    rng = np.random.default_rng(0)
    first, second = (
        sample_chains(rng, TARGET, start(3), 5, n_warmup=20).positions for _ in range(2)
    )
    assert np.all(first != second)


@pytest.mark.parametrize("n_warmup", [0, 30])
def test_threads_change_nothing(n_warmup):
    """A thousand chains make several lanes."""
    options = {"n_warmup": n_warmup, "n_draws": 5, "thin": 2}
    if n_warmup == 0:
        options["tuning"] = TUNING
    alone = sample(1000, n_threads=1, **options)
    assert_equal_chains(alone, sample(1000, n_threads=3, **options))
    assert len(np.unique(alone.positions[:, -1, 0])) > 950


def test_statistics_have_a_row_for_each_chain():
    chains = sample(7, 11, thin=3)
    assert chains.positions.shape == (7, 11, 2)
    for name in ("log_density", "energy", "acceptance_rate"):
        assert getattr(chains, name).shape == (7, 11)
        assert np.isfinite(getattr(chains, name)).all()
    last = chains.positions[:, -1]
    np.testing.assert_allclose(chains.log_density[:, -1], TARGET.log_density(last))
    assert np.all(chains.energy + chains.log_density > 0)  # kinetic energy
    assert chains.n_divergent.shape == (7,)


def test_thinning_keeps_each_nth_position():
    options = {"n_warmup": 0, "tuning": TUNING}
    all_draws = sample(n_draws=30, **options)
    thinned = sample(n_draws=10, thin=3, **options)
    np.testing.assert_array_equal(thinned.positions, all_draws.positions[:, 2::3])
    steps = all_draws.num_integration_steps.reshape(20, 10, 3).sum(axis=2)
    np.testing.assert_array_equal(thinned.num_integration_steps, steps)


def test_a_given_tuning_is_used_and_warm_up_then_only_moves():
    later = sample(n_draws=10, n_warmup=20, tuning=TUNING)
    at_once = sample(n_draws=30, n_warmup=0, tuning=TUNING)
    assert later.tuning is TUNING
    np.testing.assert_array_equal(later.positions, at_once.positions[:, 20:])


def test_divergences_are_counted():
    """A cliff at zero, of a tenth of the chains' steps or so."""

    def log_density(X):
        return np.where(X[:, 0] > 0, -0.5 * X[:, 0] ** 2, -np.inf)

    target = Target(log_density, np.negative)
    chains = sample_chains(
        np.random.default_rng(0), target, np.ones((50, 1)), 40, n_warmup=50, thin=2
    )
    assert chains.positions.min() > 0
    assert chains.n_divergent.sum() > 50
    by_draw = chains.is_divergent.sum(axis=1)
    assert np.all(by_draw <= chains.n_divergent)
    assert np.all(chains.n_divergent <= 2 * by_draw)


def test_single_precision_chains_stay_so():
    target = model_target(mixture_model(), np.float32)
    for n_chains in (1, 300):
        chains = sample_chains(
            np.random.default_rng(0),
            target,
            start(n_chains).astype(np.float32),
            4,
            n_warmup=20,
        )
        assert chains.positions.dtype == np.float32
        assert chains.log_density.dtype == np.float64


def test_one_chain_in_one_dimension_finds_its_variance():
    chains = sample_chains(
        np.random.default_rng(0), gaussian_target([[4.0]]), [[1]], 3000, n_warmup=300
    )
    assert abs(chains.positions.var() - 4) < 0.6
    assert convergence(chains.positions).rhat.shape == (1,)


def test_arviz_finds_its_names():
    chains = sample(4, 9)
    groups = to_arviz(chains)
    assert groups["posterior"]["x"].shape == (4, 9, 2)
    names = ["acceptance_rate", "diverging", "energy", "lp", "n_steps", "step_size"]
    assert sorted(groups["sample_stats"]) == names
    for array in groups["sample_stats"].values():
        assert array.shape == (4, 9)


def test_arviz_accepts_the_dictionary():
    tree = arviz_base.from_dict(to_arviz(sample(4, 9)))
    assert tree["posterior"]["x"].dims == ("chain", "draw", "x_dim_0")
    assert tree["sample_stats"]["diverging"].dims == ("chain", "draw")


def test_a_missing_arviz_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "arviz_stats.base", None)
    with pytest.raises(ImportError, match="pip install arviz-stats"):
        convergence(start(10)[None])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_draws": 0}, "n_draws must be an integer, 1 or more"),
        ({"n_draws": 2.0}, "n_draws"),
        ({"n_draws": True}, "n_draws"),
        ({"n_warmup": -1}, "n_warmup must be an integer, 0 or more"),
        ({"thin": 0}, "thin"),
        ({"n_threads": 0}, "n_threads"),
        ({"metric": "euclidean"}, "metric must be"),
        ({"metric": None}, "metric must be"),
        ({"target_acceptance": 0.0}, "target_acceptance"),
        ({"target_acceptance": 1}, "target_acceptance"),
        ({"target_acceptance": np.nan}, "target_acceptance"),
        ({"n_warmup": 0}, "pass a tuning"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        sample(**options)


def test_bad_starts_are_refused():
    for position in ([1.0, 2.0], [[np.nan, 0.0]], np.zeros((0, 2))):
        with pytest.raises(ValueError, match="osition"):
            sample_chains(np.random.default_rng(0), TARGET, position, 3)
