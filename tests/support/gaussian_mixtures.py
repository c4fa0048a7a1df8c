"""Mixtures of Gaussians of equal width, as targets, and tests of what visits them."""

import numpy as np
from scipy.special import logsumexp, softmax
from scipy.stats import chi2

from support.known_targets import target_of


def mixture_target(means, weights, sigma, log_scale=0.0):
    """Density ``exp(log_scale)`` times a mixture of N(mean, sigma^2 I)."""
    means = np.asarray(means, float)
    log_weights = np.log(weights) - np.log(np.sum(weights))
    normaliser = 0.5 * means.shape[1] * np.log(2 * np.pi * sigma**2)

    def log_terms(X):
        square = ((X[:, None] - means) ** 2).sum(axis=-1)
        return log_weights - square / (2 * sigma**2)

    def log_density(X):
        return logsumexp(log_terms(X), axis=1) - normaliser + log_scale

    def score(X):
        return (softmax(log_terms(X), axis=1) @ means - X) / sigma**2

    return target_of(log_density, score)


def ring(n_modes=8, radius=2.0):
    """Means on a circle in the plane."""
    angle = 2 * np.pi * np.arange(n_modes) / n_modes
    return radius * np.column_stack([np.cos(angle), np.sin(angle)])


def ring_moments(sigma, radius=2.0, inflation=4.0):
    """Mean and inflated covariance of the ring with equal weights."""
    return np.zeros(2), inflation * (0.5 * radius**2 + sigma**2) * np.eye(2)


def coordinates(path, X):
    """The inverse of `path.rows`."""
    return np.linalg.solve(path.factor, (X - path.mean).T).T


def nearest(X, means):
    """Index of the mean that is nearest to each row."""
    return ((X[:, None] - means) ** 2).sum(axis=-1).argmin(axis=1)


def weights_p_value(X, means, weights):
    """Chi-square test of how often each mode is visited, for independent rows."""
    expected = len(X) * np.asarray(weights) / np.sum(weights)
    counts = np.bincount(nearest(X, means), minlength=len(means))
    return chi2.sf(((counts - expected) ** 2 / expected).sum(), len(means) - 1)


def moment_z_scores(X, mean, covariance):
    """Standard errors that means and second moments of independent rows are off by."""
    Z = X - mean
    products = Z[:, :, None] * Z[:, None, :]
    first = Z.mean(axis=0) / np.sqrt(np.diag(covariance) / len(X))
    second = (products.mean(axis=0) - covariance) / (
        products.std(axis=0) / np.sqrt(len(X))
    )
    return np.concatenate([first, second.ravel()])
