"""A fitted model that ranks rows: the value behind the estimator's scores."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skdsm.detection.landmarks import Landmarks
from skdsm.detection.threshold import weighted_quantile
from skdsm.model.energy import EnergyModel
from skdsm.model.marginal import MarginalModel

__all__ = ["RANKINGS", "Detector", "distance_scales"]

_LEAST_SCALE = 1e-3  # of a typical squared distance, in squared bandwidths


@dataclass(frozen=True)
class Detector:
    """A model and its ranking: the score is higher for the more normal rows.

    Attributes
    ----------
    model : EnergyModel or MarginalModel
        The model.
    ranking : str
        One of `RANKINGS`.
    landmarks : Landmarks or None
        Training rows that were kept, for ``ranking="combined"``.
    scales : pair of float or None
        Typical distances a_0 and b_0 of the combined ranking: see `distance_scales`.
    """

    model: EnergyModel | MarginalModel
    ranking: str = "energy"
    landmarks: Landmarks | None = None
    scales: Any = None

    def to(self, ops):
        """The same detector, for rows elsewhere."""
        landmarks = None if self.landmarks is None else self.landmarks.to(ops)
        return replace(self, model=self.model.to(ops), landmarks=landmarks)

    def marginal(self, origin):
        """The same detector, for rows in which cells are missing."""
        return replace(self, model=self.model.marginal(origin))

    @property
    def width(self):
        """Columns of the widest array that a row needs."""
        n_landmarks = 0 if self.landmarks is None else len(self.landmarks.X)
        return max(self.model.width, n_landmarks)

    def score(self, X):
        """Score of each row, of shape (n_samples,)."""
        return RANKINGS[self.ranking](self, X)


def _minus_energy(detector, X):
    """``-E(x)``: the log-density up to a constant."""
    return -detector.model.energy(X)


def _minus_score_norm(detector, X):
    """``-|psi(x)|``."""
    return -detector.model.score_norm(X)


def _combined(detector, X):
    """``-log(1 + a / a_0) - log(1 + b / b_0)``.

    a is the squared distance of a row to its reconstruction, b the soft minimum of its
    squared distances to the landmarks.
    """
    distances = _squared_distances(detector.model, detector.landmarks, X)
    a, b = (
        # no ratio, which could overflow
        float(np.log(scale)) - detector.model.ops.log(float(scale) + distance)
        for distance, scale in zip(distances, detector.scales, strict=True)
    )
    return a + b


RANKINGS = {
    "energy": _minus_energy,
    "score_norm": _minus_score_norm,
    "combined": _combined,
}


def distance_scales(model, landmarks):
    """Medians a_0 and b_0 of the two squared distances over the landmarks."""
    distances = _squared_distances(model, landmarks, landmarks.X)
    medians = [weighted_quantile(one, landmarks.weight, 0.5) for one in distances]
    return np.maximum(medians, _LEAST_SCALE * landmarks.bandwidth**2)


def _squared_distances(model, landmarks, X):
    with np.errstate(over="ignore"):  # to infinity, far from the data
        if isinstance(model, MarginalModel):
            distance = landmarks.observed_squared_distance(X)
        else:
            distance = landmarks.squared_distance(X)
        return model.residual_square(X), distance
