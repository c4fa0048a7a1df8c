"""From rows to a fitted energy model: what happens in a fit, and in which order."""

from functools import partial
from typing import NamedTuple

import numpy as np

from skdsm.corruption import NoiseLevels
from skdsm.energy import EnergyModel
from skdsm.exceptions import NonFiniteError
from skdsm.initialization import data_dependent_start, linear_denoiser
from skdsm.preconditioning import curvature_scaling
from skdsm.risk import draw_risk
from skdsm.rows import canonical_rows
from skdsm.training import schedule, train

__all__ = [
    "Settings",
    "TrainingRows",
    "energy_scale",
    "fit_energy_model",
    "prepare_rows",
]

_FEWEST_ROWS = 256  # below this, rows are repeated: their noise is not
_VALIDATION_ROWS = 4096
_SCALING_ROWS = 8192  # corrupted rows that the change of variables is estimated from
_START, _VALIDATION, _STAGE = range(3)  # what a stream of random numbers is used for


class Settings(NamedTuple):
    """What is to be fitted, and how.

    Attributes
    ----------
    n_components : int
        Hidden units.
    levels : NoiseLevels
        Noise levels.
    learn_gains : bool
        Whether the gains are free, or all one.
    objective : {"dsm", "ism"}
        Denoising score matching, or its implicit form.
    n_corruptions : int
        Corrupted copies of a row in a stage.
    alpha : float
        Strength of the penalty ``alpha * |W|^2 / 2``.
    max_iter : int
        L-BFGS iterations in all.
    tol : float
        Relative improvement of the validation loss below which training ends.
    """

    n_components: int
    levels: NoiseLevels
    learn_gains: bool
    objective: str
    n_corruptions: int
    alpha: float
    max_iter: int
    tol: float


class TrainingRows(NamedTuple):
    """Training rows in canonical order, centred.

    Attributes
    ----------
    X : ndarray of shape (n_samples, d)
        Rows of weighted mean zero.
    weight : ndarray of shape (n_samples,), float64
        Positive weights.
    mean : ndarray of shape (d,), float64
        What was subtracted.
    """

    X: np.ndarray
    weight: np.ndarray
    mean: np.ndarray


def prepare_rows(X, sample_weight, seed):
    """Order, merge and centre rows.

    Rows are repeated, at a fraction of their weight, where one row carries much of the
    weight or rows are few: each repetition gets noise of its own.

    Parameters
    ----------
    X : ndarray of shape (n_samples, d), float32 or float64
        Rows; finite.
    sample_weight : ndarray of shape (n_samples,) or None
        Non-negative weights.
    seed : int
        Which random order.

    Returns
    -------
    TrainingRows
        The rows to train on.

    Raises
    ------
    NonFiniteError
        If squared distances between the rows overflow.
    """
    X, weight = canonical_rows(X, sample_weight, seed)
    share = weight / weight.sum()
    origin = X[0].astype(np.float64)  # so that the mean of far-away rows has its digits
    with np.errstate(over="ignore", invalid="ignore"):
        mean = origin + share @ (X - origin)
        centred = np.subtract(X, mean, dtype=np.float64).astype(X.dtype)
        overflows = not np.isfinite(np.square(centred).sum())
    if overflows:
        raise NonFiniteError("A squared distance between rows of X")
    copies = np.rint(max(len(X), _FEWEST_ROWS) * share).astype(int).clip(1)
    if copies.max() > 1:
        centred = np.repeat(centred, copies, axis=0)
        weight = np.repeat(weight / copies, copies)
    return TrainingRows(centred, weight, mean)


def energy_scale(parameters, rows, levels):
    """Choose sigma in E and psi for a model trained at a range of noise levels.

    There, sigma only scales the energy. Implicit score matching of
    ``(r(x) - x) / sigma^2`` on clean rows is a parabola in ``1 / sigma^2``, smallest at
    ``sigma^2 = E|r(x) - x|^2 / E[d - sum_j g_j |W_j|^2 h_j (1 - h_j)]``.

    Parameters
    ----------
    parameters : Parameters
        W, b, c and g in the frame of the rows.
    rows : TrainingRows
        Clean rows.
    levels : NoiseLevels
        The range, which the result is confined to.

    Returns
    -------
    float
        The level sigma; that of the range, if the range is one level.
    """
    if levels.low == levels.high:
        return float(levels.low)
    unscaled = EnergyModel(parameters, 1.0)
    sample = slice(0, _VALIDATION_ROWS)
    share = rows.weight[sample] / rows.weight[sample].sum()
    curvature = -share @ unscaled.hessian_trace(rows.X[sample])
    square = share @ unscaled.score_norm(rows.X[sample]) ** 2
    precision = curvature / square if square > 0 else np.inf
    return float(np.clip(precision, levels.high**-2.0, levels.low**-2.0) ** -0.5)


def fit_energy_model(rows, settings, seed, *, start=None, monitor=None, map=map):
    """Fit the parameters of the energy model.

    Parameters
    ----------
    rows : TrainingRows
        What to train on.
    settings : Settings
        What to fit.
    seed : int
        Determines every random number.
    start : Parameters, optional
        Where to start; by default drawn from the data.
    monitor : Monitor, optional
        Follows training.
    map : callable, optional
        Ordered map over independent pieces of work.

    Returns
    -------
    TrainingResult
        The parameters, in the frame of the centred rows, and the record of training.

    Raises
    ------
    NonFiniteError
        If training overflows.
    """
    X, weight, _ = rows
    linear = linear_denoiser(X, weight, settings.levels.mean_square)
    grow = start is None
    if start is None:
        rng = np.random.default_rng((seed, _START))
        start = data_dependent_start(X, weight, linear, settings.n_components, rng)

    def draw(n_rows, *key):
        return draw_risk(
            X[:n_rows],
            weight[:n_rows],
            settings.levels,
            (seed, *key),
            objective=settings.objective,
            n_corruptions=settings.n_corruptions,
            n_components=settings.n_components,
            alpha=settings.alpha,
        )

    validation = draw(_VALIDATION_ROWS, _VALIDATION)
    return train(
        start,
        schedule(len(X), settings.max_iter, grow=grow),
        lambda index, stage: partial(draw(stage.n_rows, _STAGE, index), map=map),
        lambda parameters, risk: curvature_scaling(
            parameters, *risk.func.sample(_SCALING_ROWS)
        ),
        validation_risk=lambda parameters: validation(parameters, map=map)[0],
        # never zero, not even for rows that are all the same
        scale=max(linear.loss, 1e-12 * settings.levels.mean_square * X.shape[1]),
        tol=settings.tol,
        learn_gains=settings.learn_gains,
        monitor=monitor,
    )
