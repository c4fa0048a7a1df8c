"""Noise from a bank that is shorter than the data: what it saves and what it costs."""

import tracemalloc

import numpy as np
import pytest
from scipy.stats import kstest
from support.drawn_noise import (
    RANGE,
    SINGLE,
    D,
    corrupt_all,
    draw,
    force_bank_of,
    standardised,
)
from support.quick_fits import settings
from support.random_models import random_parameters

from skdsm.rows.in_memory import InMemoryRows
from skdsm.training.corruption import draw_corruption
from skdsm.training.empirical_risk import EmpiricalRisk

both_kinds = pytest.mark.parametrize("levels", [SINGLE, RANGE])


@pytest.fixture
def bank_of(monkeypatch):
    """Force the number of rows in a bank."""
    return lambda n_rows: force_bank_of(n_rows, monkeypatch)


# --- Memory ---


@both_kinds
def test_memory_does_not_grow_with_the_number_of_rows(levels):
    sizes = {}
    for n_rows in (10**4, 10**6, 10**8):
        tracemalloc.start()
        corruption = draw_corruption((n_rows, 50), levels, 4, (0,), np.float32)
        sizes[n_rows] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert corruption.noise.nbytes <= 2**25
    assert sizes[10**8] == pytest.approx(sizes[10**6], rel=0.01)
    assert sizes[10**8] < 2**27


@pytest.mark.parametrize(("n_copies", "d"), [(1, 1), (1, 1000), (16, 300), (1000, 4)])
def test_memory_does_not_grow_with_copies_nor_features(n_copies, d):
    """Beyond what some thousand rows need, which the bank always has."""
    noise = draw_corruption((10**8, d), SINGLE, n_copies, (0,), np.float32).noise
    assert noise.shape[1] >= 1000
    assert noise.size <= max(2**23, 5000 * n_copies * d)


# --- The noise of rows that share it ---


@pytest.mark.parametrize("block_size", [10, 64])
@both_kinds
def test_a_place_is_inside_the_bank_and_a_function_of_the_seed(
    levels, block_size, bank_of
):
    bank_of(64)
    X = np.zeros((1000, D))
    one = corrupt_all(draw(levels, 3, shape=X.shape), X, block_size)
    again = corrupt_all(draw(levels, 3, shape=X.shape), X, block_size)
    other = corrupt_all(draw(levels, 3, (2,), shape=X.shape), X, block_size)
    assert one[0].shape == (3, *X.shape)  # no block was cut off at the end of the bank
    np.testing.assert_array_equal(one[0], again[0])
    np.testing.assert_array_equal(one[1], again[1])
    assert not (one[0] == other[0]).any()
    # noise and variance come from one place in the bank
    scale = np.sqrt((one[0] ** 2).mean(axis=2) / one[1])
    assert 0.05 < scale.min() < scale.max() < 5


def test_many_copies_of_rows_in_long_blocks_find_a_place():
    """Few units make long blocks, many copies a short bank."""
    X = np.random.default_rng(0).standard_normal((10_000, 2))
    rows = InMemoryRows(X, None, np.zeros(2))
    risk = EmpiricalRisk(rows, settings(n_components=4, n_corruptions=1000), (0,))
    X_noisy, _ = risk.sample(20_000)
    assert len(X_noisy) >= 20_000


N_DRAWS = 2000


@pytest.fixture(scope="module")
def shared_noise():
    """Many draws for 96 rows from a bank of 24: (n_draws, n_copies, n_rows, d)."""
    X = np.zeros((96, 2))
    with pytest.MonkeyPatch.context() as monkeypatch:
        force_bank_of(24, monkeypatch)
        draws = [
            corrupt_all(draw(SINGLE, 2, (seed,), shape=X.shape), X, 6)[0]
            for seed in range(N_DRAWS)
        ]
    return np.array(draws) / 0.5


def z_scores(sample):
    """Means over the first axis in standard errors."""
    error = sample.std(axis=0, ddof=1) / np.sqrt(len(sample))
    return sample.mean(axis=0) / error


