"""The estimator as an outlier detector: rankings, thresholds, rows left out."""

from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import OutlierMixin

from skdsm._blocks import block_map, row_blocks
from skdsm._sklearn.dispatch import inlier_labels, to_numpy
from skdsm._sklearn.inputs import (
    check_rows,
    check_weights,
    query,
    ways_to_train,
    where_rows_are,
)
from skdsm._sklearn.schedulers import local_threads
from skdsm._typing import ArrayLike, Doubles
from skdsm.detection.landmarks import Landmarks, choose_landmarks
from skdsm.detection.ranking import RANKINGS, combined_ranking, distance_scales
from skdsm.detection.threshold import (
    contamination_threshold,
    highest_scores,
    tukey_threshold,
)
from skdsm.model.energy import EnergyModel
from skdsm.model.parameters import Parameters

__all__ = ["LANDMARK_ATTRIBUTES", "DetectionMixin", "fitted_model"]

# Of a block's hidden codes. With fewer, some twenty calls of NumPy a block take longer
# than the arithmetic, and threads wait for each other; with more, it leaves the cache.
_BLOCK_ELEMENTS = 2**17
_CONCENTRATION_STEPS = 2

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
    return EnergyModel(parameters, fitted["sigma_"])


class DetectionMixin(OutlierMixin):
    """What ranks rows, and tells inliers from outliers.

    Needs `_evaluate`, which applies a function of model and rows to rows.
    """

    if TYPE_CHECKING:
        ranking: str
        n_landmarks: int
        support_fraction: float | None
        contamination: float | Literal["auto"]
        offset_: float
        n_jobs: int | None

        def _evaluate(self, function: Any, X: ArrayLike) -> Any: ...

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
        X = check_rows(self, X, reset=False)
        sample_weight = check_weights(sample_weight, X)
        rows = ways_to_train(X, type(self).__name__).prepare(X, sample_weight, seed=0)
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
        return self._evaluate(self._rank(vars(self)), X)

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
        return inlier_labels(self.decision_function(X))

    def _n_fits(self, X):
        """How often to fit: more than once to leave out the worst rows."""
        if self.support_fraction in (None, 1):
            return 1
        elsewhere = where_rows_are(X)
        if elsewhere:
            raise ValueError(
                "support_fraction is for rows in memory or in a memory-mapped file; X "
                f"is {elsewhere}. Please pass support_fraction=None."
            )
        return 1 + _CONCENTRATION_STEPS

    def _concentrated(self, rows, fitted, map):
        """Rows without those that a fitted model ranks lowest."""
        scores, weight = self._training_scores(rows, fitted, map)
        return rows.keep(highest_scores(scores, weight, self.support_fraction))

    def _landmarks(self, rows, fitted, levels):
        """Fitted attributes that the ranking needs, if it keeps rows."""
        if self.ranking != "combined":
            return {}
        bandwidth = float(np.sqrt(levels.low * levels.high))
        landmarks = choose_landmarks(rows, self.n_landmarks, bandwidth)
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
        """Scores of training rows, and their weights."""
        rank, model = self._rank(fitted), fitted_model(fitted)
        blocks = row_blocks(len(rows.X), self._block_size(fitted))
        scores = np.concatenate(
            list(map(lambda part: rank(model, rows.given(part)), blocks))
        )
        return scores, np.ones(len(scores)) if rows.weight is None else rows.weight

    def _rank(self, fitted):
        """Ranking of rows, a function of model and rows, by the fitted attributes."""
        if self.ranking == "combined":
            return combined_ranking(*self._landmarks_and_scales(fitted))
        return RANKINGS[self.ranking]

    def _landmarks_and_scales(self, fitted=None):
        """What the ranking by landmarks needs; nothing for others."""
        if self.ranking != "combined":
            return None, None
        fitted = vars(self) if fitted is None else fitted
        if "landmarks_" not in fitted:
            raise ValueError(
                "ranking='combined' needs training rows, and this model has kept none. "
                "Please set the ranking before the fit."
            )
        *kept, scales, origin = (
            to_numpy(fitted[key]) for key in (*LANDMARK_ATTRIBUTES, "location_")
        )
        return Landmarks(*kept, origin), scales

    def _block_size(self, fitted):
        width = max(fitted["components_"].shape)
        if self.ranking == "combined" and "landmarks_" in fitted:
            width = max(width, fitted["landmarks_"].shape[0])
        return max(1, _BLOCK_ELEMENTS // width)
