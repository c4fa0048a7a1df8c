"""The scikit-learn estimator: a thin shell around the mathematics."""

import warnings
from collections.abc import Callable
from functools import partial
from numbers import Integral, Real
from typing import Any, Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import StrOptions

from skdsm import __version__
from skdsm._blocks import block_map, default_float_errors, row_blocks
from skdsm._sklearn.callbacks import FitMonitor
from skdsm._sklearn.density_mixin import DensityMixin
from skdsm._sklearn.detection_mixin import (
    LANDMARK_ATTRIBUTES,
    DetectionMixin,
    fitted_model,
)
from skdsm._sklearn.dispatch import mean, on_device_of
from skdsm._sklearn.inputs import (
    check_codes,
    check_rows,
    check_weights,
    evaluate_elsewhere,
    query,
    ways_to_train,
    where_rows_are,
)
from skdsm._sklearn.schedulers import local_threads
from skdsm._sklearn.validation import (
    COUNT,
    NON_NEGATIVE,
    POSITIVE,
    Number,
    check_noise_levels,
    fitted_state_kept,
)
from skdsm._typing import ArrayLike, Doubles, Floats, Randomness
from skdsm.exceptions import VersionMismatchWarning
from skdsm.model.energy import EnergyModel
from skdsm.training.fit import (
    Parts,
    Settings,
    energy_scale,
    final_parameters,
    fit_energy_model,
)

__all__ = ["DenoisingScoreMatcher"]

_FEWEST_BLOCKS = 4  # to start a thread takes longer than to score fewer

_Fit = TypeVar("_Fit", bound=Callable[..., Any])


def _as_fit(fit: _Fit) -> _Fit:
    """Decorate `fit` without losing its type: scikit-learn's decorators have none."""
    decorated: _Fit = with_callbacks(
        _fit_context(prefer_skip_nested_validation=True)(fit)
    )
    return decorated


