"""Outliers at a rate of false alarms, for any detector."""

from numbers import Real

import numpy as np
from sklearn.base import (
    BaseEstimator,
    MetaEstimatorMixin,
    OutlierMixin,
    _fit_context,
    clone,
)
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils import get_tags
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.validation import check_is_fitted

from skdsm._sklearn.array_backend import to_numpy
from skdsm._sklearn.backends import backend_of
from skdsm._sklearn.validation import Number
from skdsm.detection.conformal import conformal_p_values, conformal_threshold

__all__ = ["ConformalOutlierDetector"]

_TIE = 1e-9  # scores closer than this, relative to their range, are one score


class ConformalOutlierDetector(MetaEstimatorMixin, OutlierMixin, BaseEstimator):
    """Outlier detector with p-values, and a threshold at a rate of false alarms.

    The detector is fitted to one part of the rows. The other part, the calibration
    rows, shows how low the scores of normal rows can be. A new row from the same source
    is called an outlier with a probability of at most `alpha`, for every detector and
    any number of rows [1]_. The threshold of a detector that knows only its training
    rows has no such guarantee, and usually gives more false alarms than it promises.

    Pass normal rows. Anomalies among the calibration rows make p-values larger: fewer
    rows are called outliers, normal or not.

    Read more in the :ref:`User Guide <thresholds>`.

    Parameters
    ----------
    estimator : estimator with `score_samples`
        Outlier or novelty detector, or density, or a pipeline that ends in one. A
        detector wrapped in :class:`~sklearn.frozen.FrozenEstimator` is not fitted
        again, and all rows calibrate: pass other rows than the detector was fitted to.

    alpha : float, default=0.05
        Rate of false alarms, in (0, 1). At least ``1 / alpha - 1`` calibration rows are
        needed. It may be changed after the fit: the threshold follows.

    calibration_size : float, default=0.5
        Share of the rows that are used to calibrate, in (0, 1).

    random_state : int, RandomState instance or None, default=None
        Determines which rows calibrate. Pass an int for reproducible results.

    Attributes
    ----------
    estimator_ : estimator
        The fitted detector.

    calibration_scores_ : ndarray of shape (n_calibration,)
        Scores of the calibration rows, ascending. All are lowered by a billionth of
        their range, so that rounding does not make outliers of rows with equal scores.

    offset_ : float
        Threshold for the present `alpha`: ``decision_function`` is ``score_samples``
        minus this.

    n_features_in_ : int
        Number of features seen in `fit`, if the detector has this attribute.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen in `fit`, if the detector has this attribute.

    See Also
    --------
    skdsm.detection.conformal.conformal_p_values : P-values from scores alone.
    sklearn.calibration.CalibratedClassifierCV : Calibrates classifiers.

    References
    ----------
    .. [1] S. Bates, E. Candes, L. Lei, Y. Romano and M. Sesia, "Testing for outliers
       with conformal p-values", Annals of Statistics 51(1), 2023.
       :doi:`10.1214/22-AOS2244`

    Examples
    --------
    >>> import numpy as np
    >>> from skdsm import DenoisingScoreMatcher
    >>> from skdsm.calibration import ConformalOutlierDetector
    >>> X = np.random.default_rng(0).normal(size=(400, 2))
    >>> detector = ConformalOutlierDetector(
    ...     DenoisingScoreMatcher(16, random_state=0), alpha=0.01, random_state=0
    ... ).fit(X)
    >>> detector.predict([[0.0, 0.0], [5.0, 5.0]])
    array([ 1, -1])
    >>> detector.p_values([[5.0, 5.0]])  # 1 / 201: lower than all 200
    array([0.00497512])
    """

    _parameter_constraints = {
        "estimator": [HasMethods(["fit", "score_samples"])],
        "alpha": [Number(Real, 0, 1, closed="neither")],
        "calibration_size": [Number(Real, 0, 1, closed="neither")],
        "random_state": ["random_state"],
    }

    def __init__(
        self, estimator, *, alpha=0.05, calibration_size=0.5, random_state=None
    ):
        self.estimator = estimator
        self.alpha = alpha
        self.calibration_size = calibration_size
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None):
        """Fit the detector to one part of the rows, and calibrate it with the rest.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Normal rows.

        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        self : ConformalOutlierDetector
            The fitted estimator.

        Raises
        ------
        ValueError
            If there are too few calibration rows for `alpha`, if their scores are not
            finite, or if the detector cannot be fitted.

        Examples
        --------
        >>> from sklearn.frozen import FrozenEstimator
        >>> from sklearn.neighbors import KernelDensity
        >>> from skdsm.calibration import ConformalOutlierDetector
        >>> density = FrozenEstimator(KernelDensity().fit([[0], [1], [2]]))
        >>> detector = ConformalOutlierDetector(density, alpha=0.25)
        >>> detector.fit([[0.5], [1.5], [3.0]]).calibration_scores_.shape
        (3,)
        """
        if isinstance(self.estimator, FrozenEstimator):
            estimator, held_out = self.estimator, X
        else:
            train, held_out = train_test_split(
                X, test_size=self.calibration_size, random_state=self.random_state
            )
            estimator = clone(self.estimator).fit(train)
        scores = to_numpy(estimator.score_samples(held_out))
        scores = np.sort(np.asarray(scores, np.float64))
        if not np.isfinite(scores).all():
            raise ValueError("Scores of the rows that calibrate are not finite.")
        scores -= _TIE * (scores[-1] - scores[0])
        conformal_threshold(scores, self.alpha)  # or alpha is out of reach
        self.estimator_ = estimator
        self.calibration_scores_ = scores
        if hasattr(estimator, "n_features_in_"):
            self.n_features_in_ = estimator.n_features_in_
        if hasattr(estimator, "feature_names_in_"):
            self.feature_names_in_ = estimator.feature_names_in_
        return self

    @property
    def offset_(self):
        """Threshold for the present alpha.

        Returns
        -------
        float
            Score below which rows are outliers.
        """
        check_is_fitted(self)
        return conformal_threshold(self.calibration_scores_, self.alpha)

    def score_samples(self, X):
        """Score rows by the detector: the higher, the more normal.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Scores of the detector.

        Examples
        --------
        >>> from sklearn.frozen import FrozenEstimator
        >>> from sklearn.neighbors import KernelDensity
        >>> from skdsm.calibration import ConformalOutlierDetector
        >>> density = FrozenEstimator(KernelDensity().fit([[0], [1], [2]]))
        >>> detector = ConformalOutlierDetector(density, alpha=0.25)
        >>> detector = detector.fit([[0.5], [1.5], [3.0]])
        >>> bool(detector.score_samples([[1]]) == density.score_samples([[1]]))
        True
        """
        check_is_fitted(self)
        return self.estimator_.score_samples(X)

    def decision_function(self, X):
        """Score rows relative to the threshold.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        decision : ndarray of shape (n_samples,)
            ``score_samples(X) - offset_``, negative for outliers.

        Examples
        --------
        >>> from sklearn.frozen import FrozenEstimator
        >>> from sklearn.neighbors import KernelDensity
        >>> from skdsm.calibration import ConformalOutlierDetector
        >>> density = FrozenEstimator(KernelDensity().fit([[0], [1], [2]]))
        >>> detector = ConformalOutlierDetector(density, alpha=0.25)
        >>> detector = detector.fit([[0.5], [1.5], [3.0]])
        >>> detector.decision_function([[1], [9]]) < 0
        array([False,  True])
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X):
        """Tell inliers from outliers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        is_inlier : ndarray of shape (n_samples,), int
            -1 where the p-value is at most `alpha`, otherwise 1.

        Examples
        --------
        >>> from sklearn.frozen import FrozenEstimator
        >>> from sklearn.neighbors import KernelDensity
        >>> from skdsm.calibration import ConformalOutlierDetector
        >>> density = FrozenEstimator(KernelDensity().fit([[0], [1], [2]]))
        >>> detector = ConformalOutlierDetector(density, alpha=0.25)
        >>> detector = detector.fit([[0.5], [1.5], [3.0]])
        >>> detector.predict([[1], [2.5], [9]])
        array([ 1,  1, -1])
        >>> detector.set_params(alpha=0.5).predict([[1], [2.5], [9]])
        array([ 1, -1, -1])
        """
        decision = self.decision_function(X)
        return backend_of(decision).labels(decision)

    def p_values(self, X):
        """Compute p-values: a low one speaks against a normal row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        p : ndarray of shape (n_samples,)
            ``(1 + r) / (n + 1)``, where r of the n calibration rows have a score that
            is at most the score of the row.

        Examples
        --------
        >>> from sklearn.frozen import FrozenEstimator
        >>> from sklearn.neighbors import KernelDensity
        >>> from skdsm.calibration import ConformalOutlierDetector
        >>> density = FrozenEstimator(KernelDensity().fit([[0], [1], [2]]))
        >>> detector = ConformalOutlierDetector(density, alpha=0.25)
        >>> detector = detector.fit([[0.5], [1.5], [3.0]])
        >>> detector.p_values([[1], [2.5], [9]])
        array([1.  , 0.5 , 0.25])
        """
        scores = to_numpy(self.score_samples(X))
        return conformal_p_values(scores, self.calibration_scores_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator).input_tags
        tags.input_tags.sparse = inner.sparse
        tags.input_tags.allow_nan = inner.allow_nan
        return tags
