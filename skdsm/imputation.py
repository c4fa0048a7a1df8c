"""Missing cells filled by a denoising autoencoder, as a step of a pipeline."""

import warnings
from numbers import Integral
from typing import NamedTuple, Self

import numpy as np
from scipy.optimize import nnls
from scipy.special import ndtri
from sklearn.base import (
    BaseEstimator,
    OneToOneFeatureMixin,
    TransformerMixin,
    clone,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import KNNImputer
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state, check_scalar
from sklearn.utils.validation import check_is_fitted, validate_data

from skdsm._blocks import single_threaded_blas
from skdsm._sklearn.validation import fitted_state_kept
from skdsm._typing import ArrayLike, Floats, Randomness
from skdsm.estimator import DenoisingScoreMatcher
from skdsm.exceptions import NonFiniteError, ScreeningWarning
from skdsm.model.marginal import whitened_conditionals
from skdsm.model.whitening import whitening_of
from skdsm.rows.in_memory import filled_training_rows

__all__ = ["DenoisingImputer"]

_CLIP = 5.0  # deviations of a column: the covariance sees no larger ones
_MANY = 5000  # rows: of more, a sample says how to weigh, and has the neighbours
_PASSES = 2  # in which cells are hidden
_LEAST_HIDDEN = 0.1  # of the cells
_PRIOR_CELLS = 1  # that speaks for equal weights
_CENTRAL = 0.9  # of the draws hold as many of the hidden cells


class _Filler(NamedTuple):
    """Three ways to fill missing cells of standardised rows.

    From the other cells of the row: by a Gaussian, and by a model of whitened rows.
    From the same column of other rows: by neighbours.
    """

    estimator: DenoisingScoreMatcher
    whitening: np.ndarray
    neighbours: KNNImputer

    @classmethod
    def fit(cls, estimator, rows, seed):
        """Fit all three to rows (n, d) with NaN."""
        filled, weight, _ = filled_training_rows(rows, None, seed)
        bulk = np.clip(filled, -_CLIP, _CLIP).astype(np.float64)
        whitening = whitening_of(bulk, weight).matrix
        model = clone(estimator).fit(filled @ whitening, sample_weight=weight)
        neighbours = KNNImputer(keep_empty_features=True)
        neighbours.set_output(transform="default").fit(_some(rows, seed))
        return cls(model, whitening, neighbours)

    def fills(self, rows, see=None):
        """Rows filled in each of the three ways, (3, n, d).

        ``see(conditional)`` is called with each WhitenedConditional.
        """
        filled = np.repeat(rows[np.newaxis].astype(np.float64), 3, axis=0)
        model, origin = self.estimator._model(), self.estimator.location_
        for group in whitened_conditionals(model, self.whitening, origin, rows):
            filled[0][group.at], filled[1][group.at] = group.gaussian, group.mode
            if see is not None:
                see(group)
        filled[2] = self.neighbours.transform(rows)
        return filled


def _some(rows, seed):
    """All rows, or a random sample of many."""
    if len(rows) <= _MANY:
        return rows
    return rows[np.random.default_rng(seed).choice(len(rows), _MANY, replace=False)]


def _hidden(missing, rng):
    """Observed cells to hide (n, d), where cells of other rows are missing.

    Some more at random, if few are. None of a column that would lose all its cells.
    """
    hidden = missing[rng.permutation(len(missing))]
    hidden |= rng.random(missing.shape) < _LEAST_HIDDEN - missing.mean()
    hidden &= ~missing
    hidden[:, (hidden | missing).all(axis=0)] = False
    return hidden


def _hide_and_fill(estimator, rows, seed):
    """Hide cells of rows (n, d), and fill them by what the others tell.

    Returns errors (h, 3) of the three ways, and the model's deviations (h,).
    """
    rows = rows[:, ~np.isnan(rows).all(axis=0)]  # of a sample, a column may be empty
    rng = np.random.default_rng(seed)
    errors, deviations = [], []
    for _ in range(_PASSES):
        hidden = _hidden(np.isnan(rows), rng)
        given = np.where(hidden, np.nan, rows)
        with warnings.catch_warnings():  # the fit to all rows has said it
            warnings.simplefilter("ignore", (ConvergenceWarning, ScreeningWarning))
            filler = _Filler.fit(estimator, given, seed)
        deviation = np.ones(rows.shape)

        def see(group, deviation=deviation):
            deviation[group.at] = group.deviation

        errors.append((filler.fills(given, see) - rows)[:, hidden])
        deviations.append(deviation[hidden])
    return np.concatenate(errors, axis=1).T, np.concatenate(deviations)


def _best_weights(errors):
    """Weights with which the mean of errors (h, 3) has the least square.

    None is negative, and their sum is one. They are equal if there are no errors.
    """
    square = np.mean(errors**2) if len(errors) else 1.0
    ridge = np.sqrt(_PRIOR_CELLS * square + np.finfo(float).tiny) * np.eye(3)
    total = 1e3 * np.linalg.norm(np.concatenate([errors, ridge]))
    system = np.concatenate([errors, ridge, np.full((1, 3), total)])
    weights, _ = nnls(system, np.append(np.zeros(len(system) - 1), total))
    return weights / weights.sum()


def _draw_scale(errors, deviations):
    """Factor with which the central draws hold as many of the hidden cells."""
    if not len(errors):
        return 1.0
    size = np.quantile(np.abs(errors) / deviations**0.5, _CENTRAL)
    return float(size / ndtri((1 + _CENTRAL) / 2))


class DenoisingImputer(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Fill missing cells, given the observed ones, by a model and by rows nearby.

    A step of a pipeline. A cell is filled in three ways, by the mean of a Gaussian and
    the mode of a `DenoisingScoreMatcher`, both given the other cells of the row, and by
    the mean of the five nearest rows. The result is their weighted mean. The weights
    are those with which cells that `fit` hides are filled best.

    Gaussian and model are fitted to whitened rows: columns are standardised and then
    made uncorrelated, so that noise hides no column that others nearly determine.
    Values are returned in the units of the columns.

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

    neighbors_ : KNNImputer
        Standardised training rows, 5,000 at most, of which the nearest are taken.

    weights_ : ndarray of shape (3,)
        Weights of the Gaussian, the model and the neighbours; their sum is one.

    draw_scale_ : float
        Factor of the deviations of `draw`.

    n_features_in_ : int
        Number of features seen in `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen in `fit`, if X had names that are all strings.

    See Also
    --------
    skdsm.DenoisingScoreMatcher.impute : The mode alone, without whitening, for the rows
        of a fitted detector.
    sklearn.impute.IterativeImputer : Regresses each column on the others in turn.
    sklearn.impute.KNNImputer : Takes the mean of the nearest training rows.

    Notes
    -----
    `fit` fits three models: one to all rows, and two to 5,000 rows at most, in which
    cells are hidden where cells of other rows are missing. If less than a tenth are,
    more are hidden at random.

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
            If X is not valid. The imputer then stays as it was before the call.

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
        with fitted_state_kept(self), single_threaded_blas():
            self._fit(self._check(X, reset=True))
        return self

    def _fit(self, X):
        estimator = self.estimator
        if estimator is None:
            estimator = DenoisingScoreMatcher(ranking="combined")
        # columns without any cell are refused below
        with np.errstate(invalid="ignore", over="ignore"):
            scaler = StandardScaler().set_output(transform="default").fit(X)
        if not np.isfinite(scaler.var_[~np.isnan(X).all(axis=0)]).all():
            raise NonFiniteError("The variance of a column of X")
        rows = scaler.transform(X)
        seed = check_random_state(estimator.random_state).randint(2**31)
        filler = _Filler.fit(estimator, rows, seed)
        errors, deviations = _hide_and_fill(estimator, _some(rows, seed), seed)
        self.weights_ = _best_weights(errors)
        self.draw_scale_ = _draw_scale(errors @ self.weights_, deviations)
        self.estimator_, self.whitening_, self.neighbors_ = filler
        self.scaler_ = scaler

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
        return self._in_units(X, self._filled(X))

    def draw(
        self, X: ArrayLike, n_draws: int, random_state: Randomness = None
    ) -> Floats:
        """Fill missing cells by draws, which show how sure the imputer is.

        Draws are Gaussian, around what `transform` returns. The cells of a row are
        correlated as the model says. The deviation of a cell is `draw_scale_` times the
        geometric mean of two: of the model's, and of the column's. The factor is such
        that the central 90 % of draws hold 90 % of the cells that `fit` hides.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, in which missing cells are NaN.

        n_draws : int
            Number of draws.

        random_state : int, RandomState instance or None, default=None
            Determines the draws.

        Returns
        -------
        X_filled : ndarray of shape (n_draws, n_samples, n_features)
            The rows, with a draw in place of each NaN.

        Examples
        --------
        >>> import numpy as np
        >>> from skdsm import DenoisingScoreMatcher
        >>> from skdsm.imputation import DenoisingImputer
        >>> x = np.random.default_rng(0).normal(size=(200, 1))
        >>> imputer = DenoisingImputer(DenoisingScoreMatcher(8, random_state=0))
        >>> imputer = imputer.fit(np.hstack([x, 100 * x]))
        >>> imputer.draw([[1.0, np.nan]], 100, random_state=0).shape
        (100, 1, 2)
        """
        check_is_fitted(self)
        check_scalar(n_draws, "n_draws", Integral, min_val=1)
        X = self._check(X, reset=False)
        rng = check_random_state(random_state)
        noise = np.zeros((n_draws, *X.shape))

        def see(group):
            xi = rng.standard_normal((n_draws, *group.cells.shape))
            correlated = np.einsum("nkl,snl->snk", group.scale, xi)
            # a standardised column has a deviation of one
            noise[:, *group.at] = correlated / group.deviation**0.5

        filled = self._filled(X, see)
        return self._in_units(X, filled + self.draw_scale_ * noise)

    def _filled(self, X, see=None):
        """Standardised rows, filled; see `_Filler.fills`."""
        filler = _Filler(self.estimator_, self.whitening_, self.neighbors_)
        with single_threaded_blas():
            fills = filler.fills(self.scaler_.transform(X), see)
            return np.tensordot(self.weights_, fills, axes=1)

    def _in_units(self, X, rows):
        """Rows X (n, d) with missing cells from standardised rows (..., n, d)."""
        # not by scale_, which is one for a constant column
        filled = rows * np.sqrt(self.scaler_.var_) + self.scaler_.mean_
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
