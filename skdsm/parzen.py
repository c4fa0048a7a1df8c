"""The Parzen density q_sigma of the training rows, and its score.

Corrupting a training row drawn at random with N(0, sigma^2 I) noise gives exactly this
density: the one that denoising score matching fits (Vincent 2011, section 4).
"""

import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import logsumexp, softmax

__all__ = ["parzen_log_density", "parzen_posterior_mean", "parzen_score"]

_BLOCK_ELEMENTS = 2**22  # of a block's distance matrix: 32 MiB


def parzen_log_density(X, data, sigma, sample_weight=None):
    """Log-density of the Gaussian Parzen window estimate.

    Parameters
    ----------
    X : array-like of shape (n_queries, d)
        Where to evaluate.
    data : array-like of shape (n_samples, d)
        Training rows.
    sigma : float
        Bandwidth, in units of the data.
    sample_weight : array-like of shape (n_samples,), optional
        Weight of each training row.

    Returns
    -------
    ndarray of shape (n_queries,)
        ``log q_sigma(x)``, normalised.

    Examples
    --------
    >>> from skdsm.parzen import parzen_log_density
    >>> parzen_log_density([[0.0]], [[0.0]], sigma=1.0)  # -log(2 pi) / 2
    array([-0.91893853])
    """
    X, data = np.asarray(X), np.asarray(data)
    log_terms = _log_terms(X, data, sigma, sample_weight)
    out = np.concatenate([logsumexp(block, axis=1) for _, block in log_terms])
    return out - 0.5 * X.shape[1] * np.log(2 * np.pi * sigma**2)


def parzen_posterior_mean(X, data, sigma, sample_weight=None):
    """Expected clean row given a noisy one: the ideal denoiser (Tweedie's formula).

    Parameters
    ----------
    X : array-like of shape (n_queries, d)
        Noisy rows.
    data : array-like of shape (n_samples, d)
        Training rows.
    sigma : float
        Bandwidth, in units of the data.
    sample_weight : array-like of shape (n_samples,), optional
        Weight of each training row.

    Returns
    -------
    ndarray of shape (n_queries, d)
        ``sum_i p(i | x) x_i`` with ``p(i | x)`` proportional to
        ``w_i exp(-|x - x_i|^2 / (2 sigma^2))``.

    Examples
    --------
    >>> from skdsm.parzen import parzen_posterior_mean
    >>> parzen_posterior_mean([[0.5]], [[0.0], [1.0]], sigma=1.0)
    array([[0.5]])
    """
    X, data = np.asarray(X), np.asarray(data)
    origin = data[0]  # the weighted mean of offsets keeps the digits of far-away data
    return np.concatenate(
        [
            softmax(block, axis=1) @ (data - origin) + origin
            for _, block in _log_terms(X, data, sigma, sample_weight)
        ]
    )


def parzen_score(X, data, sigma, sample_weight=None):
    """Gradient of the Parzen log-density.

    Parameters
    ----------
    X : array-like of shape (n_queries, d)
        Where to evaluate.
    data : array-like of shape (n_samples, d)
        Training rows.
    sigma : float
        Bandwidth, in units of the data.
    sample_weight : array-like of shape (n_samples,), optional
        Weight of each training row.

    Returns
    -------
    ndarray of shape (n_queries, d)
        ``grad log q_sigma(x) = (E[clean | x] - x) / sigma^2``.

    Examples
    --------
    >>> from skdsm.parzen import parzen_score
    >>> parzen_score([[2.0]], [[0.0]], sigma=0.5)
    array([[-8.]])
    """
    return (parzen_posterior_mean(X, data, sigma, sample_weight) - X) / sigma**2


def _log_terms(X, data, sigma, sample_weight):
    """Yield (rows, log w_i - |x - x_i|^2 / (2 sigma^2)) for blocks of queries."""
    n = len(data)
    weight = np.ones(n) if sample_weight is None else np.asarray(sample_weight, float)
    with np.errstate(divide="ignore"):  # a weight of zero is a log weight of -inf
        log_weight = np.log(weight / weight.sum())
    step = max(1, _BLOCK_ELEMENTS // n)
    for start in range(0, len(X), step):
        rows = slice(start, start + step)
        block = cdist(X[rows], data, "sqeuclidean")
        block *= -0.5 / sigma**2
        block += log_weight
        yield rows, block
