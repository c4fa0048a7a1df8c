"""What must not change the risk of a stage does not: threads, scale, type, calls."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from support.drawn_risk import (
    RANGE,
    SIGMA,
    SINGLE,
    corrupted_pairs,
    draw,
    flat,
    lattice,
)
from support.random_models import random_parameters

from skdsm.model.energy import EnergyModel
from skdsm.training.objectives import denoising_score_matching, implicit_score_matching

either_objective = pytest.mark.parametrize("objective", ["dsm", "ism"])


@either_objective
def test_same_seed_gives_the_same_bits_and_another_does_not(objective):
    X = np.random.default_rng(0).standard_normal((500, 3))
    parameters = random_parameters(5)

    def risk(seed):
        risk = draw(X, levels=RANGE, objective=objective, seed=seed)
        return flat(risk(parameters))

    np.testing.assert_array_equal(risk((1, 2)), risk((1, 2)))
    assert risk((1, 2))[0] != risk((1, 3))[0]
    assert risk((1, 2))[0] != risk((2, 1))[0]


def threaded_risk(X, **options):
    """With so many units that there are many small chunks."""
    return draw(X, levels=RANGE, n_components=500, **options)


@pytest.mark.parametrize(
    ("objective", "weighted", "dtype"),
    [("dsm", False, np.float32), ("ism", True, np.float64)],
)
def test_threads_change_no_bit(objective, weighted, dtype):
    X = np.random.default_rng(0).standard_normal((3000, 2)).astype(dtype)
    weight = np.random.default_rng(1).uniform(0, 2, 3000) if weighted else None
    several = [random_parameters(seed, m=500, d=2) for seed in (6, 7)]
    alone = threaded_risk(X, weight=weight, objective=objective)
    expected = [flat(alone(parameters)) for parameters in several]
    for n_threads in (2, 8):
        with ThreadPoolExecutor(n_threads) as pool:
            risk = threaded_risk(X, weight=weight, objective=objective, map=pool.map)
            for _ in range(2):
                for parameters, bits in zip(several, expected, strict=True):
                    np.testing.assert_array_equal(flat(risk(parameters)), bits)


def test_work_is_divided_among_threads():
    pieces = []

    def counting_map(function, *iterables):
        results = list(map(function, *iterables))
        pieces.append(len(results))
        return results

    X = np.random.default_rng(0).standard_normal((3000, 2))
    threaded_risk(X, map=counting_map)(random_parameters(6, m=500, d=2))
    assert pieces[0] >= 4


@either_objective
def test_risk_remembers_nothing_of_earlier_parameters(objective):
    X = lattice(100)
    several = [random_parameters(seed, gains="mixed") for seed in (1, 2, 3)]
    used = draw(X, objective=objective)
    for parameters in several:
        flat(used(parameters))
    for parameters in several:
        fresh = draw(X, objective=objective)
        np.testing.assert_array_equal(flat(used(parameters)), flat(fresh(parameters)))


@either_objective
def test_equal_weights_are_no_weights(objective):
    X, parameters = lattice(100), random_parameters(4)
    plain = flat(draw(X, levels=RANGE, objective=objective)(parameters))
    for weight in (1.0, 0.3):
        risk = draw(X, np.full(100, weight), levels=RANGE, objective=objective)
        np.testing.assert_allclose(flat(risk(parameters)), plain, rtol=1e-11)


@either_objective
@pytest.mark.parametrize("levels", [SINGLE, RANGE])
def test_only_ratios_of_weights_matter(objective, levels):
    X = lattice(60)
    weight = np.random.default_rng(1).uniform(0.5, 2, 60)
    parameters = random_parameters(8)
    one, other = (
        flat(draw(X, w, levels=levels, objective=objective)(parameters))
        for w in (weight, 7 * weight)
    )
    np.testing.assert_allclose(other, one, rtol=1e-11)


@either_objective
def test_single_precision_rows_give_nearly_the_same_risk(objective):
    # not the same noise, which depends on the type: compare with the pairs drawn
    X = lattice(100)
    risk = draw(X.astype(np.float32), objective=objective)
    parameters = random_parameters(9, gains="mixed")
    value, gradient = risk(parameters)
    assert isinstance(value, float)
    assert all(block.dtype == np.float64 for block in gradient)
    clean, X_noisy, weights = corrupted_pairs(risk, X)
    assert X_noisy.dtype == weights.dtype == np.float64
    model = EnergyModel(parameters, SIGMA)
    if objective == "dsm":
        expected = flat(denoising_score_matching(model, X[clean], X_noisy, weights))
    else:
        expected = flat(implicit_score_matching(model, X_noisy, weights))
        expected[0] += 3 / (2 * SIGMA**2)
    scale = SIGMA**4 * np.abs(expected).max()
    np.testing.assert_allclose(
        flat((value, gradient)) / scale, SIGMA**4 * expected / scale, atol=1e-5
    )


@pytest.mark.parametrize("weighted", [False, True])
def test_sample_returns_as_many_corrupted_rows_as_asked(weighted):
    X = np.random.default_rng(0).standard_normal((3000, 2))
    weight = np.random.default_rng(1).uniform(0, 2, 3000)
    risk = threaded_risk(X, weight=weight if weighted else None)
    for n_rows in (1, 100, 5000, 12_000, 10**9):
        X_noisy, weights = risk.sample(n_rows)
        assert min(n_rows, 12_000) <= len(X_noisy) <= 12_000
        assert len(weights) == len(X_noisy)
        assert X_noisy.shape[1] == 2
    expected = 4 * (weight.sum() if weighted else 3000)
    assert weights.sum() == pytest.approx(expected, rel=1e-12)


def test_parameters_are_left_alone():
    X = lattice(30)
    parameters = random_parameters(10)
    before = parameters.pack().copy()
    risk = draw(X, alpha=0.1)
    _, gradient = risk(parameters)
    np.testing.assert_array_equal(X, lattice(30))
    np.testing.assert_array_equal(parameters.pack(), before)
    assert not any(
        np.shares_memory(block, other)
        for block, other in zip(gradient, parameters, strict=True)
    )
