"""The estimator as a density: samples, the partition function, the log-density."""

import warnings
from numbers import Integral, Real
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from sklearn.utils import check_random_state, check_scalar
from sklearn.utils.validation import check_is_fitted

from skdsm._blocks import (
    block_map,
    default_float_errors,
    single_threaded_blas,
)
from skdsm._sklearn.array_backend import to_numpy
from skdsm._sklearn.backends import backend_of, evaluate, marginal_model, query
from skdsm._sklearn.schedulers import local_threads
from skdsm._typing import ArrayLike, Doubles, Floats, Randomness
from skdsm.density.conditional import conditional_draws
from skdsm.density.log_partition import LogPartition, log_partition, model_moments
from skdsm.density.mixture import exact_mixture, is_enumerable
from skdsm.density.target import model_target
from skdsm.density.tempering import tempered_draws
from skdsm.exceptions import SamplingWarning
from skdsm.mcmc.diagnostics import convergence
from skdsm.model.energy import EnergyModel

__all__ = ["DensityMixin", "Extent", "estimated_log_partition", "sampled"]

_N_CHAINS = 16
_MIN_DRAWS = 50  # per chain; fewer do not tell whether the chains have mixed
_MAX_RHAT = 1.05
_MIN_ESS_SHARE = 0.1  # effective sample size, as a share of the number of draws
_FAR = 2.0  # times as far from the training rows' mean as they are themselves


class Extent(NamedTuple):
    """Mean of the training rows (d,), and their root mean square distance from it."""

    location: Doubles
    spread: float


