"""From rows to a fitted energy model: what happens in a fit, and in which order."""

from typing import NamedTuple

import numpy as np

from skdsm.model.energy import EnergyModel
from skdsm.training.corruption import NoiseLevels
from skdsm.training.empirical_risk import EmpiricalRisk
from skdsm.training.energy_matching import match_energy
from skdsm.training.initialization import data_dependent_start, linear_denoiser
from skdsm.training.preconditioner import curvature_scaling
from skdsm.training.schedule import Schedule
from skdsm.training.stages import train

__all__ = [
    "Parts",
    "Settings",
    "energy_scale",
    "final_parameters",
    "fit_energy_model",
    "training_precision",
]

_VALIDATION_ROWS = 4096
_START_ROWS = 65536  # rows that the start is computed from
_FEWEST_ROWS = 1024  # corrupted rows of a stage
# a sample of fewer rows than parameters teaches the model its own noise
_ROWS_A_PARAMETER = 1
# Single precision is for rows that reach at most so many smallest noise levels from
# their mean: what it rounds off them is then less than a thousandth of the noise.
_SINGLE_REACH = 2.0**12
_SINGLE_RANGE = 2.0**-40, 2.0**40  # of levels and rows, for their squares
_SCALING_ROWS = 4  # corrupted rows a hidden unit, to estimate the curvature from
# what a stream of random numbers is used for
_START, _VALIDATION, _STAGE, _MATCHING = range(4)


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
        Relative improvement of the validation loss below which a stage has failed.
    energy_matching : float, default=0.0
        Weight of the energies in the last step, which is done if gains are learned;
        zero leaves the step out.
    """

    n_components: int
    levels: NoiseLevels
    learn_gains: bool
    objective: str
    n_corruptions: int
    alpha: float
    max_iter: int
    tol: float
    energy_matching: float = 0.0


def training_precision(X, levels):
    """Choose the type of the arithmetic of training.

    The gradient is known up to the noise that rows are corrupted with. Where rounding
    to single precision is nothing beside that, it does as well in less time.

    Parameters
    ----------
    X : ndarray of shape (n_samples, d), float32 or float64
        Centred rows.
    levels : NoiseLevels
        Noise levels.

    Returns
    -------
    dtype
        Either float32, or the type of X.
    """
    low, high = _SINGLE_RANGE
    reach = max(levels.high, np.abs(X).max())
    fine = low <= levels.low and reach <= min(high, _SINGLE_REACH * levels.low)
    return np.dtype(np.float32) if fine else X.dtype


class Parts(NamedTuple):
    """What training is made of: a benchmark replaces a part to see what it brings.

    Attributes
    ----------
    schedule : callable
        ``schedule(n_rows, n_copies, smallest)`` returns a `Schedule`.
    start : callable
        Draws the starting parameters, as `data_dependent_start` does.
    risk : callable
        ``risk(rows, settings, seed, map=map)`` returns what an `EmpiricalRisk` is.
    scaling : callable
        Returns a `ChangeOfVariables`, as `curvature_scaling` does.
    precision : callable
        Returns the type of the arithmetic, as `training_precision` does.
    """

    schedule: object = Schedule
    start: object = data_dependent_start
    risk: object = EmpiricalRisk
    scaling: object = curvature_scaling
    precision: object = training_precision


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
    sample = rows.sample(_VALIDATION_ROWS)
    curvature = -np.average(unscaled.hessian_trace(sample.X), weights=sample.weight)
    square = np.average(unscaled.score_norm(sample.X) ** 2, weights=sample.weight)
    with np.errstate(divide="ignore", over="ignore"):
        precision = np.divide(curvature, square)
    return float(np.clip(precision, levels.high**-2.0, levels.low**-2.0) ** -0.5)


def final_parameters(parameters, rows, settings, seed):
    """Take the last step of a fit, `match_energy`, if it is asked for.

    Parameters
    ----------
    parameters : Parameters
        What training came to, in the frame of the rows.
    rows : TrainingRows
        Clean rows.
    settings : Settings
        What is fitted: unit gains stay as they are.
    seed : int
        Determines the noise.

    Returns
    -------
    Parameters
        The parameters of the fitted model, in the same frame.
    """
    if not (settings.learn_gains and settings.energy_matching):
        return parameters
    strength, key = settings.energy_matching, (seed, _MATCHING)
    return match_energy(parameters, rows, settings.levels, strength, key)


def fit_energy_model(
    rows, settings, seed, *, start=None, monitor=None, map=map, parts=None
):
    """Train the parameters of the energy model, but for the last step.

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
    parts : Parts, optional
        What training is made of.

    Returns
    -------
    TrainingResult
        The parameters, in the frame of the centred rows, and the record of training.

    Raises
    ------
    NonFiniteError
        If training overflows.
    """
    parts = Parts() if parts is None else parts
    sample = rows.sample(_START_ROWS)
    linear = linear_denoiser(sample.X, sample.weight, settings.levels.mean_square)
    rows = rows.rounded(parts.precision(sample.X, settings.levels))
    m, d = settings.n_components, rows.X.shape[1]
    smallest = max(_FEWEST_ROWS, int(_ROWS_A_PARAMETER * m * d))
    plan = parts.schedule(rows.X.shape[0], settings.n_corruptions, smallest)
    first = plan.last() if start is not None else plan.first()
    if start is None:
        rng = np.random.default_rng((seed, _START))
        start = parts.start(sample.X, sample.weight, linear, m, rng)

    def draw(rows, n_copies, *key):
        stage = settings._replace(n_corruptions=n_copies)
        return parts.risk(rows, stage, (seed, *key), map=map)

    # rows of their own, as long as stages see a sample of all rows: or no stage would
    # tell that it has learned its sample by heart
    validation = draw(rows.tail(_VALIDATION_ROWS), settings.n_corruptions, _VALIDATION)
    return train(
        start,
        first,
        plan.after,
        lambda index, stage: draw(
            rows.head(stage.n_rows), stage.n_copies, _STAGE, index
        ),
        lambda parameters, risk: parts.scaling(
            parameters, *risk.sample(_SCALING_ROWS * m)
        ),
        validation_risk=lambda parameters: validation(parameters)[0],
        # never zero, not even for rows that are all the same
        scale=max(linear.loss, 1e-6 * settings.levels.mean_square * d),
        idle_loss=0.5 * settings.levels.mean_square * d,
        max_iter=settings.max_iter,
        tol=settings.tol,
        learn_gains=settings.learn_gains,
        monitor=monitor,
    )
