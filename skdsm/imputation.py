"""Missing cells filled by a denoising autoencoder, as a step of a pipeline."""

from typing import Self

import numpy as np
from sklearn.base import (
    BaseEstimator,
    OneToOneFeatureMixin,
    TransformerMixin,
    clone,
)
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from skdsm._blocks import single_threaded_blas
from skdsm._typing import ArrayLike, Floats
from skdsm.estimator import DenoisingScoreMatcher
from skdsm.model.marginal import complete_whitened
from skdsm.rows.in_memory import filled_training_rows

__all__ = ["DenoisingImputer"]

_REACH = 5.0  # deviations: larger values do not shape the covariance
_LEAST_VARIANCE = 1e-3  # of a direction, relative to the mean


def _whitening(X, weight):
    """Matrix A (d, d) with which the bulk of rows ``X A`` is uncorrelated."""
    X = np.clip(X, -_REACH, _REACH).astype(np.float64)
    covariance = np.cov(X.T, aweights=weight, ddof=0).reshape(X.shape[1], -1)
    variance, directions = np.linalg.eigh(covariance)
    least = _LEAST_VARIANCE * variance.mean() or 1.0
    return directions / np.sqrt(np.maximum(variance, least))


class DenoisingImputer(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Fill missing cells at the mode of their distribution, given the observed ones.

    A step of a pipeline. The model is fitted to whitened rows: columns are standardised
    and then made uncorrelated, so that noise hides no column that others nearly
    determine. Values are returned in the units of the columns.

    Read more in the :ref:`User Guide <missing>`.

    Parameters
    ----------
    estimator : DenoisingScoreMatcher, default=None
        The model to fit. None means ``DenoisingScoreMatcher(ranking="combined")``,
        whose range of noise levels is narrow: less noise leaves more of what columns
        say about each other. Pass one with a `random_state` for reproducible results.

    Attributes
    ----------
    estimator_ : DenoisingScoreMatcher
        The model of the whitened rows.

    scaler_ : StandardScaler
        Means and standard deviations of the observed cells.

    whitening_ : ndarray of shape (`n_features_in_`, `n_features_in_`)
        What standardised rows are multiplied by to make them uncorrelated.

    n_features_in_ : int
        Number of features seen in `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen in `fit`, if X had names that are all strings.

    See Also
    --------
    skdsm.DenoisingScoreMatcher.impute : The same without whitening, for the rows of a
        fitted detector; also draws of missing cells, which show how sure the model is.
    sklearn.impute.IterativeImputer : Regresses each column on the others in turn.
    sklearn.impute.KNNImputer : Takes the mean of the nearest training rows.

    Examples
    --------
    >>> import numpy as np
    >>> from skdsm import DenoisingScoreMatcher
    >>> from skdsm.imputation import DenoisingImputer
    >>> x = np.random.default_rng(0).normal(size=(200, 1))
    >>> imputer = DenoisingImputer(DenoisingScoreMatcher(8, random_state=0))
    >>> filled = imputer.fit(np.hstack([x, 100 * x])).transform([[1.0, np.nan]])
    >>> bool(80 < filled[0, 1] < 120)
    True
    """

    _parameter_constraints = {"estimator": [DenoisingScoreMatcher, None]}

    def __init__(self, estimator: DenoisingScoreMatcher | None = None) -> None:
        self.estimator = estimator

    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Fit the model to rows, in which cells may be missing.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, in which missing cells are NaN. No column may lack all cells.

        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        self : DenoisingImputer
            The fitted imputer.

        Raises
        ------
        ValueError
            If X is not valid.

        Examples
        --------
        >>> import numpy as np
        >>> from skdsm.imputation import DenoisingImputer
        >>> X = np.random.default_rng(0).normal(size=(100, 2))
        >>> X[0, 0] = np.nan
        >>> DenoisingImputer().fit(X).n_features_in_
        2
        """
        self._validate_params()
        X = self._check(X, reset=True)
        estimator = self.estimator
        if estimator is None:
            estimator = DenoisingScoreMatcher(ranking="combined")
        # columns without any cell are refused below
        with np.errstate(invalid="ignore"):
            scaler = StandardScaler().fit(X)
        seed = check_random_state(estimator.random_state).randint(2**31)
        rows, weight, _ = filled_training_rows(scaler.transform(X), None, seed)
        whitening = _whitening(rows, weight)
        self.estimator_ = clone(estimator).fit(rows @ whitening, sample_weight=weight)
        self.scaler_, self.whitening_ = scaler, whitening
        return self

    def transform(self, X: ArrayLike) -> Floats:
        """Fill missing cells.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, in which missing cells are NaN.

        Returns
        -------
        X_filled : ndarray of shape (n_samples, n_features)
            The rows, with values in place of NaN.

        Examples
        --------
        >>> import numpy as np
        >>> from skdsm.imputation import DenoisingImputer
        >>> X = np.random.default_rng(0).normal(size=(100, 2))
        >>> X[0, 0] = np.nan
        >>> bool(np.isnan(DenoisingImputer().fit(X).transform(X)).any())
        False
        """
        check_is_fitted(self)
        X = self._check(X, reset=False)
        model = self.estimator_._model()
        with single_threaded_blas():
            rows = self.scaler_.transform(X)
            filled = complete_whitened(model, self.whitening_, rows)
        filled = self.scaler_.inverse_transform(filled)
        return np.where(np.isnan(X), filled, X).astype(X.dtype, copy=False)

    def _check(self, X, reset) -> Floats:
        return validate_data(
            self,
            X,
            dtype=[np.float64, np.float32],
            ensure_all_finite="allow-nan",
            reset=reset,
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
