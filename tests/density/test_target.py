"""The fast target equals the model."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from support.random_models import GAINS, random_model

from skdsm.density.target import model_target
from skdsm.model.energy import EnergyModel

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def rows(n_samples, d=3, seed=0, dtype=np.float64):
    X = 2 * np.random.default_rng(seed).standard_normal((n_samples, d))
    return X.astype(dtype)


def assert_equals_model(target, model, X, dtype):
    """Up to rounding of the largest entry."""
    energy, score = -model.energy(X), model.score(X)
    actual_energy, actual_score = target.log_density(X), target.score(X)
    together = target.log_density_and_score(X)
    np.testing.assert_array_equal(together[0], actual_energy)
    np.testing.assert_array_equal(together[1], actual_score)
    rounding = 50 * np.finfo(dtype).eps
    W, b, c, g = model.parameters
    terms = np.abs(g) @ (np.abs(W) @ np.abs(X - c).T + np.abs(b + W @ c)[:, None])
    terms += ((X - c) ** 2).sum(axis=1)
    assert np.all(np.abs(actual_energy - energy) < rounding * terms / model.sigma**2)
    assert np.abs(actual_score - score).max() < rounding * np.abs(score).max()
    assert actual_energy.dtype == np.float64
    assert actual_score.dtype == dtype
    assert actual_score.shape == X.shape


@DTYPES
@pytest.mark.parametrize("gains", GAINS)
@pytest.mark.parametrize(("m", "d"), [(4, 3), (1, 1), (50, 2), (3, 20)])
def test_target_equals_the_model(gains, dtype, m, d):
    model = random_model(1, m=m, d=d, gains=gains)
    X = rows(40, d, dtype=dtype)
    assert_equals_model(model_target(model, dtype), model, X, dtype)


@DTYPES
def test_answers_do_not_depend_on_what_was_asked_before(dtype):
    target = model_target(random_model(2, gains="mixed"), dtype)
    X, Y = rows(5, seed=1, dtype=dtype), rows(5, seed=2, dtype=dtype)
    fresh = model_target(random_model(2, gains="mixed"), dtype)
    density, score = fresh.log_density(X), fresh.score(X)
    for before in target:
        for other in (X, Y, Y[:2]):
            before(other)
            np.testing.assert_array_equal(target.score(X), score)
            before(other)
            np.testing.assert_array_equal(target.log_density(X), density)


def test_returned_arrays_stay_as_they_are():
    target = model_target(random_model(4))
    X = rows(5)
    score, density = target.score(X), target.log_density(X)
    copies = score.copy(), density.copy()
    target.score(X + 1)
    target.log_density(X + 2)
    np.testing.assert_array_equal(score, copies[0])
    np.testing.assert_array_equal(density, copies[1])


def test_threads_do_not_share_memory():
    model = random_model(5, m=128, d=8)
    target = model_target(model)
    blocks = [rows(1000, 8, seed) for seed in range(40)]
    expected = [(-model.energy(X), model.score(X)) for X in blocks]

    def evaluate(X):
        score = target.score(X)
        return target.log_density(X), score

    with ThreadPoolExecutor(4) as pool:
        for actual, wanted in zip(pool.map(evaluate, blocks), expected, strict=True):
            for a, b in zip(actual, wanted, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)


@DTYPES
def test_no_digits_are_lost_far_from_the_origin(dtype):
    """The model and its rows are moved by numbers that either type holds exactly."""
    model = random_model(6)
    offset = 2.0**13 * np.array([1, -2, 1])
    moved = EnergyModel(model.parameters.translate(offset), model.sigma)
    # multiples of 2^-8 near 2^14 fill a float32
    X = np.rint(256 * rows(20)) / 256
    c = np.rint(256 * model.parameters.intercept_visible) / 256
    near = EnergyModel(model.parameters._replace(intercept_visible=c), model.sigma)
    moved = EnergyModel(near.parameters.translate(offset), model.sigma)
    target, far = model_target(near, dtype), model_target(moved, dtype)
    X, X_far = X.astype(dtype), (X + offset).astype(dtype)
    # b - W offset is rounded, too
    atol = 1e-8 if dtype == np.float64 else 1e-4
    np.testing.assert_allclose(far.score(X_far), target.score(X), atol=atol)
    np.testing.assert_allclose(far.log_density(X_far), target.log_density(X), atol=atol)


@DTYPES
def test_rows_of_the_other_type_are_accepted(dtype):
    model = random_model(7)
    other = np.float64 if dtype == np.float32 else np.float32
    target = model_target(model, dtype)
    X = rows(10, dtype=other)
    np.testing.assert_allclose(target.score(X), model.score(X), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(target.log_density(X), -model.energy(X), rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.float16, int, complex, "object"])
def test_other_types_are_refused(dtype):
    with pytest.raises(ValueError, match="float32 or float64"):
        model_target(random_model(0), dtype)
