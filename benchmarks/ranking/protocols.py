"""Which rows are fitted to and which are ranked; y = 1 marks an anomaly.

A protocol maps (y, seed, max_rows) to two index arrays, train and test. Labels are used
for the split and the evaluation, never by a detector.
"""

import numpy as np

__all__ = [
    "PROTOCOLS",
    "one_class",
    "one_class_rows",
    "standardised",
    "unsupervised",
]


def one_class(y, seed, max_rows):
    """Fit on half of the normal rows, rank the other half and all anomalies.

    Rows are not resampled: exact duplicates would leak from train to test.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
        1 for anomalies, 0 for normal rows.
    seed : int
        Of the shuffle.
    max_rows : int
        Largest number of training rows.

    Returns
    -------
    train, test : ndarray of int
        Disjoint. The test rows do not depend on `max_rows`.
    """
    normal, anomalies = _two_classes(y)
    normal = np.random.default_rng(seed).permutation(normal)
    half = len(normal) // 2
    return normal[:half][:max_rows], np.concatenate([normal[half:], anomalies])


def one_class_rows(X, y, seed, max_rows):
    """Rows to fit to and rows to rank, both standardised, and labels of the latter."""
    train, test = one_class(y, seed, max_rows)
    return *standardised(X, train, test), y[test]


def unsupervised(y, seed, max_rows):
    """Fit to all rows and rank the same rows.

    More than `max_rows` are subsampled at random, each class by itself, so that the
    share of anomalies stays.

    Returns
    -------
    train, test : ndarray of int
        The same array twice.
    """
    normal, anomalies = _two_classes(y)
    n_rows = min(max_rows, len(y))
    n_anomalies = max(1, round(n_rows * len(anomalies) / len(y)))
    rng = np.random.default_rng(seed)
    kept = [
        rng.permutation(normal)[: n_rows - n_anomalies],
        rng.permutation(anomalies)[:n_anomalies],
    ]
    rows = rng.permutation(np.concatenate(kept))
    return rows, rows


def standardised(X, train, test):
    """Rows in units of the training rows' mean and deviation, as float64.

    A column that is constant in training is centred only: detectors see that it moves.
    """
    mean, deviation = X[train].mean(axis=0), X[train].std(axis=0)
    deviation[np.ptp(X[train], axis=0) == 0] = 1.0
    fitted = (X[train] - mean) / deviation
    return fitted, fitted if test is train else (X[test] - mean) / deviation


def _two_classes(y):
    normal, anomalies = (np.flatnonzero(y == label) for label in (0, 1))
    if len(normal) + len(anomalies) < len(y):
        raise ValueError("y must hold 0 for normal rows and 1 for anomalies, only")
    if len(normal) < 4 or not len(anomalies):
        raise ValueError("needs at least 4 normal rows and 1 anomaly")
    return normal, anomalies


PROTOCOLS = {"one-class": one_class, "unsupervised": unsupervised}
