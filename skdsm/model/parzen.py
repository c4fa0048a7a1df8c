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
_BLOCK_ELEMENTS = 2**22  # of a block's distance matrix: 32 MiB


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
    step = max(1, _BLOCK_ELEMENTS // n)
    for start in range(0, len(X), step):
        rows = slice(start, start + step)
        block = cdist(X[rows], data, "sqeuclidean")
        block *= -0.5 / sigma**2
        block += log_weight
        yield rows, block


def held_out_log_density(X_noisy, X, weight, own, bandwidth):
    """Parzen log-density of corrupted rows, each without the row that it came from.

    Parameters
    ----------
    X_noisy : ndarray of shape (n_samples, d)
        Corrupted rows.
    X : ndarray of shape (k, d)
        Distinct clean rows.
    weight : ndarray of shape (k,)
        Their weights. Of the clean row, one row's weight is left out.
    own : ndarray of shape (n_samples,), int
        Which clean row each of the corrupted ones came from.
    bandwidth : float
        Of the density, in units of the data.

    Returns
    -------
    ndarray of shape (n_samples,)
        But for a constant; minus infinity where there is no other row.
    """
    with np.errstate(divide="ignore"):
        log_weight, log_rest = np.log(weight), np.log(weight_without_one(weight))
    rate = 0.5 / bandwidth**2
    log_density = np.empty(len(X_noisy))
    x = np.einsum("ij,ij->i", X, X)
    for rows in row_blocks(len(X_noisy), _HELD_OUT_ROWS):
        Z, at_own = X_noisy[rows], (np.arange(len(X_noisy[rows])), own[rows])
        z = np.einsum("ij,ij->i", Z, Z)
        terms = squared_distances(Z, z, X, x)
        terms *= -rate
        kept = terms[at_own] + log_rest[own[rows]]
        terms += log_weight
        terms[at_own] = kept
        largest = terms.max(axis=1)
        with np.errstate(invalid="ignore"):  # minus infinity, from itself
            terms -= largest[:, np.newaxis]
        total = np.exp(terms, out=terms).sum(axis=1)
        log_density[rows] = np.where(
            np.isfinite(largest), largest + np.log(total), largest
        )
    return log_density


def weight_without_one(weight):
    """Return the weights that are left once a row has been taken away.

    Parameters
    ----------
    weight : ndarray of shape (k,), float64
        Positive weights of distinct rows.

    Returns
    -------
    ndarray of shape (k,), float64
        Weights less the median of them, which is one row's; zero where about as much
        was all.
    """
    one = np.median(weight)
    return np.where(weight < 1.5 * one, 0.0, weight - one)


def merged_rows(rows, n_rows):
    """Take the first distinct rows, each once and with all of its weight.

    Parameters
    ----------
    rows : TrainingRows
        In random order; equal ones side by side.
    n_rows : int
        How many distinct ones, if there are that many.

    Returns
    -------
    X : ndarray of shape (k, d)
        Centred rows, in the type of the rows given.
    weight : ndarray of shape (k,), float64
        Their weights.
    """
    X = rows.X
    weight = np.ones(len(X)) if rows.weight is None else rows.weight
    starts = np.concatenate([[True], (X[1:] != X[:-1]).any(axis=1)])
    first = np.flatnonzero(starts)[: n_rows + 1]
    weight = np.add.reduceat(weight, first)[:n_rows]
    return X[first[:n_rows]], weight