class DensityMixin:
    """What an energy-based model can do once its energy is known.

    Needs `_model`, which returns the fitted EnergyModel.
    """

    if TYPE_CHECKING:
        location_: Doubles
        spread_: float
        sigma_: float
        n_features_in_: int
        n_jobs: int | None

        def _model(self) -> EnergyModel: ...

    @default_float_errors()
    def sample(self, n_samples: int = 1, random_state: Randomness = None) -> Doubles:
        """Draw rows from the model.

        Independent, exact draws where the model is a mixture of few enough Gaussians
        (few units, with gains that are whole multiples of ``sigma_ ** 2``). Otherwise
        chains of parallel tempering, which start from a Gaussian that covers all that
        the model may generate: no training row is kept, or needed.

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
            If the chains have not mixed, as split R-hat or the effective sample size
            tells; or if that cannot be told, because arviz-stats is not installed. And
            if the model's mass lies far outside the training rows: more than twice as
            far from their mean, in root mean square, as they and noise of level
            `sigma_` do; or if that cannot be told, because the model was saved by a
            version that did not keep `location_` and `spread_`.

        Examples
        --------
        >>> from skdsm import DenoisingScoreMatcher
        >>> matcher = DenoisingScoreMatcher(2, sigma=1.0, gains="unit", random_state=0)
        >>> matcher.fit([[0], [1], [3]]).sample(5, random_state=0).shape
        (5, 1)
        """
        check_is_fitted(self)
        check_scalar(n_samples, "n_samples", Integral, min_val=1)
        return sampled(self._model(), n_samples, random_state, self._extent())

    def _extent(self) -> Extent | None:
        """Where the training rows are, if the model was saved with that."""
        if not hasattr(self, "spread_"):
            return None
        return Extent(to_numpy(self.location_), self.spread_)

    @default_float_errors()
    def sample_chains(
        self, n_draws: int = 100, n_chains: int = 16, random_state: Randomness = None
    ) -> dict[str, dict[str, Doubles]]:
        """Draw chains of rows from the model, for a closer look by ArviZ.

        Parameters
        ----------
        n_draws : int, default=100
            Rows of each chain.

        n_chains : int, default=16
            Independent chains.

        random_state : int, RandomState instance or None, default=None
            Determines the random numbers; an int makes the chains reproducible.

        Returns
        -------
        chains : dict
            What ``arviz_base.from_dict`` takes: the group "posterior" holds the rows x,
            of shape (n_chains, n_draws, n_features); the group "sample_stats" holds lp,
            minus their energy, of shape (n_chains, n_draws).

        Examples
        --------
        >>> from skdsm import DenoisingScoreMatcher
        >>> matcher = DenoisingScoreMatcher(2, random_state=0).fit([[0], [1], [3]])
        >>> chains = matcher.sample_chains(n_draws=10, n_chains=4, random_state=0)
        >>> chains["posterior"]["x"].shape
        (4, 10, 1)
        """
        check_is_fitted(self)
        check_scalar(n_draws, "n_draws", Integral, min_val=1)
        check_scalar(n_chains, "n_chains", Integral, min_val=1)
        rng, model = _generator(random_state), self._model()
        if is_enumerable(model):
            rows = exact_mixture(model).sample(rng, n_chains * n_draws)
            rows = rows.reshape(n_chains, n_draws, -1)
        else:
            rows = _tempered(rng, model, n_draws, n_chains).draws
        energy = model.energy(rows.reshape(-1, rows.shape[-1]))
        return {
            "posterior": {"x": rows},
            "sample_stats": {"lp": -energy.reshape(rows.shape[:2])},
        }

    @default_float_errors()
    def log_partition(
        self,
        *,
        tolerance: float = 0.015,
        max_islands: int = 256,
        random_state: Randomness = 0,
    ) -> LogPartition:
        """Compute the logarithm of the partition function, ``Z = int exp(-E(x)) dx``.

        Exact where the model is a mixture of few enough Gaussians, or where its units
        span at most two dimensions; by annealed importance sampling otherwise. The
        first result is kept: until the next fit, further calls return it.

        Parameters
        ----------
        tolerance : float, default=0.015
            Where the value is annealed, independent estimates ("islands") are added, 64
            at a time, until the standard error of their mean is at most this, in nats.

        max_islands : int, default=256
            Number of islands, at most. A result that took so many may have a larger
            standard error than `tolerance`: the result says so. With many features and
            hidden units it does as a rule, at a few hundredths of a nat.

        random_state : int, RandomState instance or None, default=0
            Determines the random numbers of the first call. Fixed by default, so that
            `log_density` is a function of its argument. The value does not depend on
            `n_jobs`.

        Returns
        -------
        log_partition : LogPartition
            The value, its standard error, a lower bound, and how it was found; in nats.

        Warns
        -----
        SamplingWarning
            If independent estimates do not agree; then only the lower bound holds.

        Examples
        --------
        >>> from skdsm import DenoisingScoreMatcher
        >>> matcher = DenoisingScoreMatcher(2, random_state=0).fit([[0], [1], [3]])
        >>> matcher.log_partition().method
        'exact'
        """
        check_is_fitted(self)
        if not hasattr(self, "_log_partition"):
            check_scalar(tolerance, "tolerance", Real, min_val=0)
            check_scalar(max_islands, "max_islands", Integral, min_val=2)
            result = estimated_log_partition(
                self._model(),
                tolerance=tolerance,
                max_islands=max_islands,
                random_state=random_state,
                n_jobs=self.n_jobs,
            )
            self._log_partition = tuple(result)  # of a type that is safe to persist
        return LogPartition(*self._log_partition)

    @query
    def log_density(self, X: ArrayLike) -> Doubles:
        """Evaluate the normalised log-density.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        log_density : ndarray of shape (n_samples,), float64
            ``-E(x) - log Z``, in nats; see `log_partition`. Where cells are missing
            (NaN), the log-density of the observed ones.

        Examples
        --------
        >>> from skdsm import DenoisingScoreMatcher
        >>> matcher = DenoisingScoreMatcher(2, random_state=0).fit([[0], [1], [3]])
        >>> import numpy as np
        >>> grid = np.arange(-6, 9, 0.01)[:, None]
        >>> float(np.exp(matcher.log_density(grid)).sum() * 0.01)
        1.00
        """
        function = EnergyModel.unnormalised_log_density
        return evaluate(self, function, self._model(), X) - self.log_partition().value

    @query
    def impute(
        self,
        X: ArrayLike,
        n_draws: int | None = None,
        random_state: Randomness = None,
    ) -> Floats:
        """Fill missing cells, given the observed ones.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, in which missing cells are NaN.

        n_draws : int, default=None
            How many times to fill the cells by draws from their conditional
            distribution. None fills them once, at a mode of it.

        random_state : int, RandomState instance or None, default=None
            Determines the draws; an int makes them reproducible.

        Returns
        -------
        X_filled : ndarray of shape (n_samples, n_features)
            Rows without missing cells, in the type of X. With `n_draws`, of shape
            (n_draws, n_samples, n_features). Observed cells are what they were.

        Notes
        -----
        The model is a density of rows with noise, of which cells say less of each other
        than of rows without. Therefore the observed cells are first moved against the
        denoiser, by as much as it moves them; the missing cells are filled given these.
        What is returned has the observed cells as they were.

        Draws come from Hybrid Monte Carlo, which starts from a Gaussian at the mode.
        They seldom reach other modes, if there are several apart.

        Examples
        --------
        >>> import numpy as np
        >>> from skdsm import DenoisingScoreMatcher
        >>> x = np.random.default_rng(0).normal(size=(200, 1))
        >>> matcher = DenoisingScoreMatcher(8, random_state=0).fit(np.hstack([x, -x]))
        >>> filled = matcher.impute([[1.0, np.nan]])
        >>> bool(abs(filled[0, 1] + 1) < 0.3)
        True
        >>> matcher.impute([[1.0, np.nan]], n_draws=5, random_state=0).shape
        (5, 1, 2)
        """
        if n_draws is None:
            return evaluate(self, EnergyModel.impute, self._model(), X)
        check_scalar(n_draws, "n_draws", Integral, min_val=1)
        backend = backend_of(X)
        if not isinstance(X := backend.check_rows(self, X, reset=False), np.ndarray):
            raise TypeError("Draws of missing cells need rows in a NumPy array.")
        model = marginal_model(self, self._model())
        with single_threaded_blas():
            noisy = model.noisy(X)
            draws = conditional_draws(_generator(random_state), model, noisy, n_draws)
        return np.where(np.isnan(X), draws, X)


