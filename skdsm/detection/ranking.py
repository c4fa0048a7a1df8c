"""How normal a row is: what the estimator's scores are made of.

A ranking is a function of a model and rows, and higher for the more normal ones.
"""

from functools import partial

import numpy as np

from skdsm.detection.threshold import weighted_quantile

__all__ = ["RANKINGS", "combined_ranking", "distance_scales", "minus_combined"]

_LEAST_SCALE = 1e-3  # of a typical squared distance, in squared bandwidths


def _minus_energy(model, X):
    return -model.energy(X)


def _minus_score_norm(model, X):
    return -model.score_norm(X)


RANKINGS = {"energy": _minus_energy, "score_norm": _minus_score_norm}
"""Rankings by the model alone."""


def combined_ranking(landmarks, scales):
    """Rank by two distances: to the denoised row, and to the training rows.

    With a the squared distance of a row x to its reconstruction r(x), and b the soft
    minimum of its squared distances to the landmarks, the score is
    ``-log(1 + a / a_0) - log(1 + b / b_0)``.

    Parameters
    ----------
    landmarks : Landmarks
        The training rows that were kept.
    scales : pair of float
        Typical distances a_0 and b_0: see `distance_scales`.

    Returns
    -------
    callable
        The ranking.
    """
    return partial(minus_combined, landmarks=landmarks, scales=scales)


def distance_scales(model, landmarks):
    """Compute the medians of the two squared distances over the landmarks.

    Parameters
    ----------
    model : EnergyModel
        The model.
    landmarks : Landmarks
        The training rows that were kept.

    Returns
    -------
    ndarray of shape (2,), float64
        The scales a_0 and b_0, in squared units of the data; positive.
    """
    distances = _squared_distances(model, landmarks.X, landmarks)
    medians = [weighted_quantile(one, landmarks.weight, 0.5) for one in distances]
    return np.maximum(medians, _LEAST_SCALE * landmarks.bandwidth**2)


def _squared_distances(model, X, landmarks):
    with np.errstate(over="ignore"):  # to infinity, far from the data
        return model.residual_square(X), landmarks.squared_distance(X)


def minus_combined(model, X, *, landmarks, scales):
    """Rank by two distances: see `combined_ranking`.

    Parameters
    ----------
    model : EnergyModel
        The model.
    X : ndarray of shape (n_samples, d)
        Rows.
    landmarks : Landmarks
        The training rows that were kept.
    scales : pair of float
        Typical distances a_0 and b_0.

    Returns
    -------
    ndarray of shape (n_samples,), float64
        Scores, higher for more normal rows.
    """
    score = np.zeros(len(X))
    for distance, scale in zip(
        _squared_distances(model, X, landmarks), scales, strict=True
    ):
        score += np.log(scale) - np.log(scale + distance)  # no ratio to overflow
    return score
