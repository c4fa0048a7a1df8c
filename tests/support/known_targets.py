"""Targets whose draws and moments are known, and how far a sample is from them."""

from typing import NamedTuple

import numpy as np

from skdsm.density.target import model_target
from skdsm.mcmc.hmc import Target
from skdsm.model.energy import EnergyModel
from skdsm.model.parameters import Parameters
from support import exact_reference
from support.random_models import random_model


class KnownTarget(NamedTuple):
    target: Target
    draws: np.ndarray  # independent, exact
    first: np.ndarray  # E[x]
    second: np.ndarray  # E[x x']


def target_of(log_density, score):
    return Target(score, lambda X: (log_density(X), score(X)))


def gaussian_target(covariance, mean=0.0):
    precision = np.linalg.inv(covariance)
    return target_of(
        lambda X: -0.5 * np.einsum("ij,ij->i", (X - mean) @ precision, X - mean),
        lambda X: (mean - X) @ precision,
    )


def gaussian(n_draws, seed=0):
    """Three coordinates of different scales, two of them strongly correlated."""
    rng = np.random.default_rng(seed)
    mean = np.array([1.0, -2.0, 0.5])
    covariance = np.array([[1.0, 0.9, 0.0], [0.9, 1.2, 0.1], [0.0, 0.1, 0.25]])
    draws = rng.multivariate_normal(mean, covariance, size=n_draws)
    second = covariance + np.outer(mean, mean)
    return KnownTarget(gaussian_target(covariance, mean), draws, mean, second)


def mixture_model():
    """Twelve Gaussians in the plane, overlapping: n = (1, 2, 1)."""
    sigma = 0.8
    W, b, c, _ = random_model(7, m=3, d=2).parameters
    return EnergyModel(Parameters(W, b, c, sigma**2 * np.array([1.0, 2, 1])), sigma)


def mixture(n_draws, seed=0):
    model = mixture_model()
    theta, sigma = tuple(model.parameters), model.sigma
    rng = np.random.default_rng(seed)
    draws = np.array(exact_reference.draw(theta, sigma, n_draws, rng))
    mean, covariance = map(np.array, exact_reference.mixture_moments(theta, sigma))
    second = covariance + np.outer(mean, mean)
    return KnownTarget(model_target(model), draws, mean, second)


def moment_errors(X, known):
    """Errors of all first and second moments of independent rows, over their s.e."""
    i, j = np.triu_indices(X.shape[1])
    moments = np.hstack([X, X[:, i] * X[:, j]])
    expected = np.append(known.first, known.second[i, j])
    standard_error = moments.std(axis=0) / np.sqrt(len(X))
    return (moments.mean(axis=0) - expected) / standard_error
