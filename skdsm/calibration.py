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
from sklearn.utils._metadata_requests import _raise_for_params
from sklearn.utils._param_validation import HasMethods, InvalidParameterError
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)
from sklearn.utils.validation import (
    _check_method_params,
    _num_samples,
    check_consistent_length,
    check_is_fitted,
)

from skdsm._blocks import default_float_errors
from skdsm._sklearn.array_backend import to_numpy
from skdsm._sklearn.backends import backend_of
from skdsm._sklearn.validation import Number
from skdsm.detection.conformal import conformal_p_values, conformal_threshold
from skdsm.detection.threshold import scores_less_rounding

__all__ = ["ConformalOutlierDetector"]


class ConformalOutlierDetector(MetaEstimatorMixin, OutlierMixin, BaseEstimator):
    """Outlier detector with p-values, and a threshold at a rate of false alarms.

    The detector is fitted to one part of the rows. The other part, the calibration
    rows, shows how low the scores of normal rows can be. A new row from the same source
    is called an outlier with a probability of at most `alpha`, for every detector and
    any number of rows [1]_. The threshold of a detector that knows only its training
    rows has no such guarantee, and usually gives more false alarms than it promises.

    Pass normal rows. Anomalies among the calibration rows make p-values larger: fewer
    rows are called outliers, normal or not. One such row of n raises a p-value by at
    most 1 / (n + 1), whatever its values are.

    Weights and other metadata reach the fit of the detector, by scikit-learn's
    `metadata routing <https://scikit-learn.org/stable/metadata_routing.html>`__.
    Each calibration row counts once, whatever its weight: the rate of false alarms is a
    promise for new rows from the source of the calibration rows.

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
        Scores of the calibration rows, ascending. Each is lowered by some units of its
        rounding, so that rounding does not make outliers of rows with equal scores.

    offset_ : float
        Threshold for the present `alpha`: ``decision_function`` is ``score_samples``
        minus this. There is none while `alpha` is too small for the number of rows
        that calibrate.

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
        "estimator": [HasMethods(["fit"])],
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
    def fit(self, X, y=None, **params):
        """Fit the detector to one part of the rows, and calibrate it with the rest.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Normal rows. A dask DataFrame only if the detector is frozen.

        y : Ignored
            Not used, present for API consistency by convention.

        **params : dict
            Metadata for the fit of the detector, such as `sample_weight`, of which it
            gets the part that belongs to its rows. The detector must request them:
            ``sklearn.set_config(enable_metadata_routing=True)`` and, for instance,
            ``detector.set_fit_request(sample_weight=True)``. They do not change how
            rows calibrate.

        Returns
        -------
        self : ConformalOutlierDetector
            The fitted estimator.

        Raises
        ------
        ValueError
            If there are too few calibration rows for `alpha`, if their scores are not
            finite, or if the detector cannot be fitted; if metadata are given while
            routing is disabled, or to a frozen detector.
        TypeError
            If the detector is to be fitted to a part of a dask collection with an
            unknown number of rows; if it does not request the metadata that are given.

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
        _raise_for_params(params, self, "fit")
        self._check_estimator()
        if isinstance(self.estimator, FrozenEstimator):
            if params:
                raise ValueError(
                    f"The detector is frozen, and not fitted: {sorted(params)} would "
                    "have no effect."
                )
            estimator, held_out = self.estimator, X
        else:
            estimator, held_out = self._fit_to_a_part(X, params)
        scores = np.asarray(to_numpy(estimator.score_samples(held_out)), np.float64)
        if not np.isfinite(scores).all():
            raise ValueError("Scores of the rows that calibrate are not finite.")
        with default_float_errors():
            scores = scores_less_rounding(np.sort(scores))
        conformal_threshold(scores, self.alpha)  # or alpha is out of reach
        self.estimator_ = estimator
        self.calibration_scores_ = scores
        for name in ("n_features_in_", "feature_names_in_"):
            vars(self).pop(name, None)
            if hasattr(estimator, name):
                setattr(self, name, getattr(estimator, name))
        return self

    def _check_estimator(self):
        try:
            self.estimator.score_samples  # noqa: B018
        except AttributeError as error:
            # scikit-learn chains to the cause: novelty=True is missing, for instance
            while error.__cause__ is not None:
                error = error.__cause__
            raise InvalidParameterError(
                f"The 'estimator' parameter of {type(self).__name__} must be an object "
                f"with the method 'score_samples', got {self.estimator!r}: {error}"
            ) from None

    def _fit_to_a_part(self, X, params):
        """Fit a clone to a random part of the rows, and return it and the others."""
        is_lazy, shape = hasattr(X, "__dask_graph__"), getattr(X, "shape", (None,))
        if is_lazy and not isinstance(shape[0], int):
            raise TypeError(
                "X is a dask collection with an unknown number of rows, of which no "
                "random part can be taken. Please fit the detector to one part of the "
                "rows, wrap it in sklearn.frozen.FrozenEstimator, and pass the others; "
                "or pass X.to_dask_array(lengths=True)."
            )
        fit_params = process_routing(self, "fit", **params).estimator.fit
        check_consistent_length(X, fit_params.get("sample_weight"))
        train, held_out, indices, _ = train_test_split(
            X,
            np.arange(_num_samples(X)),
            test_size=self.calibration_size,
            random_state=self.random_state,
        )
        fit_params = _check_method_params(X, fit_params, indices=indices)
        return clone(self.estimator).fit(train, **fit_params), held_out

    def get_metadata_routing(self):
        """Tell what metadata the detector requests.

        Returns
        -------
        routing : sklearn.utils.metadata_routing.MetadataRouter
            The requests: metadata of `fit` go to the detector's `fit`.

        Examples
        --------
        >>> from sklearn.neighbors import KernelDensity
        >>> from skdsm.calibration import ConformalOutlierDetector
        >>> ConformalOutlierDetector(KernelDensity()).get_metadata_routing()
        {'estimator': {'mapping': [{'caller': 'fit', 'callee': 'fit'}], ...
        """
        mapping = MethodMapping().add(caller="fit", callee="fit")
        return MetadataRouter(owner=self).add(
            estimator=self.estimator, method_mapping=mapping
        )

    @property
    def offset_(self):
        """Threshold for the present alpha.

        Returns
        -------
        float
            Score below which rows are outliers.
        """
        try:
            return self._threshold()
        except ValueError as error:  # hasattr and dir expect no other kind
            raise AttributeError(str(error)) from error

    def _threshold(self):
        check_is_fitted(self)
        self._validate_params()  # alpha may have changed since the fit
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
        threshold = self._threshold()
        with default_float_errors():
            return self.score_samples(X) - threshold

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
        # of what is not an estimator, fit says so; repr still has to work
        if isinstance(self.estimator, BaseEstimator):
            inner = get_tags(self.estimator).input_tags
            tags.input_tags.sparse = inner.sparse
            tags.input_tags.allow_nan = inner.allow_nan
        return tags
