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
from skdsm._blocks import block_map, default_float_errors
from skdsm._sklearn.backends import backend_of, evaluate, query
from skdsm._sklearn.callbacks import FitMonitor
from skdsm._sklearn.density_mixin import DensityMixin
from skdsm._sklearn.detection_mixin import (
    LANDMARK_ATTRIBUTES,
    DetectionMixin,
    fitted_model,
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
from skdsm.exceptions import ScreeningWarning, VersionMismatchWarning
from skdsm.model.energy import EnergyModel
from skdsm.training.fit import Settings, finish_model, fit_energy_model, screen_rows

__all__ = ["DenoisingScoreMatcher"]

_SURPRISING_SHARE = 0.05  # of the rows, to be left out of training

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
    """Denoising autoencoder that ranks anomalies, and models the data's density.

    The model learns to remove Gaussian noise from rows. By that it learns how likely
    rows are, up to a constant [1]_: `score_samples` is high for normal rows, and low
    for anomalies. The same fitted object extracts features, denoises, fills missing
    cells, knows the gradient of the log-density, and can be sampled.

    It is an autoencoder with tied weights, a logistic encoder and a linear decoder:
    ``r(x) = c + W'(g * h)`` with ``h = logistic(W x + b)``. The step ``r(x) - x`` that
    it takes to denoise a row is proportional to the score, the gradient of the
    log-density of an energy-based model. Training matches this score to the score of a
    Parzen density of the rows, which is a kernel density estimate with Gaussian
    kernels.

    Standardise the columns first, unless they share a unit: the scale of a column
    decides how much it counts. Shifts and rotations of the data make no difference, nor
    does, with the defaults, another unit for all columns at once.

    Read more in the :ref:`User Guide <user_guide>`.

    Parameters
    ----------
    n_components : int, default=128
        Number of hidden units. With more units the model can follow a more detailed
        density; fits and queries take longer, and saved models are larger.

    sigma : "auto", float or pair of float, default="auto"
        Noise level: standard deviation of the Gaussian noise that the model learns to
        remove, in the units of X. Detail finer than the noise is smoothed away.

        - "auto" finds a range of levels in the rows, see `noise_levels_`. The lowest is
          the bandwidth with which a sample of the rows is most likely, each row under
          the Parzen density of the others. The highest is one and a half times the
          standard deviation of the rows in a typical direction or, with
          ``ranking="combined"``, twice the lowest.
        - A pair (low, high) gives the range. Each corrupted row draws its own level,
          uniformly on a logarithmic scale; `sigma_` is computed after training.
        - A float is a single level, as in the paper: such as 0.5, if columns are
          standardised.

        See :ref:`choosing_sigma`.

    gains : {"learned", "unit"}, default="learned"
        Factors g of the hidden units in the decoder. "learned" fits one for each unit,
        so that the unit's height and its steepness can differ; the score stays the
        gradient of a log-density. "unit" fixes all at 1, as in the paper.

    objective : {"dsm", "ism"}, default="dsm"
        Loss to minimise. "dsm" is denoising score matching, the squared error of the
        denoised rows. "ism" is implicit score matching on the same corrupted rows; up
        to a constant it has the same expectation over the noise. Keep "dsm" unless you
        compare the two. Use "ism" with ``gains="unit"`` only: with learned gains and a
        finite draw of noise it has no lower bound, and training may follow it down.

    n_corruptions : int, default=4
        Largest number of corrupted copies of each row in a stage of training. More
        copies average out more of the noise, and the last stages take longer in
        proportion. Stages begin with fewer copies where that is enough.

    alpha : float, default=0.0
        Strength of the L2 penalty: ``alpha / 2`` times the sum of the squares of
        `components_` is added to the loss.

    energy_matching : float, default=0.05
        Strength of the last step of a fit with learned gains, a number without unit.
        Training fits the slope of the energy, which says little about the difference
        in height between clusters that lie apart. The last step corrects the height:
        it changes the gains so that the energy agrees with minus the Parzen log-density
        of up to 2,048 training rows. (A row does not count in the density at its own
        corrupted copies.) Larger values correct more, at the expense of the denoising
        loss. Zero leaves the step out: use it where you need the denoiser only. See
        :ref:`energy_matching`.

    max_iter : int, default=2000
        Largest number of L-BFGS iterations in a fit, over all stages. A fit that
        reaches it issues a :class:`~sklearn.exceptions.ConvergenceWarning`.

    tol : float, default=3e-3
        When to stop. A smaller value trains longer, a larger one stops earlier.
        Training runs in stages, and after each the loss is computed on noise that is
        kept for validation. A stage has succeeded if it lowered this loss by more than
        the fraction `tol`; a longer stage must lower it by more, in proportion. After a
        stage without success, the next one uses four times as many rows, or twice as
        many corrupted copies; if the stage had all rows and all copies, or many of them
        and more would not pay, training ends. The fraction is of the loss itself, or of
        its distance from the loss of ``r(x) = x``, which removes no noise, whichever is
        smaller.

    ranking : {"energy", "score_norm", "combined"}, default="energy"
        What `score_samples` returns. Higher is more normal for all three.

        - "energy": minus the energy, which is the log-density up to a constant. Use it
          if anomalies may be among the training rows.
        - "score_norm": minus the length of the score. The lowest rows are those where
          the log-density is steepest.
        - "combined": use it if the training rows are known to be normal, and set it
          before the fit. It adds up two squared distances of a row, each on a
          logarithmic scale: a to its reconstruction, and b to the nearest of the
          training rows that the model keeps. It is
          ``-log(1 + a / a_0) - log(1 + b / b_0)``, where a_0 and b_0 are the medians of
          a and b over the rows kept, and b is a soft minimum.

        To change between "energy" and "score_norm" needs no new fit, but call
        `fit_threshold` before `predict`. See :ref:`ranking`.

    n_landmarks : int, default=2000
        Largest number of training rows that the model keeps for ``ranking="combined"``,
        chosen at random. They are part of every saved model, and a query takes as long
        as with this many more hidden units. Other rankings keep no row.

    screening : bool, default=True
        Whether training leaves out rows that are so far from all others that noise does
        not reach them, such as rows with a code like 999999 for a missing value. There
        the energy would be arbitrary, and such a row could come out as normal. Rows
        left out are scored as all other rows are, and count in `contamination`. Rows in
        groups that have a twentieth of the weight, or several per cent of a large
        number of rows, are never left out. See :ref:`screening`.

    contamination : float or "auto", default=0.1
        Share of the training rows, by weight, that `predict` calls outliers, in
        (0, 0.5]. It determines the threshold `offset_` only, not the model nor its
        scores. "auto" puts the threshold at the lower fence of a box plot of the
        training scores, ``q1 - 1.5 (q3 - q1)`` with their quartiles q1 and q3.

    warm_start : bool, default=False
        Whether `fit` starts from the parameters of the previous fit, with all rows and
        all corrupted copies from the first stage on. If there are more than 131,072
        rows, the first stage has so many, with one copy each.

    n_jobs : int, default=None
        Number of threads that share the blocks of rows, in fits and in queries. None
        means 1, unless in a :obj:`joblib.parallel_backend` context; -1 means all
        processors. Results do not depend on it, to the last bit.

    random_state : int, RandomState instance or None, default=None
        Determines the starting point, the noise, and the order in which rows are used.
        Pass an int for reproducible results.

    verbose : bool, default=False
        Whether to print a line per iteration.

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

    noise_levels_ : ndarray of shape (2,)
        Lowest and highest noise level of training, in the units of X.

    sigma_ : float
        Scale of the energy and of the score, in the units of X: the noise level if
        there is one, otherwise the value in the range that minimises the implicit score
        matching loss of the training rows.

    screened_share_ : float
        Share of the training rows, by weight, that training left out, see `screening`.
        A share above 5 % issues a :class:`~skdsm.exceptions.ScreeningWarning`.

    offset_ : float
        Threshold: ``decision_function`` is ``score_samples`` minus this.

    landmarks_ : ndarray of shape (n_kept, `n_features_in_`)
        Training rows that the model keeps. This attribute and the next three exist only
        after a fit with ``ranking="combined"``.

    landmark_weight_ : ndarray of shape (n_kept,)
        Weights of the rows in `landmarks_`.

    bandwidth_ : float
        Bandwidth of the soft minimum of the distances to `landmarks_`, in the units of
        X: half of the one that ``sigma="auto"`` finds, for any `sigma`.

    ranking_scales_ : ndarray of shape (2,)
        Medians a_0 and b_0 of the two squared distances over `landmarks_`, in squared
        units of X; see `ranking`.

    location_ : ndarray of shape (`n_features_in_`,)
        Mean of the training rows, without those left out.

    spread_ : float
        Root mean square distance of these rows, of at most 131,072 of them, from
        `location_`, in the units of X. `sample` warns if the rows that it draws lie far
        outside.

    loss_ : float
        Loss at the end of training, before energy matching, on the noise kept for
        validation: mean over corrupted rows of half the squared distance between the
        reconstruction and the clean row (:math:`\\sigma^4 J_{DSM}`), plus the penalty.
        In squared units of X.

    sample_size_ : int
        Number of rows that the last stage of training saw: all of them, unless there
        are more than 131,072 and a larger sample would not have paid. Equal rows that
        were merged count once; see :ref:`growing_sample`.

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
    skdsm.imputation.DenoisingImputer : Fills missing cells, as a step of a pipeline.

    Notes
    -----
    The fit does not depend on the order of the rows, and a row of weight two is the
    same as two rows, bit for bit: before noise is drawn, rows are put in an order that
    depends on their values only, and equal rows are merged. With learned gains, rows in
    another unit get the same scores, up to rounding. Memory-mapped rows
    (:class:`numpy.memmap`) of more than a sixteenth of scikit-learn's setting
    ``working_memory`` are an exception: they stay on disk, in their order, and the
    threshold is set on a random sample of them.

    Rows may also be a dask array or a dask DataFrame. The model then depends on how the
    rows are divided into blocks, but not on where the blocks are evaluated. Methods
    that return a value per row then return lazy dask arrays. See :ref:`large_data`.

    Cells may be missing (NaN). A row is then judged by the cells that it has, and
    `impute` fills the others. See :ref:`missing`.

    With scikit-learn's setting ``array_api_dispatch``, rows may also be tensors of
    PyTorch, or other arrays of the array API standard. The fit then runs on their
    device, and both the fitted arrays and the results of methods are arrays of the same
    kind. Equal rows are not merged in this case, and their order matters. See
    :ref:`array_api`.

    Training minimises the loss by L-BFGS in stages. The noise is frozen within a stage
    and drawn anew for the next; the first stages see a growing sample of the rows, and
    the last ones a growing number of corrupted copies of them. The loss is computed in
    single precision, unless rows reach further than 4096 times the smallest noise level
    from their mean. The optimiser, and all that is computed from the fitted model, have
    the precision of the rows. See :ref:`training`.

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
    noise_levels_: Doubles
    sigma_: float
    screened_share_: float
    offset_: float
    loss_: float
    sample_size_: int
    loss_curve_: list[float]
    stage_ends_: list[int]
    n_iter_: int
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]

    _parameter_constraints = {
        "n_components": [COUNT],
        "sigma": [POSITIVE, tuple, list, StrOptions({"auto"})],
        "gains": [StrOptions({"learned", "unit"})],
        "objective": [StrOptions({"dsm", "ism"})],
        "n_corruptions": [COUNT],
        "alpha": [NON_NEGATIVE],
        "energy_matching": [NON_NEGATIVE],
        "max_iter": [COUNT],
        "tol": [NON_NEGATIVE],
        "ranking": [StrOptions({"energy", "score_norm", "combined"})],
        "n_landmarks": [COUNT],
        "screening": ["boolean"],
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
        sigma: float | tuple[float, float] | list[float] | Literal["auto"] = "auto",
        gains: Literal["learned", "unit"] = "learned",
        objective: Literal["dsm", "ism"] = "dsm",
        n_corruptions: int = 4,
        alpha: float = 0.0,
        energy_matching: float = 0.05,
        max_iter: int = 2000,
        tol: float = 3e-3,
        ranking: Literal["energy", "score_norm", "combined"] = "energy",
        n_landmarks: int = 2000,
        screening: bool = True,
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
        self.screening = screening
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
            Training rows, or an array of another library if array API dispatch is on.
            Standardised columns are recommended. Cells that are NaN are missing, see
            :ref:`missing`.

        y : Ignored
            Not used, present for API consistency by convention.

        sample_weight : array-like or dask array of shape (n_samples,), default=None
            Weight of each row; None means a weight of one for all. A row of weight zero
            is left out.

        Returns
        -------
        self : DenoisingScoreMatcher
            The fitted estimator.

        Raises
        ------
        ValueError
            If X or a parameter is not valid, or if training overflows. The estimator
            then stays as it was before the call.

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
        settings = self._settings()
        backend = backend_of(X)
        X = backend.check_rows(self, X, reset=True)
        sample_weight = backend.check_weights(sample_weight, X)
        start = self._previous_parameters(X.shape[1])
        seed = int(check_random_state(self.random_state).randint(2**31))
        context = self._init_callback_context(max_subtasks=None)
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        hooks = {"estimator": self, "X": X, "y": y, "metadata": metadata}
        context.call_on_fit_task_begin(**hooks)

        with block_map(local_threads(self.n_jobs)) as map:
            rows = backend.prepare(X, sample_weight, seed, type(self).__name__)
            screened = screen_rows(
                rows,
                settings.levels,
                self.screening,
                across=self.ranking != "combined",
                map=map,
            )
            settings = screened.settings(settings)
            attributes = partial(
                self._attributes, backend=backend, rows=rows, screened=screened, map=map
            )

            def progress(stage, loss):
                sample = screened.rows.head(stage.n_rows)
                loss = {} if loss is None else {"loss_": float(loss)}
                return {"sample_size_": int(sample.n_distinct)} | loss

            def reconstruct(parameters, stage, loss):
                model = finish_model(parameters, screened.rows, settings, seed)
                return attributes(model) | progress(stage, loss)

            model, training = fit_energy_model(
                screened.rows,
                settings,
                seed,
                start=start,
                monitor=FitMonitor(context, hooks, reconstruct, self.verbose),
                map=map,
            )
            fitted = attributes(model)
            fitted |= progress(training.last_stage, training.validation_curve[-1])
        if screened.share_left_out > _SURPRISING_SHARE:
            warnings.warn(
                f"Noise does not reach {screened.share_left_out:.1%} of the training "
                "rows, by weight: training left them out. If they are neither errors "
                "nor anomalies, transform columns of long tails, or pass "
                "screening=False.",
                ScreeningWarning,
                stacklevel=5,  # past fit and its two decorators
            )
        if training.message:
            warnings.warn(
                f"Training did not converge: {training.message}. Consider scaling the "
                "data, more iterations (max_iter) or a larger tolerance (tol).",
                ConvergenceWarning,
                stacklevel=5,
            )
        fitted |= {
            # lists, as rounding may change their lengths: no two libraries round alike
            "loss_curve_": training.loss_curve.tolist(),
            "stage_ends_": training.stage_ends.tolist(),
            "n_iter_": len(training.loss_curve),
        }
        context.call_on_fit_task_end(**hooks, reconstruction_attributes=fitted)
        # all at once and last: a fit that fails leaves nothing behind
        for name in ("_log_partition", *LANDMARK_ATTRIBUTES):
            vars(self).pop(name, None)
        vars(self).update(fitted)

    def _settings(self):
        return Settings(
            n_components=int(self.n_components),
            levels=check_noise_levels(self.sigma, type(self).__name__),
            learn_gains=self.gains == "learned",
            objective=self.objective,
            n_corruptions=int(self.n_corruptions),
            alpha=float(self.alpha),
            max_iter=int(self.max_iter),
            tol=float(self.tol),
            energy_matching=float(self.energy_matching),
        )

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

    def _attributes(self, model, *, backend, rows, screened, map):
        """Fitted attributes: of a model of the screened rows, and of all rows."""
        parameters = model.parameters
        fitted = {
            "components_": parameters.components,
            "intercept_hidden_": parameters.intercept_hidden,
            "intercept_visible_": parameters.intercept_visible,
            "gains_": parameters.gains,
            "noise_levels_": np.array(screened.levels),
            "sigma_": model.sigma,
            "screened_share_": screened.share_left_out,
            "location_": model.location,
            "spread_": model.spread,
        }
        fitted |= self._landmarks(rows, screened.bandwidth, fitted)
        fitted |= self._threshold(rows, fitted, map)
        return backend.attributes(fitted)

    def _model(self):
        return fitted_model(vars(self))

    @query
    def transform(self, X: ArrayLike) -> Floats:
        """Encode rows: compute their hidden code.

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
        return evaluate(self, EnergyModel.hidden, self._model(), X)

    @query
    def inverse_transform(self, X: ArrayLike) -> Floats:
        """Decode hidden codes: compute the rows that they stand for.

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
        backend = backend_of(X)
        H = backend.check_codes(X, self.gains_.shape[0])
        options = {"n_jobs": self.n_jobs, "owner": type(self).__name__, "name": "H"}
        return backend.evaluate(EnergyModel.decode, self._model(), H, **options)

    @query
    def reconstruct(self, X: ArrayLike) -> Floats:
        """Denoise rows: estimate the clean row behind each noisy one.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        X_denoised : ndarray of shape (n_samples, n_features)
            ``r(x)``, an estimate of the mean of the clean row given the noisy one
            (Tweedie's formula), in the type of X.

        Examples
        --------
        >>> from skdsm import DenoisingScoreMatcher
        >>> matcher = DenoisingScoreMatcher(2, random_state=0).fit([[0], [1], [3]])
        >>> matcher.reconstruct([[9]]) < 9  # back to the training rows
        array([[ True]])
        """
        return evaluate(self, EnergyModel.reconstruct, self._model(), X)

    @query
    def energy(self, X: ArrayLike) -> Doubles:
        """Compute the energy of rows: low for normal rows, high for anomalies.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        energy : ndarray of shape (n_samples,), float64
            ``(|x - c|^2 / 2 - sum_j g_j softplus(u_j)) / sigma_^2`` with
            ``u = W x + b``: minus the log-density, up to a constant. Where cells are
            missing (NaN), the energy of the observed ones, see :ref:`missing`.

        Examples
        --------
        >>> from skdsm import DenoisingScoreMatcher
        >>> matcher = DenoisingScoreMatcher(2, random_state=0).fit([[0], [1], [3]])
        >>> near, far = matcher.energy([[1], [9]])
        >>> bool(near < far)
        True
        """
        return evaluate(self, EnergyModel.energy, self._model(), X)

    @query
    def score_function(self, X: ArrayLike) -> Floats:
        """Compute the score in the sense of statistics: the log-density's gradient.

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
        return evaluate(self, EnergyModel.score, self._model(), X)

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
            ``sigma_^2 psi_i^2 / 2`` for feature i, where psi is the `score_function`:
            non-negative, without unit. The contributions of a row sum to
            ``sigma_^2 |psi|^2 / 2``. Those of missing cells (NaN) are zero.

        Examples
        --------
        >>> from skdsm import DenoisingScoreMatcher
        >>> X = [[0, 0], [1, 2], [2, 1]]
        >>> matcher = DenoisingScoreMatcher(2, random_state=0).fit(X)
        >>> matcher.feature_contributions([[1, 9], [9, 1]]).argmax(axis=1)
        array([1, 0])
        """
        return evaluate(self, EnergyModel.feature_contributions, self._model(), X)

    @query
    def score(self, X: ArrayLike, y: object = None) -> float:
        """Measure how well the model fits held-out rows, without labels.

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
            inverse squared units of X; higher is better. It estimates minus the Fisher
            divergence between the density of the rows and the density of the model, up
            to a constant that depends on the rows only [1]_.

        Notes
        -----
        It needs neither labels nor the normalising constant, and it can be compared
        across `sigma`, `n_components` and all other parameters, so that
        :class:`~sklearn.model_selection.GridSearchCV` works without labels. (The mean
        of ``score_samples`` cannot be compared across `sigma`: the normalising constant
        and the factor ``1 / sigma^2`` change.)

        Do not rely on it if columns are constant, discrete or functions of others. The
        rows then have no density, `score` grows without bound as `sigma` shrinks, and a
        search selects the smallest `sigma` of the grid. A good fit of the density is
        also not the same as a good ranking of anomalies, which often gains from a
        larger `sigma`. See :ref:`choosing_sigma`.

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
        loss = evaluate(self, EnergyModel.implicit_loss, self._model(), X)
        return -backend_of(loss).mean(loss)

    @property
    def _n_features_out(self):
        return self.components_.shape[0]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.array_api_support = True
        tags.input_tags.allow_nan = True
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
