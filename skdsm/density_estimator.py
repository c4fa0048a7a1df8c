"""A log-density in one call: rows are whitened, and the noise level comes from them."""

import warnings
from numbers import Integral
from typing import Self

import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.base import DensityMixin as SklearnDensityMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state, check_scalar
from sklearn.utils.validation import check_is_fitted

from skdsm._blocks import block_map, default_float_errors
from skdsm._sklearn.backends import Backend, backend_of
from skdsm._sklearn.density_mixin import Extent, estimated_log_partition, sampled
from skdsm._sklearn.detection_mixin import fitted_model
from skdsm._sklearn.schedulers import local_threads
from skdsm._sklearn.validation import COUNT, fitted_state_kept
from skdsm._typing import ArrayLike, Doubles, Randomness
from skdsm.density.likelihood import likelier_model
from skdsm.estimator import DenoisingScoreMatcher
from skdsm.model.energy import EnergyModel
from skdsm.model.whitening import Whitening, whitening_of
from skdsm.rows.in_memory import prepare_rows
from skdsm.training.energy_matching import match_energy_everywhere
from skdsm.training.fit import finish_model, fit_energy_model, screen_rows
from skdsm.training.screening import reach_of

__all__ = ["ScoreMatchingDensity"]

_STRENGTH = 0.05  # of energy matching
_TOLERANCE = 0.05  # of log Z, in nats
_MATCHING, _DRAWING = 3, 5  # streams of random numbers, which training does not use