class DenoisingScoreMatcher(
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    DetectionMixin,
    DensityMixin,
    CallbackSupportMixin,
    BaseEstimator,
):
    """Denoising autoencoder that is an energy-based model of the data's density.

    A denoising autoencoder with tied weights, a logistic encoder and a linear decoder,
    ``r(x) = c + W'(g * h)`` with ``h = logistic(W x + b)``, trained to undo Gaussian
    noise, matches the score of an energy-based model to that of a Parzen density
    estimate of the data [1]_. One fitted object therefore ranks anomalies (by the
    energy), extracts features (the hidden code), denoises, knows the gradient of the
    log-density everywhere, and can be sampled.

    The model follows translations and rotations of the data exactly, scaling it does
    not: `sigma` is in the units of X. Standardise the columns first, unless they share
    a unit.

    Read more in the :ref:`User Guide <user_guide>`.

    Parameters
    ----------
    n_components : int, default=128
        Number of hidden units.

    sigma : float or pair of float, default=(0.5, 1.0)
        Noise level, which is the bandwidth of the Parzen estimate, in the units of X.
        With a pair (low, high), each corrupted row draws its level log-uniformly
        between the two; then `sigma_` is found in closed form. The paper has a single
        level: ``sigma=0.5``, say.

    gains : {"learned", "unit"}, default="learned"
        With "learned" each hidden unit has a gain of its own in the decoder, so that
        its amplitude and its steepness may differ; the score stays the gradient of a
        log-density. "unit" is the paper's model, g = 1.

    objective : {"dsm", "ism"}, default="dsm"
        Denoising score matching, or implicit score matching on the same corrupted rows:
        equal in expectation. On a finite draw of noise the implicit form has no lower
        bound when gains are learned, and training may follow it down: it is for
        ``gains="unit"``.

    n_corruptions : int, default=4
        Number of corrupted copies of each row in a stage of training, at most: stages
        begin with fewer where that is enough.

    alpha : float, default=0.0
        Strength of the L2 penalty: ``alpha / 2`` times the sum of the squares of
        `components_` is added to the loss.

    energy_matching : float, default=0.05
        Weight of energy matching, with which a fit of learned gains ends: score
        matching sees the slopes of the energy and hardly its levels, so the gains are
        moved to where the energy agrees with the Parzen log-density of up to 2,048
        training rows, each of them left out where it is compared itself. Zero leaves
        this step out.

    max_iter : int, default=1000
        Maximum number of L-BFGS iterations, over all stages.

    tol : float, default=3e-3
        A stage of training must improve the loss on a fixed validation draw of the
        noise by more than this fraction, of the loss or of its distance from that of
        doing nothing, whichever is less. Else the next stage has more rows, or twice
        the corrupted copies, and after the last doubling training ends.

    ranking : {"energy", "score_norm", "combined"}, default="energy"
        What `score_samples` returns: "energy" for minus the energy, "score_norm" for
        minus the length of the score vector. With "combined", some training rows are
        kept, and it is ``-log(1 + a / a_0) - log(1 + b / b_0)``: a is the squared
        distance of a row to its reconstruction, b the soft minimum of its squared
        distances to the rows kept, and their scales are the medians of these rows.

    n_landmarks : int, default=2000
        Number of training rows that ``ranking="combined"`` keeps, at most: a random
        sample.

    support_fraction : float or None, default=None
        Share of the training rows, by weight, that the model is fitted to, in
        (0.5, 1]; None is all of them. With less than one, the fit is done three times,
        and twice the rows with the lowest scores are left out of the next one: the
        concentration steps of :class:`~sklearn.covariance.MinCovDet`. For training rows
        with anomalies among them.

    contamination : float or "auto", default=0.1
        Share of the training rows, by weight, that lies below the threshold `offset_`,
        in (0, 0.5]. "auto" puts the threshold at the lower fence of a box plot of the
        training scores, ``q1 - 1.5 (q3 - q1)``.

    warm_start : bool, default=False
        Whether to start from the parameters of the previous fit, with the gains that
        energy matching gave them.

    n_jobs : int, default=None
        Number of threads over blocks of rows, in fitting and scoring; None means 1,
        unless in a :obj:`joblib.parallel_backend` context, and -1 all processors.
        Results do not depend on it, to the last bit.

    random_state : int, RandomState instance or None, default=None
        Determines the start, the noise, and the order in which rows join the sample.
        Pass an int for reproducible results.

    verbose : bool, default=False
        Whether to print a line an iteration.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Weights W of the hidden units.

    intercept_hidden_ : ndarray of shape (n_components,)
        Intercepts b of the hidden units.

    intercept_visible_ : ndarray of shape (n_features,)
        Intercept c of the reconstruction, in the units of X.

    gains_ : ndarray of shape (n_components,)
        Gains g of the hidden units; all one with ``gains="unit"``.

    sigma_ : float
        Scale of the energy and of the score, in the units of X: `sigma` if that is a
        float, otherwise the value in the range that minimises implicit score matching
        on the training rows.

    offset_ : float
        Threshold: ``decision_function`` is ``score_samples`` minus this.

    landmarks_ : ndarray of shape (n_kept, `n_features_in_`)
        Training rows that were kept. Only if fitted with ``ranking="combined"``, as the
        next three.

    landmark_weight_ : ndarray of shape (n_kept,)
        Their weights.

    bandwidth_ : float
        Bandwidth of the soft minimum of the distances to them, in the units of X:
        `sigma`, or the geometric mean of its range.

    ranking_scales_ : ndarray of shape (2,)
        Medians a_0 and b_0 of the two squared distances over them.

    location_ : ndarray of shape (`n_features_in_`,)
        Mean of the training rows.

    spread_ : float
        Root mean square distance of the training rows from `location_`, in the units of
        X. `sample` warns if what it draws lies far outside.

    loss_ : float
        Loss at the end of training, before energy matching: mean over corrupted rows of
        half the squared distance between the reconstruction and the clean row
        (:math:`\\sigma^4 J_{DSM}`), plus the penalty, on the validation draw; in
        squared units of X.

    loss_curve_ : list of float, of length `n_iter_`
        Loss after each iteration, on the noise of its stage.

    stage_ends_ : list of int
        Number of iterations done at the end of each stage.

    n_iter_ : int
        Number of L-BFGS iterations.

    n_features_in_ : int
        Number of features seen in `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen in `fit`, if X had names that are all strings.

    See Also
    --------
    sklearn.neighbors.KernelDensity : The Parzen density itself; keeps all rows.
    sklearn.neural_network.BernoulliRBM : The nearest relative for binary data.
    sklearn.ensemble.IsolationForest : Anomaly ranking by isolation.

    Notes
    -----
    The fit does not depend on the order of the rows, and a row of weight two is the
    same as two rows, bit for bit: rows are put in an order that depends on their
    values only, and equal rows are merged, before noise is drawn. The exception are
    memory-mapped rows (:class:`numpy.memmap`) of more than a sixteenth of
    scikit-learn's setting ``working_memory``: these stay on disk, and in their order,
    and the threshold is set on a random sample of them.

    Rows may also be a dask array or a dask DataFrame, of which the model depends on the
    division into blocks, but not on where these are evaluated. Methods that answer for
    rows then return lazy dask arrays. See :ref:`large_data`.

    With scikit-learn's setting ``array_api_dispatch`` rows may also be tensors of
    PyTorch, or other arrays of the array API standard: the fit takes place on their
    device, methods that answer for rows return arrays of their kind, and fitted arrays
    are of that kind too. Equal rows are then not merged, and their order matters. See
    :ref:`array_api`.

    Training minimises the loss by L-BFGS in stages. The noise is frozen within a stage
    and drawn anew for the next; the first stages see a growing sample of the rows, and
    the last ones a growing number of corrupted copies of them. The loss is computed in
    single precision, unless rows reach further than 4096 times the smallest noise level
    from their mean; the optimiser, and all that is computed from the fitted model, have
    the precision of the rows.

    References
    ----------
    .. [1] P. Vincent, "A Connection Between Score Matching and Denoising Autoencoders",
       Neural Computation 23(7):1661-1674, 2011. :doi:`10.1162/NECO_a_00142`

    Examples
    --------
    >>> import numpy as np
    >>> from skdsm import DenoisingScoreMatcher
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 2))
    >>> detector = DenoisingScoreMatcher(n_components=16, random_state=0).fit(X)
    >>> near, far = detector.score_samples([[0.0, 0.0], [5.0, 5.0]])
    >>> bool(near > far)
    True
    >>> detector.predict([[0.0, 0.0], [5.0, 5.0]])
    array([ 1, -1])
    """

    components_: Doubles
    intercept_hidden_: Doubles
    intercept_visible_: Doubles
    gains_: Doubles
    sigma_: float
    offset_: float
    loss_: float
    loss_curve_: list[float]
    stage_ends_: list[int]
    n_iter_: int
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]

    _parameter_constraints = {
        "n_components": [COUNT],
        "sigma": [POSITIVE, tuple, list],
        "gains": [StrOptions({"learned", "unit"})],
        "objective": [StrOptions({"dsm", "ism"})],
        "n_corruptions": [COUNT],
        "alpha": [NON_NEGATIVE],
        "energy_matching": [NON_NEGATIVE],
        "max_iter": [COUNT],
        "tol": [NON_NEGATIVE],
        "ranking": [StrOptions({"energy", "score_norm", "combined"})],
        "n_landmarks": [COUNT],
        "support_fraction": [None, Number(Real, 0.5, 1, closed="right")],
        "contamination": [Number(Real, 0, 0.5, closed="right"), StrOptions({"auto"})],
        "warm_start": ["boolean"],
        "n_jobs": [None, Integral],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        n_components: int = 128,
        *,
        sigma: float | tuple[float, float] | list[float] = (0.5, 1.0),
        gains: Literal["learned", "unit"] = "learned",
        objective: Literal["dsm", "ism"] = "dsm",
        n_corruptions: int = 4,
        alpha: float = 0.0,
        energy_matching: float = 0.05,
        max_iter: int = 1000,
        tol: float = 3e-3,
        ranking: Literal["energy", "score_norm", "combined"] = "energy",
        n_landmarks: int = 2000,
        support_fraction: float | None = None,
        contamination: float | Literal["auto"] = 0.1,
        warm_start: bool = False,
        n_jobs: int | None = None,
        random_state: Randomness = None,
        verbose: bool = False,
    ) -> None:
        self.n_components = n_components
        self.sigma = sigma
        self.gains = gains
        self.objective = objective
        self.n_corruptions = n_corruptions
        self.alpha = alpha
        self.energy_matching = energy_matching
        self.max_iter = max_iter
        self.tol = tol
        self.ranking = ranking
        self.n_landmarks = n_landmarks
        self.support_fraction = support_fraction
        self.contamination = contamination
        self.warm_start = warm_start
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @_as_fit
    def fit(
        self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Fit the model to rows.

        Parameters
        ----------
        X : array-like or dask collection of shape (n_samples, n_features)
            Training rows, or an array of another library where dispatch is on;
            standardised columns are recommended.

        y : Ignored
            Not used, present for API consistency by convention.

        sample_weight : array-like or dask array of shape (n_samples,), default=None
            Weight of each row; None is one each. A row of weight zero is left out.

        Returns
        -------
        self : DenoisingScoreMatcher
            The fitted estimator.

        Raises
        ------
        ValueError
            If X or a parameter is not valid, or if training overflows. The estimator is
            then as it was before.

        Examples
        --------
        >>> from skdsm import DenoisingScoreMatcher
        >>> twice = DenoisingScoreMatcher(2, random_state=0).fit([[0], [1], [1]])
        >>> once = DenoisingScoreMatcher(2, random_state=0)
        >>> once = once.fit([[0], [1]], sample_weight=[1, 2])
        >>> once.energy([[5]]) == twice.energy([[5]])
        array([ True])
        """
        with fitted_state_kept(self), default_float_errors():
            self._fit(X, y, sample_weight)
        return self

    def _fit(self, X, y, sample_weight):
        levels = check_noise_levels(self.sigma, type(self).__name__)
        X = check_rows(self, X, reset=True)
        n_fits = self._n_fits(X)
        sample_weight = check_weights(sample_weight, X)
        start = self._previous_parameters(X.shape[1])
        seed = int(check_random_state(self.random_state).randint(2**31))
        settings = Settings(
            n_components=int(self.n_components),
            levels=levels,
            learn_gains=self.gains == "learned",
            objective=self.objective,
            n_corruptions=int(self.n_corruptions),
            alpha=float(self.alpha),
            max_iter=int(self.max_iter),
            tol=float(self.tol),
            energy_matching=float(self.energy_matching),
        )
        context = self._init_callback_context(max_subtasks=None)
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        hooks = {"estimator": self, "X": X, "y": y, "metadata": metadata}
        context.call_on_fit_task_begin(**hooks)

        with block_map(local_threads(self.n_jobs)) as map:
            ways = ways_to_train(X, type(self).__name__)
            all_rows = rows = ways.prepare(X, sample_weight, seed)
            for step in reversed(range(n_fits)):
                attributes = partial(
                    self._attributes,
                    X=X,
                    rows=rows,
                    settings=settings,
                    seed=seed,
                    all_rows=all_rows,
                    map=map,
                )
                monitor = FitMonitor(context, hooks, attributes, self.verbose)
                result = fit_energy_model(
                    rows,
                    settings,
                    seed,
                    start=None if start is None else start.translate(-rows.mean),
                    monitor=monitor,
                    map=map,
                    parts=Parts(risk=ways.risk),
                )
                fitted = attributes(result.parameters)
                if monitor.has_stopped:
                    break
                if step:
                    rows = self._concentrated(all_rows, fitted, map)
        if result.message:
            warnings.warn(
                f"Training did not converge: {result.message}. Consider scaling the "
                "data, more iterations (max_iter) or a larger tolerance (tol).",
                ConvergenceWarning,
                stacklevel=5,  # past fit and its two decorators
            )
        fitted |= {
            "loss_": float(result.validation_curve[-1]),
            # lists, as rounding may change their lengths: no two libraries round alike
            "loss_curve_": result.loss_curve.tolist(),
            "stage_ends_": result.stage_ends.tolist(),
            "n_iter_": len(result.loss_curve),
        }
        context.call_on_fit_task_end(**hooks, reconstruction_attributes=fitted)
        # all at once and last: a fit that fails leaves nothing behind
        for name in ("_log_partition", *LANDMARK_ATTRIBUTES):
            vars(self).pop(name, None)
        vars(self).update(fitted)

    def _previous_parameters(self, n_features):
        """Parameters that a warm start begins with, if there are any."""
        if not (self.warm_start and hasattr(self, "components_")):
            return None
        previous = self._model().parameters
        if previous.components.shape != (self.n_components, n_features):
            raise ValueError(
                f"warm_start=True needs the shape of the previous fit: components_ has "
                f"shape {previous.components.shape}, now n_components="
                f"{self.n_components} and X has {n_features} features."
            )
        if self.gains == "unit":
            previous = previous._replace(gains=np.ones_like(previous.gains))
        return previous

    def _attributes(self, parameters, *, X, rows, settings, seed, all_rows, map):
        """Fitted attributes that follow from what training came to."""
        levels = settings.levels
        parameters = final_parameters(parameters, rows, settings, seed)
        sigma = energy_scale(parameters, rows, levels)
        parameters = parameters.translate(rows.mean)
        sample = rows.representative()
        square = np.einsum("ij,ij->i", sample.X, sample.X, dtype=np.float64)
        fitted = {
            "components_": parameters.components,
            "intercept_hidden_": parameters.intercept_hidden,
            "intercept_visible_": parameters.intercept_visible,
            "gains_": parameters.gains,
            "sigma_": sigma,
            "location_": np.array(rows.mean, dtype=np.float64),
            "spread_": float(np.sqrt(np.average(square, weights=sample.weight))),
        }
        fitted |= self._landmarks(sample, fitted, levels)
        fitted |= self._threshold(all_rows, fitted, map)
        return on_device_of(X, fitted)

    def _model(self):
        return fitted_model(vars(self))

    def _evaluate(self, function, X):
        """Apply ``function(model, X)`` to blocks of validated rows."""
        X = check_rows(self, X, reset=False)
        model, block_size = self._model(), self._block_size(vars(self))
        if where_rows_are(X):
            owner = type(self).__name__
            return evaluate_elsewhere(function, model, X, block_size, owner)
        blocks = row_blocks(len(X), block_size)
        n_threads = min(local_threads(self.n_jobs), -(-len(blocks) // _FEWEST_BLOCKS))
        with block_map(n_threads) as map:
            return np.concatenate(
                list(map(lambda rows: function(model, X[rows]), blocks))
            )

    @query
    def transform(self, X: ArrayLike) -> Floats:
        """Encode rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        H : ndarray of shape (n_samples, n_components)
            Hidden code ``logistic(W x + b)``, in (0, 1), in the type of X.

        Examples
        --------
        >>> from skdsm import DenoisingScoreMatcher
        >>> matcher = DenoisingScoreMatcher(2, random_state=0).fit([[0], [1], [3]])
        >>> matcher.transform([[1], [2], [4]]).shape
        (3, 2)
        """
        return self._evaluate(EnergyModel.hidden, X)

    @query
    def inverse_transform(self, X: ArrayLike) -> Floats:
        """Decode hidden codes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Hidden codes H, such as `transform` returns.

        Returns
        -------
        X_decoded : ndarray of shape (n_samples, n_features)
            ``c + W'(g * h)``: decoding ``transform(X)`` gives ``reconstruct(X)``.

        Examples
        --------
        >>> from skdsm import DenoisingScoreMatcher
        >>> matcher = DenoisingScoreMatcher(2, random_state=0).fit([[0], [1], [3]])
        >>> import numpy as np
        >>> decoded = matcher.inverse_transform(matcher.transform([[5]]))
        >>> np.allclose(decoded, matcher.reconstruct([[5]]))
        True
        """
        H, model = check_codes(X, self.gains_.shape[0]), self._model()
        if where_rows_are(H):
            block_size, owner = self._block_size(vars(self)), type(self).__name__
            return evaluate_elsewhere(
                EnergyModel.decode, model, H, block_size, owner, "H"
            )
        return model.decode(H)

    @query
    def reconstruct(self, X: ArrayLike) -> Floats:
        """Denoise rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        X_denoised : ndarray of shape (n_samples, n_features)
            ``r(x)``: the estimate of the clean row given the noisy one (Tweedie's
            formula), in the type of X.

        Examples
        --------
        >>> from skdsm import DenoisingScoreMatcher
        >>> matcher = DenoisingScoreMatcher(2, random_state=0).fit([[0], [1], [3]])
        >>> matcher.reconstruct([[9]]) < 9  # back to the training rows
        array([[ True]])
        """
        return self._evaluate(EnergyModel.reconstruct, X)

    @query
    def energy(self, X: ArrayLike) -> Doubles:
        """Evaluate the energy.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        energy : ndarray of shape (n_samples,), float64
            ``(|x - c|^2 / 2 - sum_j g_j softplus(u_j)) / sigma_^2``: minus the
            log-density, up to a constant.

        Examples
        --------
        >>> from skdsm import DenoisingScoreMatcher
        >>> matcher = DenoisingScoreMatcher(2, random_state=0).fit([[0], [1], [3]])
        >>> near, far = matcher.energy([[1], [9]])
        >>> bool(near < far)
        True
        """
        return self._evaluate(EnergyModel.energy, X)

    @query
    def score_function(self, X: ArrayLike) -> Floats:
        """Evaluate the score in the sense of statistics, the log-density's gradient.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        psi : ndarray of shape (n_samples, n_features)
            ``(r(x) - x) / sigma_^2``, in inverse units of X, in the type of X.

        Examples
        --------
        >>> from skdsm import DenoisingScoreMatcher
        >>> matcher = DenoisingScoreMatcher(2, random_state=0).fit([[0], [1], [3]])
        >>> matcher.score_function([[-9], [9]]) > 0  # it points to the training rows
        array([[ True],
               [False]])
        """
        return self._evaluate(EnergyModel.score, X)

    @query
    def feature_contributions(self, X: ArrayLike) -> Floats:
        """Split the anomaly of each row among its features.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        contributions : ndarray of shape (n_samples, n_features)
            ``sigma_^2 psi_i^2 / 2`` for feature i: non-negative, without unit. A row
            sums to ``sigma_^2 |psi|^2 / 2``.

        Examples
        --------
        >>> from skdsm import DenoisingScoreMatcher
        >>> X = [[0, 0], [1, 2], [2, 1]]
        >>> matcher = DenoisingScoreMatcher(2, random_state=0).fit(X)
        >>> matcher.feature_contributions([[1, 9], [9, 1]]).argmax(axis=1)
        array([1, 0])
        """
        return self._evaluate(EnergyModel.feature_contributions, X)

    @query
    def score(self, X: ArrayLike, y: object = None) -> float:
        """Evaluate how well the model's score fits that of the rows' density.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Held-out rows.

        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        score : float
            Minus the mean implicit score matching loss ``|psi|^2 / 2 + div psi``, in
            inverse squared units of X: minus the Fisher divergence between the density
            of the rows and the model's, up to a constant that depends on the former
            only [1]_.

        Notes
        -----
        It needs neither labels nor the normalising constant, and it is comparable
        across `sigma`, `n_components` and all other parameters, so that
        :class:`~sklearn.model_selection.GridSearchCV` works without labels. (The mean
        of ``score_samples`` is not comparable across `sigma`: the normalising constant
        and the factor ``1 / sigma^2`` change.)

        It misleads on columns that are constant, discrete or functions of others, where
        the rows have no density: it then grows without bound as `sigma` shrinks, and
        the search picks the smallest sigma on offer. A good fit of the density is also
        not the same as a good ranking of anomalies, which often gains from a larger
        `sigma`.

        References
        ----------
        .. [1] A. Hyvarinen, "Estimation of Non-Normalized Statistical Models by Score
           Matching", Journal of Machine Learning Research 6, 2005.

        Examples
        --------
        >>> from skdsm import DenoisingScoreMatcher
        >>> matcher = DenoisingScoreMatcher(2, random_state=0).fit([[0], [1], [3]])
        >>> matcher.score([[0], [1], [3]]) > matcher.score([[7], [8], [9]])
        True
        """
        return -mean(self._evaluate(EnergyModel.implicit_loss, X))

    @property
    def _n_features_out(self):
        return self.components_.shape[0]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.array_api_support = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def __getstate__(self):
        # scikit-learn stamps the states of its own estimators only
        return super().__getstate__() | {"_skdsm_version": __version__}

    def __setstate__(self, state):
        state = dict(state)
        version = state.pop("_skdsm_version", "unknown")
        if version != __version__:
            warnings.warn(
                f"This {type(self).__name__} was saved by skdsm {version} and is "
                f"loaded by {__version__}. This might lead to errors or other results.",
                VersionMismatchWarning,
                stacklevel=2,
            )
        # parameters that are newer than the file have their defaults
        super().__setstate__(type(self)().get_params() | state)
