"""The equivalences that the paper proves, as values and as gradients.

Twice: with the expectation over the noise done by quadrature, to many digits but in low
dimension; and by Monte Carlo, with the arithmetic of training.
"""

import numpy as np
import pytest
from support.random_models import random_model

from skdsm.model.parzen import parzen_score
from skdsm.training.objectives import (
    denoising_autoencoder,
    denoising_score_matching,
    explicit_score_matching,
    implicit_score_matching,
)

SIGMA = 0.8
PROBABILITY = np.array([0.2, 0.5, 0.3])  # of the training rows


def flat(objective):
    """Value and gradient in one vector."""
    value, gradient = objective
    return np.concatenate([[value], gradient.pack()])


def three_objectives(model, X, X_noisy, score, weight=None):
    return (
        flat(denoising_score_matching(model, X, X_noisy, weight)),
        flat(implicit_score_matching(model, X_noisy, weight)),
        flat(explicit_score_matching(model, X_noisy, score, weight)),
    )


@pytest.fixture(params=[1, 2], ids=["1-D", "2-D"])
def noise_by_quadrature(request):
    """Clean and corrupted rows whose weighted means are expectations over the noise."""
    d = request.param
    data = np.array([[-1.0, 0.3], [0.2, -0.9], [1.1, 0.8]])[:, :d]
    # Against the normal density, the trapezium rule converges faster than the rule of
    # Gauss and Hermite: the integrands have poles near the real axis.
    nodes = np.linspace(-9, 9, 151)
    grids = np.meshgrid(*[nodes] * d, indexing="ij")
    noise = np.stack([grid.ravel() for grid in grids], axis=1)
    noise_weight = np.exp(-0.5 * (noise**2).sum(axis=1))
    X = np.repeat(data, len(noise), axis=0)
    X_noisy = X + SIGMA * np.tile(noise, (3, 1))
    weight = np.repeat(PROBABILITY, len(noise)) * np.tile(noise_weight, 3)
    return data, X, X_noisy, weight / weight.sum()


@pytest.mark.parametrize("gains", ["unit", "mixed"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_objectives_are_equal_up_to_constants(noise_by_quadrature, gains, seed):
    data, X, X_noisy, weight = noise_by_quadrature
    d = data.shape[1]
    model = random_model(seed, d=d, gains=gains, sigma=SIGMA)
    score = parzen_score(X_noisy, data, SIGMA, PROBABILITY)
    dsm, ism, esm = three_objectives(model, X, X_noisy, score, weight)
    dae = flat(denoising_autoencoder(model, X, X_noisy, weight))
    np.testing.assert_allclose(dae, dsm, rtol=1e-11, atol=1e-12)

    free_of_parameters = np.zeros_like(dsm)  # and so without gradient
    free_of_parameters[0] = d / (2 * SIGMA**2)
    np.testing.assert_allclose(dsm - ism, free_of_parameters, rtol=0, atol=1e-10)
    noise_score = (X - X_noisy) / SIGMA**2
    half_squares = 0.5 * ((noise_score**2).sum(axis=1) - (score**2).sum(axis=1))
    free_of_parameters[0] = weight @ half_squares
    np.testing.assert_allclose(dsm - esm, free_of_parameters, rtol=0, atol=1e-10)
    assert 0.05 < free_of_parameters[0] < d / (2 * SIGMA**2)


N_BATCHES, BATCH = 200, 1000


@pytest.fixture(scope="module")
def noise_by_monte_carlo():
    """Batches of clean and corrupted rows, and the score of q_sigma at the latter."""
    rng = np.random.default_rng(0)
    data = rng.standard_normal((6, 3))
    X = data[rng.integers(6, size=(N_BATCHES, BATCH))]
    X_noisy = X + SIGMA * rng.standard_normal(X.shape)
    score = parzen_score(X_noisy.reshape(-1, 3), data, SIGMA).reshape(X.shape)
    return X, X_noisy, score


def z_scores(differences):
    """Mean over batches in standard errors, and the standard errors."""
    standard_error = differences.std(axis=0, ddof=1) / np.sqrt(len(differences))
    return differences.mean(axis=0) / standard_error, standard_error


@pytest.mark.parametrize(("gains", "seed"), [("unit", 0), ("mixed", 1)])
def test_objectives_agree_in_expectation(noise_by_monte_carlo, gains, seed):
    model = random_model(seed, gains=gains, sigma=SIGMA)
    dsm, ism, esm = np.moveaxis(
        [
            three_objectives(model, *batch)
            for batch in zip(*noise_by_monte_carlo, strict=True)
        ],
        1,
        0,
    )
    X, X_noisy, score = noise_by_monte_carlo

    minus_ism = dsm - ism
    minus_ism[:, 0] -= 3 / (2 * SIGMA**2)
    z, standard_error = z_scores(minus_ism)
    assert np.abs(z).max() < 5
    # five standard errors are a small part of what is compared
    assert 5 * standard_error[0] < 0.1 * 3 / (2 * SIGMA**2)
    assert 5 * standard_error[1:].max() < 0.05 * np.abs(dsm[:, 1:].mean(axis=0)).max()

    minus_esm = dsm - esm
    noise_score = (X - X_noisy) / SIGMA**2
    constant = 0.5 * (noise_score**2 - score**2).sum(axis=2).mean(axis=1)
    minus_esm[:, 0] -= constant
    z, standard_error = z_scores(minus_esm)
    assert np.abs(z).max() < 5
    assert 5 * standard_error[0] < 0.1 * constant.mean()