def test_noise_of_each_row_is_standard_normal(shared_noise):
    for copy in (0, 1):
        for row in (0, 50, 95):
            sample = shared_noise[:, copy, row].ravel()
            assert kstest(sample, "norm").pvalue > 1e-4
    assert np.abs(z_scores(shared_noise)).max() < 5
    assert np.abs(z_scores(shared_noise**2 - 1)).max() < 5


def products(noise):
    """Sum of the products of all pairs of numbers along an axis of each draw."""
    return noise.sum(axis=2) ** 2 - (noise**2).sum(axis=2)


def test_rows_that_share_noise_are_uncorrelated(shared_noise):
    blocks = shared_noise.reshape(N_DRAWS, 2, 16, 6, 2)  # blocks of six rows
    assert np.abs(z_scores(products(blocks))).max() < 5
    # this is thanks to the signs: noise is shared, which its square cannot hide
    assert z_scores(products(blocks**2 - 1)).min() > 7
    # nor are rows that have other places in their blocks
    assert np.abs(z_scores(products(shared_noise))).max() < 5


def test_rows_of_a_block_do_not_share_noise(shared_noise):
    blocks = shared_noise.reshape(N_DRAWS, 2, 16, 6, 2).swapaxes(2, 3)
    for sample in (blocks, blocks**2 - 1):
        assert np.abs(z_scores(products(sample))).max() < 5


def test_copies_of_a_row_do_not_share_noise(shared_noise):
    for sample in (shared_noise, shared_noise**2 - 1):
        assert np.abs(z_scores((sample[:, 0] * sample[:, 1]).sum(axis=1))).max() < 5


def test_levels_of_shared_noise_are_its_own(bank_of):
    bank_of(50)
    X = np.zeros((5000, 40))
    noisy, variance = corrupt_all(draw(RANGE, 2, shape=X.shape), X, 10)
    bank = draw(RANGE, 2, shape=X.shape)
    assert bank.noise.shape[1] == 50
    expected = np.sqrt((standardised(bank) ** 2).mean(axis=2))
    standard = np.sqrt((noisy**2).mean(axis=2) / variance)
    for copy in (0, 1):
        distance = np.abs(standard[copy][:, None] - expected[copy])
        assert distance.min(axis=1).max() < 1e-12
        low, high = np.quantile(variance[copy], [0, 1])
        middle = RANGE.at(0.5) ** 2
        assert (high <= middle) if copy == 0 else (low >= middle)


# --- What it does to the estimate ---


N_ROWS, N_BANK, N_SEEDS = 256, 32, 200


def risks(objective, levels, n_seeds=N_SEEDS):
    """Risk and gradient under many draws: (n_seeds, 1 + n_parameters)."""
    X = np.random.default_rng(0).standard_normal((N_ROWS, D))
    X = X[X[:, 0].argsort()]  # blocks differ
    parameters = random_parameters(1, d=D, gains="mixed")
    rows = InMemoryRows(X, None, np.zeros(D))
    made = settings(levels=levels, objective=objective, n_corruptions=2)
    draws = (EmpiricalRisk(rows, made, (seed,))(parameters) for seed in range(n_seeds))
    return np.array([[value, *gradient.pack()] for value, gradient in draws])


@pytest.mark.parametrize(("objective", "levels"), [("dsm", SINGLE), ("ism", RANGE)])
def test_a_short_bank_leaves_the_risk_unbiased_and_costs_little_variance(
    objective, levels, bank_of, monkeypatch
):
    """At most three times as with independent noise, on eight times the bank's rows.

    Most of the variance is odd in the noise, which random signs make independent.
    """
    monkeypatch.setattr(
        "skdsm.training.empirical_risk._CHUNK_BYTES", 256
    )  # blocks of eight rows
    independent = risks(objective, levels)
    bank_of(N_BANK)
    shared = risks(objective, levels)
    assert np.abs(z_scores(shared - independent)).max() < 5
    # a bias of a hundredth of the risk would have been seen
    error = (shared - independent)[:, 0].std() / np.sqrt(N_SEEDS)
    assert 5 * error < 0.01 * independent[:, 0].mean()
    ratio = shared.var(axis=0) / independent.var(axis=0)
    assert ratio[0] < 2
    assert ratio.max() < 3
    assert N_ROWS / N_BANK == 8
