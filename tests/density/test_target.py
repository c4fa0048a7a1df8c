"""The fast target equals the model."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from support.random_models import GAINS, random_model

from skdsm.density.target import model_target
from skdsm.model.energy import EnergyModel


def rows(n_samples, d=3, seed=0):
    return 2 * np.random.default_rng(seed).standard_normal((n_samples, d))


@pytest.mark.parametrize("gains", GAINS)
@pytest.mark.parametrize(("m", "d"), [(1, 1), (50, 2), (3, 20)])
def test_target_equals_the_model(gains, m, d):
    """Up to rounding of the largest term."""
    model, X = random_model(1, m=m, d=d, gains=gains), rows(40, d)
    target = model_target(model)
    log_density, score = target.log_density_and_score(X)
    np.testing.assert_array_equal(score, target.score(X))
    rounding = 50 * np.finfo(np.float64).eps
    W, b, c, g = model.parameters
    terms = np.abs(g) @ (np.abs(W) @ np.abs(X - c).T + np.abs(b + W @ c)[:, None])
    terms += ((X - c) ** 2).sum(axis=1)
    error = np.abs(log_density + model.energy(X))
    assert np.all(error < rounding * terms / model.sigma**2)
    expected = model.score(X)
    assert np.abs(score - expected).max() < rounding * np.abs(expected).max()


def test_answers_do_not_depend_on_what_was_asked_before():
    target, fresh = (model_target(random_model(2, gains="mixed")) for _ in range(2))
    X, Y = rows(5, seed=1), rows(5, seed=2)
    density, score = fresh.log_density_and_score(X)
    for before in target:
        for other in (X, Y, Y[:2]):
            before(other)
            np.testing.assert_array_equal(target.score(X), score)
            before(other)
            np.testing.assert_array_equal(target.log_density_and_score(X)[0], density)


def test_returned_arrays_stay_as_they_are():
    target = model_target(random_model(4))
    X = rows(5)
    returned = (*target.log_density_and_score(X), target.score(X))
    copies = [array.copy() for array in returned]
    target.log_density_and_score(X + 1)
    target.score(X + 2)
    for array, copy in zip(returned, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_threads_do_not_share_memory():
    model = random_model(5, m=128, d=8)
    target = model_target(model)
    blocks = [rows(1000, 8, seed) for seed in range(40)]
    expected = [(-model.energy(X), model.score(X)) for X in blocks]

    with ThreadPoolExecutor(4) as pool:
        for actual, wanted in zip(
            pool.map(target.log_density_and_score, blocks), expected, strict=True
        ):
            for a, b in zip(actual, wanted, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)


def test_no_digits_are_lost_far_from_the_origin():
    model = random_model(6)
    offset = 2.0**13 * np.array(
        [1, -2, 1]
    )  # added without rounding to multiples of 2^-8
    X = np.rint(256 * rows(20)) / 256
    c = np.rint(256 * model.parameters.intercept_visible) / 256
    near = EnergyModel(model.parameters._replace(intercept_visible=c), model.sigma)
    far = EnergyModel(near.parameters.translate(offset), model.sigma)
    expected = model_target(near).log_density_and_score(X)
    actual = model_target(far).log_density_and_score(X + offset)
    # b - W offset is rounded, too
    for a, b in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-8)
