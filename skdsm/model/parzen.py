"""The Parzen density q_sigma of the training rows, and its score.

Corrupting a training row drawn at random with N(0, sigma^2 I) noise gives exactly this
density: the one that denoising score matching fits (Vincent 2011, section 4).
"""

import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import logsumexp, softmax

from skdsm._blocks import default_float_errors, row_blocks
from skdsm.model.geometry import squared_distances

__all__ = [
    "held_out_log_density",
    "merged_rows",
    "parzen_log_density",
    "parzen_posterior_mean",
    "parzen_score",
    "weight_without_one",
]

_HELD_OUT_ROWS = 128  # at a time: their distances to all centres stay in cache
_MATRIX_ELEMENTS = 2**22  # of a block's distance matrix: 32 MiB


@default_float_errors()
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
    >>> from skdsm.model.parzen import parzen_log_density
    >>> parzen_log_density([[0.0]], [[0.0]], sigma=1.0)  # -log(2 pi) / 2
    array([-0.91893853])
    """
    X, data = np.asarray(X), np.asarray(data)
    log_terms = _log_terms(X, data, sigma, sample_weight)
    out = np.concatenate([logsumexp(block, axis=1) for _, block in log_terms])
    return out - 0.5 * X.shape[1] * np.log(2 * np.pi * sigma**2)


@default_float_errors()
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
    >>> from skdsm.model.parzen import parzen_posterior_mean
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


@default_float_errors()
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
    >>> from skdsm.model.parzen import parzen_score
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
    for rows in row_blocks(len(X), max(1, _MATRIX_ELEMENTS // n)):
        distance = cdist(X[rows], data, "sqeuclidean")
        yield rows, _add_log_kernel(distance, log_weight, sigma)


def _add_log_kernel(distance, log_weight, sigma):
    """Turn squared distances into ``log w - distance / (2 sigma^2)``, in place."""
    distance *= -0.5 / sigma**2
    distance += log_weight
    return distance


def held_out_log_density(X_noisy, X, weight, source, bandwidth):
    """Parzen log-density of corrupted rows (n, d), each without the row it came from.

    Of the clean row ``X[source]``, one row's weight is left out. X (k, d) are distinct
    rows near the origin, with their weights. Up to a constant; minus infinity where
    there is no other row.
    """
    with np.errstate(divide="ignore"):
        log_weight, log_held_out = np.log(weight), np.log(weight_without_one(weight))
    log_density = np.empty(len(X_noisy))
    x = np.einsum("ij,ij->i", X, X)
    for rows in row_blocks(len(X_noisy), _HELD_OUT_ROWS):
        Z, from_source = X_noisy[rows], (np.arange(len(X_noisy[rows])), source[rows])
        z = np.einsum("ij,ij->i", Z, Z)
        terms = squared_distances(Z, z, X, x)
        held_out = terms[from_source]
        _add_log_kernel(terms, log_weight, bandwidth)
        terms[from_source] = _add_log_kernel(
            held_out, log_held_out[source[rows]], bandwidth
        )
        # log-sum-exp; SciPy's takes several times as long
        largest = terms.max(axis=1)
        with np.errstate(invalid="ignore"):  # minus infinity, from itself
            terms -= largest[:, np.newaxis]
        total = np.exp(terms, out=terms).sum(axis=1)
        log_density[rows] = np.where(
            np.isfinite(largest), largest + np.log(total), largest
        )
    return log_density


def weight_without_one(weight):
    """Weights (k,) of distinct rows, less one row's, which is their median.

    Zero where that leaves less than half a row.
    """
    one = np.median(weight)
    return np.where(weight < 1.5 * one, 0.0, weight - one)


def merged_rows(rows, n_rows):
    """Take the first distinct rows, each once and with all of its weight.

    `rows` are in memory, in random order, equal ones side by side. Returns centred rows
    (k, d) and their weights (k,); at most `n_rows`. No more rows are read than needed.
    """
    n_read = 2 * n_rows
    while True:
        X = rows.centred(slice(n_read))
        starts = np.concatenate([[True], (X[1:] != X[:-1]).any(axis=1)])
        first = np.flatnonzero(starts)[: n_rows + 1]
        if len(first) > n_rows or n_read >= rows.n_rows:
            break
        n_read *= 4
    weight = np.ones(len(X)) if rows.weight is None else rows.weight[: len(X)]
    weight = np.add.reduceat(weight, first)[:n_rows]
    return X[first[:n_rows]], weight
