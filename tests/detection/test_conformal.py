"""Conformal p-values are super-uniform, and false alarms have their exact law."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import betabinom, chisquare, kstest

from skdsm.detection.conformal import (
    conformal_p_values,
    conformal_threshold,
    least_calibration,
)

same_every_time = settings(deadline=None, derandomize=True)
few_scores = st.lists(st.integers(-4, 4).map(float), min_size=1, max_size=12)
alphas = st.floats(0.01, 0.99)


@same_every_time
@given(few_scores, few_scores)
def test_p_value_is_the_rank_among_the_calibration_scores_and_itself(scores, others):
    expected = [
        (1 + sum(other <= score for other in others)) / (len(others) + 1)
        for score in scores
    ]
    np.testing.assert_allclose(conformal_p_values(scores, others), expected, rtol=1e-15)


@same_every_time
@given(few_scores, alphas)
def test_p_values_are_super_uniform_exactly(scores, alpha):
    """Each of n + 1 exchangeable scores is as likely as any to be the new row's."""
    rejected = 0
    for i, score in enumerate(scores):
        others = scores[:i] + scores[i + 1 :]
        if others:
            rejected += conformal_p_values([score], others)[0] <= alpha
    assert rejected <= alpha * len(scores)


@same_every_time
@given(few_scores, few_scores, alphas)
def test_scores_below_the_threshold_are_those_of_small_p_values(scores, others, alpha):
    small = conformal_p_values(scores, others) <= alpha
    if alpha < 1 / (len(others) + 1):
        assert not small.any()
        with pytest.raises(ValueError, match="no row would ever be an outlier"):
            conformal_threshold(others, alpha)
    else:
        threshold = conformal_threshold(others, alpha)
        np.testing.assert_array_equal(np.array(scores) < threshold, small)


@pytest.mark.parametrize("n", [9, 19, 99, 199, 999])
def test_multiples_of_one_over_n_plus_one_are_reached(n):
    """Where alpha (n + 1) is whole, rounding must not cost a row."""
    scores = np.arange(n, dtype=float)
    for k in (1, 2, 3, n // 2, n):
        assert conformal_threshold(scores, k / (n + 1)) == k - 1
        assert conformal_p_values([k - 1.5], scores) == k / (n + 1)


@pytest.mark.parametrize("alpha", [0.1, 0.05, 0.03, 0.01, 0.001, 1 / 3])
def test_fewest_calibration_rows_are_named(alpha):
    n = least_calibration(alpha)
    conformal_threshold(np.arange(float(n)), alpha)
    with pytest.raises(ValueError, match=f"needs {n} calibration rows"):
        conformal_threshold(np.arange(n - 1.0), alpha)


def test_number_of_false_alarms_is_beta_binomial():
    """2,000 splits of 50 calibration and 40 new rows, by a chi-square test.

    An error by one rank would show: the law of k + 1 is refused.
    """
    rng = np.random.default_rng(0)
    n, m, alpha = 50, 40, 0.1
    counts = np.array(
        [
            (conformal_p_values(rows[n:], rows[:n]) <= alpha).sum()
            for rows in rng.standard_cauchy((2000, n + m))
        ]
    )
    k = int(alpha * (n + 1))
    law = betabinom(m, k, n + 1 - k)
    top = 9  # counts from here on are one cell, of 15 expected at least
    cells = np.bincount(np.minimum(counts, top), minlength=top + 1)
    expected = np.append(law.pmf(np.arange(top)), law.sf(top - 1))
    assert expected.min() * 2000 > 15
    assert chisquare(cells, 2000 * expected).pvalue > 1e-3
    wrong = betabinom(m, k + 1, n - k)
    expected = np.append(wrong.pmf(np.arange(top)), wrong.sf(top - 1))
    assert chisquare(cells, 2000 * expected).pvalue < 1e-30


@pytest.mark.parametrize("n_values", [2, 5, None], ids=["two", "five", "continuous"])
def test_randomised_p_values_are_uniform_whatever_the_ties(n_values):
    """A shift of 0.03 in the distribution function of 5,000 would show."""
    rng = np.random.default_rng(1)
    rows = rng.random((5000, 8))
    if n_values:
        rows = np.floor(n_values * rows)
    p = [conformal_p_values(row[7:], row[:7], rng)[0] for row in rows]
    assert kstest(p, "uniform").pvalue > 1e-3
    plain = np.array([conformal_p_values(row[7:], row[:7])[0] for row in rows])
    assert (plain >= p).all()
    for alpha in (0.125, 0.25, 0.5):  # and without: at most, within 3 standard errors
        assert (plain <= alpha).mean() <= alpha + 3 * np.sqrt(alpha / 5000)


def test_randomised_p_values_are_positive_and_reproducible():
    scores, others = np.full(1000, -9.0), np.zeros(3)
    p = conformal_p_values(scores, others, np.random.default_rng(0))
    assert 0 < p.min() < p.max() <= 0.25
    again = conformal_p_values(scores, others, np.random.default_rng(0))
    np.testing.assert_array_equal(p, again)


def test_infinite_scores_are_ranked():
    p = conformal_p_values([-np.inf, np.inf], [0.0, 1.0, 2.0])
    np.testing.assert_array_equal(p, [0.25, 1.0])


@pytest.mark.parametrize(
    ("scores", "others", "message"),
    [
        ([0.0], [], "no calibration scores"),
        ([[0.0]], [1.0], "scores must have one dimension"),
        ([0.0], [[1.0]], "calibration_scores must have one dimension"),
        ([np.nan], [1.0], "scores contain NaN"),
        ([0.0], [np.nan], "calibration_scores contain NaN"),
    ],
)
def test_bad_scores_are_refused(scores, others, message):
    with pytest.raises(ValueError, match=message):
        conformal_p_values(scores, others)
