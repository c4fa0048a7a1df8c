"""Noise is Gaussian, of the promised level, and a pure function of the seed.

The statistical tests have fixed seeds and 60,000 draws or more. A Kolmogorov-Smirnov
test at level 1e-4 then detects a distribution function that is off by 0.01 anywhere: a
standard deviation that is wrong by 4 percent, say.
"""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import kstest
from support.drawn_noise import RANGE, SINGLE, D, N, corrupt_all, draw, standardised

from skdsm.training.corruption import NoiseLevels

both_kinds = pytest.mark.parametrize("levels", [SINGLE, RANGE])
both_types = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def assert_distributed(sample, distribution):
    assert kstest(np.ravel(sample), distribution).pvalue > 1e-4


def assert_uncorrelated(columns):
    """No two of the columns, nor of their absolute values, nor one with another's."""
    columns = np.asarray(columns)
    correlation = np.corrcoef([*columns, *np.abs(columns)])
    off_diagonal = correlation[~np.eye(len(correlation), dtype=bool)]
    assert np.abs(off_diagonal).max() < 5 / np.sqrt(columns.shape[1])


@both_kinds
@both_types
def test_same_seed_gives_the_same_bits(levels, dtype):
    np.random.seed(0)  # noqa: NPY002 - the global state must not matter
    first = draw(levels, 4, (7, 1), dtype=dtype)
    np.random.seed(1)  # noqa: NPY002
    second = draw(levels, 4, (7, 1), dtype=dtype)
    np.testing.assert_array_equal(first.noise, second.noise)
    np.testing.assert_array_equal(first.variance, second.variance)


@both_kinds
def test_standardised_noise_depends_on_the_seed_only(levels):
    noise = standardised(draw(levels, 2, (3,)))
    other = standardised(draw(NoiseLevels(1.0, 2.0), 2, (3,)))
    np.testing.assert_allclose(other, noise, atol=1e-12)


def test_other_seeds_and_copies_and_features_have_independent_noise():
    seeds = [(0, 0), (1, 0), (0, 1), (1, 1)]
    draws = [standardised(draw(RANGE, 2, seed)) for seed in seeds]
    assert_uncorrelated(
        [column for noise in draws for copy in noise for column in copy.T]
    )


def test_other_rows_have_independent_noise():
    copy = standardised(draw(RANGE))[0]
    lagged = [copy[lag : N - 10 + lag, 0] for lag in range(10)]
    assert_uncorrelated(lagged)


def test_other_seeds_and_copies_and_rows_have_independent_levels():
    seeds = [(0, 0), (1, 0), (0, 1)]
    levels = [
        np.log(copy) for seed in seeds for copy in draw(RANGE, 2, seed, (N, 1)).variance
    ]
    lagged = [levels[0][lag : N - 5 + lag] for lag in range(1, 5)]
    same_length = [level[: N - 5] for level in levels] + lagged
    assert_uncorrelated([level - level.mean() for level in same_length])


@both_kinds
@both_types
def test_noise_is_standard_normal_times_its_level(levels, dtype):
    corruption = draw(levels, 2, dtype=dtype)
    noise = standardised(corruption)
    assert_distributed(noise, "norm")
    assert abs(noise.mean()) < 5 / np.sqrt(noise.size)
    assert abs(noise.var() - 1) < 5 * np.sqrt(2 / noise.size)
    # the level of a row says nothing about the direction or length of its noise
    variance = draw(RANGE, 2, dtype=dtype).variance[0]
    for sample in (*noise[0].T, *np.abs(noise[0].T)):
        assert abs(np.corrcoef(sample, variance)[0, 1]) < 5 / np.sqrt(N)


def test_levels_are_log_uniform():
    level = np.sqrt(draw(RANGE, shape=(60_000, 1)).variance)
    assert (level >= 0.1 * (1 - 1e-12)).all()
    assert (level <= 1 + 1e-12).all()
    assert_distributed(np.log(level / 0.1) / np.log(10), "uniform")


@both_types
def test_single_level_is_exact(dtype):
    variance = draw(SINGLE, 3, dtype=dtype).variance
    assert variance.shape == (3, N)
    np.testing.assert_array_equal(variance, 0.25)


def test_copies_share_out_the_range():
    n_copies = 4
    variance = draw(RANGE, n_copies, shape=(15_000, 1)).variance
    quantile = 0.5 * np.log(variance / 0.01) / np.log(10)
    for copy in range(n_copies):
        part = n_copies * quantile[copy] - copy
        assert (np.abs(part - 0.5) < 0.5 + 1e-9).all()
        assert_distributed(part, "uniform")
    assert_distributed(quantile, "uniform")


@pytest.mark.parametrize("levels", [SINGLE, RANGE, NoiseLevels(1e-3, 50.0)])
def test_mean_square_is_that_of_the_levels(levels):
    expected, _ = quad(lambda q: levels.at(q) ** 2, 0, 1, epsrel=1e-12)
    assert levels.mean_square == pytest.approx(expected, rel=1e-9)
    variance = draw(levels, shape=(60_000, 1)).variance
    standard_error = np.std(variance) / np.sqrt(60_000)
    assert abs(np.mean(variance) - expected) <= 5 * standard_error


@pytest.mark.parametrize("width", [2.3e-16, 1e-14, 1e-10, 1e-5])
def test_mean_square_of_a_narrow_range_keeps_its_digits(width):
    levels = NoiseLevels(1.9, 1.9 * (1 + width))
    assert levels.low < levels.high
    assert levels.mean_square == pytest.approx(1.9**2 * (1 + width), rel=1e-9)


@both_kinds
@both_types
def test_rows_keep_their_type_and_are_left_alone(levels, dtype):
    X = np.random.default_rng(0).standard_normal((50, D)).astype(dtype)
    X.flags.writeable = False
    corruption = draw(levels, 2, shape=X.shape, dtype=dtype)
    noisy, variance = corruption.apply(X, 1, 0, False)
    assert noisy.dtype == variance.dtype == corruption.noise.dtype == dtype
    assert noisy.shape == X.shape
    assert variance.shape == (50,)
    out = np.empty_like(X)
    assert corruption.apply(X, 1, 0, True, out=out)[0] is out
    np.testing.assert_allclose(noisy + out, 2 * X, atol=1e-6)  # signs cancel


@both_kinds
@pytest.mark.parametrize("block_size", [7, 100, 10**6])
def test_each_row_has_its_own_noise_while_the_bank_is_as_long_as_the_data(
    levels, block_size
):
    X = np.random.default_rng(0).standard_normal((300, D))
    corruption = draw(levels, 4, shape=X.shape)
    assert corruption.n_copies == 4
    noisy, variance = corrupt_all(corruption, X, block_size)
    np.testing.assert_array_equal(noisy, X + corruption.noise)
    np.testing.assert_array_equal(variance, corruption.variance)
    assert len(np.unique(corruption.noise)) == 4 * 300 * D