def sampled(model, n_samples, random_state, extent):  # numpydoc ignore=PR01,RT01
    """Draw rows (n, d) of a model; warn if these cannot be trusted."""
    rng = _generator(random_state)
    if is_enumerable(model):
        mixture = exact_mixture(model)
        _warn_if_far(mixture.mean(), np.trace(mixture.covariance()), model, extent)
        return mixture.sample(rng, n_samples)
    n_draws = max(_MIN_DRAWS, -(-n_samples // _N_CHAINS))
    draws = _tempered(rng, model, n_draws, _N_CHAINS).draws
    _warn_unless_mixed(draws)
    rows = draws.reshape(-1, draws.shape[-1])
    _warn_if_far(rows.mean(axis=0), rows.var(axis=0).sum(), model, extent)
    return rows[rng.choice(len(rows), size=n_samples, replace=False)]


def estimated_log_partition(
    model, *, random_state, n_jobs, **limits
):  # numpydoc ignore=PR01,RT01
    """Evaluate log Z of a model; warn if it is not reliable."""
    with block_map(local_threads(n_jobs)) as map:
        result = log_partition(model, _generator(random_state), map=map, **limits)
    if not result.is_reliable:
        warnings.warn(
            f"{result.n_islands} estimates of the partition function do not "
            f"agree: log Z has a standard error of {result.standard_error:.2g} "
            "nats or more, and only its lower bound is reliable.",
            SamplingWarning,
            stacklevel=4,
        )
    return result


def _warn_if_far(mean, variance, model, extent):
    """Warn of a mean squared distance that no density of the rows would have."""
    if extent is None:
        warnings.warn(
            "Whether the model's mass lies near the training rows is not known: it "
            "was saved by an earlier version, without location_ and spread_. A new "
            "fit has them.",
            SamplingWarning,
            stacklevel=5,
        )
        return
    offset = mean - extent.location
    distance = np.sqrt(variance + offset @ offset)
    expected = np.hypot(extent.spread, model.sigma * len(mean) ** 0.5)
    if distance > _FAR * expected:
        warnings.warn(
            "The model's mass lies far outside the training rows: its root mean "
            f"square distance from their mean is {distance:.3g}, theirs with noise "
            f"of sigma_ is {expected:.3g}. Training says nothing about places that "
            "no corrupted row visits. For a density of rows, use "
            "skdsm.density_estimator.ScoreMatchingDensity; or try fewer units.",
            SamplingWarning,
            stacklevel=5,
        )


def _generator(random_state):
    return np.random.default_rng(check_random_state(random_state).randint(2**31))


def _tempered(rng, model, n_draws, n_chains):
    return tempered_draws(
        rng, model_target(model), *model_moments(model), n_draws, n_ensembles=n_chains
    )


def _warn_unless_mixed(draws):
    try:
        rhat, ess = convergence(draws)
    except ImportError as error:
        message = f"Whether the chains have mixed is not known. {error}"
    else:
        share = ess.min() / (draws.shape[0] * draws.shape[1])
        # also if they are not a number, as for chains that do not move
        if rhat.max() <= _MAX_RHAT and share >= _MIN_ESS_SHARE:
            return
        message = (
            f"The chains have not mixed: split R-hat is {rhat.max():.2f}, the "
            f"effective sample size {100 * share:.0f} % of the number of rows. Modes "
            "may be missing, or out of proportion."
        )
    warnings.warn(message, SamplingWarning, stacklevel=5)
