"""The estimator as an outlier detector: rankings and thresholds."""

from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import OutlierMixin

from skdsm._blocks import block_map
from skdsm._sklearn.array_backend import to_numpy
from skdsm._sklearn.backends import backend_of, block_rows_of, evaluate, query
from skdsm._sklearn.schedulers import local_threads
from skdsm._typing import ArrayLike, Doubles
from skdsm.detection.detector import Detector, distance_scales
from skdsm.detection.landmarks import Landmarks, choose_landmarks
from skdsm.detection.threshold import (
    contamination_threshold,
    tukey_threshold,
)
from skdsm.model.energy import EnergyModel
from skdsm.model.parameters import Parameters

__all__ = ["LANDMARK_ATTRIBUTES", "DetectionMixin", "fitted_model"]

# Of the bandwidth of a density: for a ranking, the nearest landmarks say more.
_NEARNESS = 0.5

# Only of models that rank by them.
LANDMARK_ATTRIBUTES = (
    "landmarks_",
    "landmark_weight_",
    "bandwidth_",
    "ranking_scales_",
)


def fitted_model(fitted):  # numpydoc ignore=PR01,RT01
    """Model that a mapping of fitted attributes describes."""
    names = ("components_", "intercept_hidden_", "intercept_visible_", "gains_")
    # in double precision, also from a device that has none
    parameters = Parameters(
        *(np.asarray(to_numpy(fitted[name]), dtype=np.float64) for name in names)
    )
    return EnergyModel(parameters, float(fitted["sigma_"]))


class DetectionMixin(OutlierMixin):
    """What ranks rows, and tells inliers from outliers."""

    if TYPE_CHECKING:
        ranking: str
        n_landmarks: int
        contamination: float | Literal["auto"]
        offset_: float
        n_jobs: int | None

        def _validate_params(self) -> None: ...

    @query
    def fit_threshold(
        self, X: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Set the threshold anew, by the present `contamination` and `ranking`.

        The model stays as it is. With the rows of the fit this is what another fit
        would set; rows that were held out are a fairer sample of new ones.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row; None is one each.

        Returns
        -------
        self : DenoisingScoreMatcher
            The estimator.

        Raises
        ------
        ValueError
            If X, the weights or a parameter are not valid.

        Examples
        --------
        >>> from skdsm import DenoisingScoreMatcher
        >>> X = [[0], [1], [3], [7]]
        >>> matcher = DenoisingScoreMatcher(2, random_state=0).fit(X)
        >>> matcher = matcher.set_params(contamination=0.5).fit_threshold(X)
        >>> int((matcher.predict(X) == -1).sum())
        2
        """
        self._validate_params()
        backend = backend_of(X)
        X = backend.check_rows(self, X, reset=False)
        sample_weight = backend.check_weights(sample_weight, X)
        rows = backend.prepare(X, sample_weight, 0, type(self).__name__)
        with block_map(local_threads(self.n_jobs)) as map:
            self.__dict__.update(self._threshold(rows, vars(self), map))
        return self

    @query
    def score_samples(self, X: ArrayLike) -> Doubles:
        """Score rows: the higher, the more normal.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        scores : ndarray of shape (n_samples,), float64
            Minus the energy, which is the log-density up to a constant; or what
            `ranking` says.

        Raises
        ------
        ValueError
            If ``ranking="combined"``, and it was not at the time of the fit.

        Examples
        --------
        >>> from skdsm import DenoisingScoreMatcher
        >>> matcher = DenoisingScoreMatcher(2, random_state=0).fit([[0], [1], [3]])
        >>> near, far = matcher.score_samples([[1], [9]])
        >>> bool(near > far)
        True
        """
        return evaluate(self, Detector.score, self._detector(vars(self)), X)

    @query
    def decision_function(self, X: ArrayLike) -> Doubles:
        """Score rows relative to the threshold.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        decision : ndarray of shape (n_samples,), float64
            ``score_samples(X) - offset_``, negative for outliers.

        Raises
        ------
        ValueError
            If `ranking` has changed since the threshold was set.

        Examples
        --------
        >>> from skdsm import DenoisingScoreMatcher
        >>> matcher = DenoisingScoreMatcher(2, random_state=0).fit([[0], [1], [3]])
        >>> matcher.decision_function([[1], [9]]) < 0
        array([False,  True])
        """
        # a model that another hand has put together does not say
        ranking = getattr(self, "_offset_ranking", self.ranking)
        if self.ranking != ranking:
            raise ValueError(
                f"The threshold offset_ is one of ranking={ranking!r}, but ranking is "
                f"now {self.ranking!r}. Please call fit_threshold or fit."
            )
        return self.score_samples(X) - self.offset_

    @query
    def predict(self, X: ArrayLike) -> NDArray[np.int64]:
        """Tell inliers from outliers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        is_inlier : ndarray of shape (n_samples,), int
            1 where ``decision_function`` is at least zero, otherwise -1.

        Examples
        --------
        >>> from skdsm import DenoisingScoreMatcher
        >>> matcher = DenoisingScoreMatcher(2, random_state=0).fit([[0], [1], [3]])
        >>> matcher.predict([[1], [9]])
        array([ 1, -1])
        """
        decision = self.decision_function(X)
        return backend_of(decision).labels(decision)

    def _landmarks(self, rows, bandwidth, fitted):
        """Fitted attributes that the ranking needs, if it keeps rows.

        Rows that training left out are among them: rows near them are less odd.
        """
        if self.ranking != "combined":
            return {}
        bandwidth *= _NEARNESS
        landmarks = choose_landmarks(rows.representative(), self.n_landmarks, bandwidth)
        scales = distance_scales(fitted_model(fitted), landmarks)
        kept = landmarks.X, landmarks.weight, bandwidth, scales
        return dict(zip(LANDMARK_ATTRIBUTES, kept, strict=True))

    def _threshold(self, rows, fitted, map):
        # set on rows and parameters as `score_samples` will see them
        scores, weight = self._training_scores(rows.representative(), fitted, map)
        if self.contamination == "auto":
            offset = tukey_threshold(scores, weight)
        else:
            offset = contamination_threshold(scores, weight, self.contamination)
        return {"offset_": offset, "_offset_ranking": self.ranking}

    def _training_scores(self, rows, fitted, map):
        """Scores of training rows, and their weights, None for equal ones."""
        detector = self._detector(fitted)
        if rows.missing is not None:
            detector = detector.marginal(fitted["location_"])
        blocks = block_rows_of(detector, rows.n_rows)
        scores = np.concatenate(
            list(map(lambda part: detector.score(rows.original(part)), blocks))
        )
        return scores, rows.weight

    def _detector(self, fitted):
        """Model and ranking that a mapping of fitted attributes describes."""
        model = fitted_model(fitted)
        if self.ranking != "combined":
            return Detector(model, self.ranking)
        if "landmarks_" not in fitted:
            raise ValueError(
                "ranking='combined' needs training rows, and this model has kept none. "
                "Please set the ranking before the fit."
            )
        *kept, scales, origin = (
            to_numpy(fitted[key]) for key in (*LANDMARK_ATTRIBUTES, "location_")
        )
        return Detector(model, self.ranking, Landmarks(*kept, origin), scales)