class ScoreMatchingDensity(SklearnDensityMixin, BaseEstimator):
    """Density estimate by denoising score matching, in the units of the rows.

    Has the methods of :class:`~sklearn.neighbors.KernelDensity`, and nothing to choose.
    Rows are whitened, and the noise level is found from them. After training, gains and
    intercepts of the hidden units are fitted again, so that the model has no mass where
    there are no rows, and so that clusters have their shares of it. Rows that are far
    from all others do not shape the model: a wide Gaussian, which has their share of
    the mass, accounts for them.

    Columns may have any units: another scale or origin of a column changes
    `score_samples` by a constant only. A density needs columns that vary: a column that
    is constant, or a function of others, is taken to have a thousandth of its standard
    deviation of its own, so that the log-density stays finite, and large.

    The rows are held in memory. To rank anomalies, use
    :class:`~skdsm.DenoisingScoreMatcher`: a better density is not a better ranking.

    Read more in the :ref:`User Guide <density>`.

    Parameters
    ----------
    n_components : int, default=128
        Number of hidden units.

    random_state : int, RandomState instance or None, default=None
        Determines the random numbers of the fit and of the partition function. Pass an
        int for reproducible results.

    n_jobs : int or None, default=None
        Number of threads, as in :class:`~skdsm.DenoisingScoreMatcher`. Results do not
        depend on it.

    Attributes
    ----------
    mean_ : ndarray of shape (n_features,)
        Mean of the rows that shape the model.

    whitening_ : ndarray of shape (n_features, n_features)
        ``(x - mean_) @ whitening_`` are whitened rows: their covariance is the
        identity. The model is one of whitened rows.

    components_ : ndarray of shape (n_components, n_features)
        Weights W of the model.

    intercept_hidden_ : ndarray of shape (n_components,)
        Intercepts b of the hidden units.

    intercept_visible_ : ndarray of shape (n_features,)
        Intercept c of the decoder.

    gains_ : ndarray of shape (n_components,)
        Gains g of the hidden units.

    sigma_ : float
        Scale of the energy: the Parzen bandwidth with which the whitened rows are most
        likely.

    far_share_ : float
        Share of the mass that the wide Gaussian has.

    far_mean_ : ndarray of shape (n_features,)
        Its mean, which is the mean of all rows.

    far_whitening_ : ndarray of shape (n_features, n_features)
        Its covariance is the inverse of ``far_whitening_ @ far_whitening_.T``.

    n_features_in_ : int
        Number of features seen in `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen in `fit`, if all are strings.

    See Also
    --------
    skdsm.DenoisingScoreMatcher : Ranks anomalies, denoises, extracts features.
    sklearn.neighbors.KernelDensity : Density estimate that keeps the rows.
    sklearn.mixture.GaussianMixture : Mixture of few Gaussians.

    Examples
    --------
    >>> import numpy as np
    >>> from skdsm.density_estimator import ScoreMatchingDensity
    >>> rng = np.random.default_rng(0)
    >>> X = rng.choice([-2, 2], size=(300, 1)) + 0.5 * rng.standard_normal((300, 1))
    >>> density = ScoreMatchingDensity(16, random_state=0).fit(X)
    >>> grid = np.arange(-6, 6, 0.01)[:, np.newaxis]
    >>> p = np.exp(density.score_samples(grid))
    >>> bool(abs(p.sum() * 0.01 - 1) < 0.01)
    True
    """

    _parameter_constraints = {
        "n_components": [COUNT],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        n_components: int = 128,
        *,
        random_state: Randomness = None,
        n_jobs: int | None = None,
    ):
        self.n_components = n_components
        self.random_state = random_state
        self.n_jobs = n_jobs

    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(
        self, X: ArrayLike, y: None = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Fit the density to rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, in memory.

        y : None
            Ignored, as everywhere where there are no labels.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights, which say how often each row occurs.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        TypeError
            If rows are a dask collection, or on a device.

        Warns
        -----
        ConvergenceWarning
            If training ended before it had converged.
        """
        with fitted_state_kept(self), default_float_errors():
            self._fit(X, sample_weight)
        return self

    def _fit(self, X, sample_weight):
        X = self._rows(X, reset=True)
        weight = Backend().check_weights(sample_weight, X)
        fitted, message = self._fitted(X, weight)
        if message:
            warnings.warn(
                f"Training did not converge: {message}.",
                ConvergenceWarning,
                stacklevel=4,
            )
        vars(self).pop("_log_partition", None)
        vars(self).update(fitted)

    def _fitted(self, X, weight):
        """Fitted attributes, and what training has to say."""
        seed = int(check_random_state(self.random_state).randint(2**31))
        weight = np.ones(len(X)) if weight is None else weight
        far = whitening_of(X, weight)
        kept = _within_reach(far.apply(X), weight, seed)
        # a single row of huge cells would make a point of all others
        whitening = whitening_of(X[kept], weight[kept])
        Z = whitening.apply(X)
        kept = _within_reach(Z, weight, seed)
        Z, left_out = Z[kept], weight[~kept].sum()
        with block_map(local_threads(self.n_jobs)) as map:
            rows = prepare_rows(Z, weight[kept], seed)
            screened = screen_rows(rows, screening=False, across=False)
            plain = DenoisingScoreMatcher(self.n_components, energy_matching=0.0)
            settings = screened.settings(plain._settings())
            training = fit_energy_model(rows, settings, seed, map=map).training
        parameters = match_energy_everywhere(
            training.parameters, rows, screened.levels, _STRENGTH, (seed, _MATCHING)
        )
        model = finish_model(parameters, rows, settings, seed)
        # matching is of energies at the lowest level
        model = EnergyModel(model.parameters, screened.levels.low)
        rng = np.random.default_rng((seed, _DRAWING))
        model = likelier_model(model, Z, weight[kept], rng)
        fitted = {
            "mean_": whitening.mean,
            "whitening_": whitening.matrix,
            "components_": model.parameters.components,
            "intercept_hidden_": model.parameters.intercept_hidden,
            "intercept_visible_": model.parameters.intercept_visible,
            "gains_": model.parameters.gains,
            "sigma_": float(model.sigma),
            "far_share_": float((left_out + 1) / (weight.sum() + 2)),
            "far_mean_": far.mean,
            "far_whitening_": far.matrix,
        }
        return fitted, training.message

    def _rows(self, X, *, reset):
        backend = backend_of(X)
        if type(backend) is not Backend:
            raise TypeError(
                f"{type(self).__name__} needs rows in memory, as a NumPy array or what "
                f"can be made one, and got {type(X).__module__}.{type(X).__name__}. "
                "Take a sample of the rows to memory."
            )
        return backend.check_rows(self, X, reset=reset).astype(np.float64, copy=False)

    @default_float_errors()
    def score_samples(self, X: ArrayLike) -> Doubles:
        """Evaluate the log-density of rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        log_density : ndarray of shape (n_samples,), float64
            Normalised, in nats, in the units of the rows that were fitted to.

        Warns
        -----
        SamplingWarning
            At the first call after a fit, if estimates of the partition function do
            not agree.
        """
        check_is_fitted(self)
        rows = self._rows(X, reset=False)
        model = fitted_model(vars(self))
        if not hasattr(self, "_log_partition"):
            self._log_partition = estimated_log_partition(
                model, tolerance=_TOLERANCE, random_state=0, n_jobs=self.n_jobs
            ).value
        near = Whitening(self.mean_, self.whitening_)
        far = Whitening(self.far_mean_, self.far_whitening_)
        Z = near.apply(rows)
        log_near = -model.energy(Z) - self._log_partition + near.log_determinant()
        Z = far.apply(rows)
        log_far = -0.5 * (np.sum(Z**2, axis=1) + Z.shape[1] * np.log(2 * np.pi))
        return np.logaddexp(
            np.log1p(-self.far_share_) + log_near,
            np.log(self.far_share_) + log_far + far.log_determinant(),
        )

    def score(self, X: ArrayLike, y: None = None) -> float:
        """Evaluate the total log-density of rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        y : None
            Ignored.

        Returns
        -------
        log_likelihood : float
            Sum of ``score_samples(X)``, as of
            :class:`~sklearn.neighbors.KernelDensity`.
        """
        return float(self.score_samples(X).sum())

    @default_float_errors()
    def sample(self, n_samples: int = 1, random_state: Randomness = None) -> Doubles:
        """Draw rows from the density.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows.

        random_state : int, RandomState instance or None, default=None
            Determines the random numbers; an int makes the rows reproducible.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            Rows, in random order.

        Warns
        -----
        SamplingWarning
            If the chains have not mixed, or if the mass lies far outside the rows;
            see :meth:`skdsm.DenoisingScoreMatcher.sample`.
        """
        check_is_fitted(self)
        check_scalar(n_samples, "n_samples", Integral, min_val=1)
        rng = check_random_state(random_state)
        d = len(self.mean_)
        is_far = rng.uniform(size=n_samples) < self.far_share_
        # whitened rows: mean zero, variance one in each of d directions
        extent = Extent(np.zeros(d), d**0.5)
        Z = sampled(fitted_model(vars(self)), n_samples, rng, extent)
        X = Z @ np.linalg.inv(self.whitening_) + self.mean_
        Z = rng.standard_normal((is_far.sum(), d))
        X[is_far] = Z @ np.linalg.inv(self.far_whitening_) + self.far_mean_
        return X


def _within_reach(Z, weight, seed):
    """Whether noise from other rows reaches each row (n, d)."""
    rows = prepare_rows(Z, weight, seed)
    return reach_of(rows).contains(Z - rows.mean)
