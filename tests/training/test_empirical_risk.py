"""The empirical risk of a stage: its value, its derivative, its draw of noise."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from support.drawn_noise import force_bank_of
from support.drawn_risk import (
    RANGE,
    SIGMA,
    SINGLE,
    corrupted_pairs,
    draw,
    flat,
    lattice,
)
from support.random_models import numerical_gradient, random_parameters, unpack_like

from skdsm.model.energy import EnergyModel
from skdsm.training.corruption import NoiseLevels, draw_corruption
from skdsm.training.objectives import (
    denoising_score_matching,
    implicit_score_matching,
    residual_loss,
)

either_objective = pytest.mark.parametrize("objective", ["dsm", "ism"])


@pytest.fixture(params=[None, 7, 1], ids=["one chunk", "chunks", "single rows"])
def chunks(request, monkeypatch):
    """Evaluate risks of four units in chunks of some rows."""
    if request.param is not None:
        monkeypatch.setattr(
            "skdsm.training.empirical_risk._CHUNK_BYTES", 32 * request.param
        )


@either_objective
@pytest.mark.parametrize("alpha", [0.0, 0.3])
@pytest.mark.parametrize("levels", [SINGLE, RANGE])
def test_gradient_is_the_derivative_of_the_value(objective, alpha, levels):
    X = np.random.default_rng(0).standard_normal((20, 3))
    weight = np.random.default_rng(1).uniform(0, 2, 20)
    risk = draw(X, weight, levels=levels, objective=objective, alpha=alpha)
    parameters = random_parameters(1, gains="mixed")
    expected = numerical_gradient(
        lambda vector: risk(unpack_like(vector, parameters))[0], parameters.pack()
    )
    _, gradient = risk(parameters)
    np.testing.assert_allclose(gradient.pack(), expected, rtol=1e-6, atol=1e-8)


@pytest.mark.usefixtures("chunks")
@pytest.mark.parametrize("n_corruptions", [1, 8])
def test_each_row_is_corrupted_as_often_as_asked_at_its_weight(n_corruptions):
    X = lattice(100)
    weight = np.random.default_rng(1).uniform(0.5, 2, 100)
    risk = draw(X, weight, n_corruptions=n_corruptions)
    clean, X_noisy, weights = corrupted_pairs(risk, X)
    np.testing.assert_array_equal(np.bincount(clean), n_corruptions)
    np.testing.assert_array_equal(weights, weight[clean])
    noise = (X_noisy - X[clean]) / SIGMA
    assert abs(noise.mean()) < 5 / np.sqrt(noise.size)
    assert abs(noise.var() - 1) < 5 * np.sqrt(2 / noise.size)
    assert pdist(noise).min() > 1e-3  # no noise is used twice


@pytest.mark.usefixtures("chunks")
@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_risk_is_the_objective_times_sigma4_plus_the_penalty(alpha):
    X = lattice(100)
    weight = np.random.default_rng(1).uniform(0.5, 2, 100)
    parameters = random_parameters(2, gains="mixed")
    model = EnergyModel(parameters, SIGMA)
    W = parameters.components
    penalty = np.zeros(1 + parameters.pack().size)
    penalty[0] = 0.5 * alpha * (W**2).sum()
    penalty[1 : 1 + W.size] = alpha * W.ravel()

    options = {"alpha": alpha, "n_corruptions": 8}
    risk = draw(X, weight, **options)
    clean, X_noisy, weights = corrupted_pairs(risk, X)
    dsm = flat(denoising_score_matching(model, X[clean], X_noisy, weights))
    np.testing.assert_allclose(
        flat(risk(parameters)), SIGMA**4 * dsm + penalty, rtol=1e-11, atol=1e-14
    )

    risk = draw(X, weight, objective="ism", **options)
    _, X_noisy, weights = corrupted_pairs(risk, X)
    ism = flat(implicit_score_matching(model, X_noisy, weights))
    ism[0] += 3 / (2 * SIGMA**2)  # what the two objectives differ by
    np.testing.assert_allclose(
        flat(risk(parameters)), SIGMA**4 * ism + penalty, rtol=1e-11, atol=1e-14
    )


@pytest.mark.usefixtures("chunks")
@either_objective
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("bank", [30, 10**6])
def test_risk_is_the_mean_of_the_loss_of_the_very_rows_it_corrupts(
    bank, weighted, objective, monkeypatch
):
    """Each with its own noise level, found again in the bank the noise is from."""
    force_bank_of(bank, monkeypatch)
    levels, n_copies, seed = NoiseLevels(0.01, 0.07), 3, (4, 2)
    X = lattice(100)
    weight = np.random.default_rng(1).uniform(0.5, 2, len(X)) if weighted else None
    risk = draw(
        X,
        weight,
        levels=levels,
        objective=objective,
        n_corruptions=n_copies,
        seed=seed,
    )
    clean, X_noisy, weights = corrupted_pairs(risk, X)
    assert len(clean) == n_copies * len(X)
    noise, variance, _ = draw_corruption(X.shape, levels, n_copies, seed, X.dtype)
    assert noise.shape[1] == min(bank, len(X))
    bank_rows = noise.reshape(-1, 3)
    signed = np.concatenate([bank_rows, -bank_rows])
    distance = np.linalg.norm((X_noisy - X[clean])[:, None] - signed, axis=2)
    assert distance.min(axis=1).max() < 1e-14
    tau = np.tile(variance.ravel(), 2)[distance.argmin(axis=1)]

    parameters = random_parameters(2, gains="mixed")
    if objective == "dsm":
        total, gradient = residual_loss(parameters, X_noisy, X[clean], None, weights)
    else:
        total, gradient = residual_loss(parameters, X_noisy, X_noisy, tau, weights)
        total -= 3 / 2 * (weights @ tau)
    expected = flat((total, gradient)) / weights.sum()
    np.testing.assert_allclose(flat(risk(parameters)), expected, rtol=1e-11, atol=1e-14)


def test_objectives_have_the_same_expectation():
    X = np.random.default_rng(0).standard_normal((500, 3))
    weight = np.random.default_rng(1).uniform(0.5, 2, 500)
    parameters = random_parameters(3, gains="mixed")

    def draws(objective, offset):
        return np.array(
            [
                flat(
                    draw(
                        X,
                        weight,
                        levels=RANGE,
                        objective=objective,
                        seed=(seed + offset,),
                    )(parameters)
                )
                for seed in range(200)
            ]
        )

    dsm = draws("dsm", 0)
    difference = dsm - draws("ism", 0)  # on the same noise, which has more power
    standard_error = difference.std(axis=0, ddof=1) / np.sqrt(200)
    assert (np.abs(difference.mean(axis=0)) < 5 * standard_error).all()
    assert 5 * standard_error[0] < 0.02 * dsm[:, 0].mean()
    # and other noise is independent
    other = draws("dsm", 200)
    assert abs(np.corrcoef(dsm[:, 0], other[:, 0])[0, 1]) < 5 / np.sqrt(200)


def test_expected_risk_of_a_constant_is_that_of_the_clean_rows():
    X = lattice(50)
    parameters = random_parameters(4)._replace(components=np.zeros((4, 3)))
    c = parameters.intercept_visible
    value, _ = draw(X, levels=RANGE)(parameters)
    expected = 0.5 * ((X - c) ** 2).sum(axis=1).mean()
    assert value == pytest.approx(expected, rel=1e-12)
