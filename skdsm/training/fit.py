"""From prepared rows to a fitted energy model: the steps of a fit, in order."""

from typing import NamedTuple

import numpy as np

from skdsm.model.energy import EnergyModel
from skdsm.model.parameters import Parameters
from skdsm.training.corruption import NoiseLevels
from skdsm.training.energy_matching import match_energy
from skdsm.training.growth import GROUPS, UNSEEN_ROWS, Growth
from skdsm.training.initialization import draw_start, linear_denoiser
from skdsm.training.preconditioner import curvature_scaling
from skdsm.training.protocols import Rows
from skdsm.training.schedule import Schedule
from skdsm.training.screening import reach_of
from skdsm.training.stages import Monitor, TrainingResult, train

__all__ = [
    "Fit",
    "FittedModel",
    "Parts",
    "ScreenedRows",
    "Settings",
    "energy_scale",
    "finish_model",
    "fit_energy_model",
    "screen_rows",
    "training_precision",
]

_START_ROWS = 65536  # that the start is computed from
_VALIDATION_ROWS = 4096
_SCALE_ROWS = 4096  # that sigma is computed from
_SPREAD_ROWS = 2**17  # that the spread is computed from
_MIN_STAGE_ROWS = 1024  # corrupted ones
# a model learns the noise of a sample of fewer rows than it has parameters
_ROWS_PER_PARAMETER = 1
_SCALING_ROWS_PER_UNIT = 4  # corrupted rows, to estimate the curvature from
# Single precision is for rows that reach at most so many smallest noise levels from
# their mean: what it rounds off them is then less than a thousandth of the noise.
_SINGLE_REACH = 2.0**12
_SINGLE_RANGE = 2.0**-40, 2.0**40  # of levels and rows, for their squares
_REACHING = 1.5  # spreads of the rows, at least: the highest noise level
_LEVEL_RATIO = 2.0  # of the highest noise level to the lowest, at least
# what a stream of random numbers is used for
_START, _VALIDATION, _STAGE, _MATCHING, _GROWTH = range(5)


class Settings(NamedTuple):
    """What is to be fitted, and how: parameters of the estimator in their final form.

    A zero for `energy_matching` leaves that step out. Rows are divided by `unit` for
    training.
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
    unit: float = 1.0


class ScreenedRows(NamedTuple):
    """What a model is fitted to: rows that noise reaches, and the levels of noise.

    `bandwidth` maximises the likelihood of the rows under their Parzen density,
    `spread` is their standard deviation in a typical direction, and `share_left_out`
    the share of the weight where noise does not reach.
    """

    rows: Rows
    levels: NoiseLevels
    bandwidth: float
    spread: float
    share_left_out: float

    def settings(self, settings):
        """Settings with these levels, and with the unit that rows are trained in.

        Gains that are fixed at one mean something else in each unit: it stays theirs.
        """
        unit = (self.spread or self.levels.low) if settings.learn_gains else 1.0
        return settings._replace(levels=self.levels, unit=unit)


class FittedModel(NamedTuple):
    """A model in the frame of the rows as they were given.

    `location` (d,) is the mean of the rows, `spread` the root of the mean squared
    distance from it, in units of the data.
    """

    parameters: Parameters
    sigma: float
    location: np.ndarray
    spread: float


class Fit(NamedTuple):
    """A fitted model, and the record of how it came about."""

    model: FittedModel
    training: TrainingResult


def training_precision(X, levels):
    """Choose the type of the arithmetic of training on centred rows X and their levels.

    The gradient is known up to the noise that rows are corrupted with. Where rounding
    to single precision is nothing beside that, it does as well in less time.
    """
    low, high = _SINGLE_RANGE
    reach = max(levels.high, np.abs(X).max())
    fine = low <= levels.low and reach <= min(high, _SINGLE_REACH * levels.low)
    return np.dtype(np.float32) if fine else X.dtype


class Parts(NamedTuple):
    """What training is made of: a benchmark replaces a part to see what it brings.

    Each has the arguments and the result of its default.
    """

    schedule: object = Schedule
    start: object = draw_start
    scaling: object = curvature_scaling
    precision: object = training_precision


def screen_rows(rows, levels=None, screening=True, across=True, map=map):
    """Find the rows to train on, and the noise levels if they are not given.

    These go from the bandwidth, noise that shows detail, to noise that reaches across
    the rows. It need not if all rows are normal (`across` is false): there is no group
    to tell from the others.
    """
    reach, share = reach_of(rows), 0.0
    if screening:
        rows, share = rows.within(reach, map=map)
    if levels is None:
        low = reach.bandwidth
        high = _REACHING * reach.spread if across else 0.0
        levels = NoiseLevels(low, max(_LEVEL_RATIO * low, high))
    return ScreenedRows(rows, levels, reach.bandwidth, reach.spread, share)


def fit_energy_model(
    rows, settings, seed, *, start=None, monitor=None, map=map, parts=None
):
    """Fit an energy model to `Rows`.

    `seed` determines every random number. `start` has parameters to begin with, in the
    frame of the rows as they were given; by default they are drawn from the data.
    `monitor` follows training. `map` is an ordered map over independent pieces of work.
    """
    unit = settings.unit
    if start is not None:
        start = start.translate(-rows.mean).scale(1 / unit)
    scaled = settings._replace(
        levels=_scaled_levels(settings.levels, unit),
        alpha=settings.alpha / unit**2 / unit**2,
    )
    training = _train(
        rows,
        scaled,
        seed,
        start,
        None if monitor is None else _InUnits(monitor, unit),
        map,
        Parts() if parts is None else parts,
    )
    training = training._replace(
        parameters=training.parameters.scale(unit),
        loss_curve=training.loss_curve * unit**2,
        validation_curve=training.validation_curve * unit**2,
    )
    return Fit(finish_model(training.parameters, rows, settings, seed), training)


def _scaled_levels(levels, unit):
    """Levels divided by a unit, without the last bits of the division."""
    if unit == 1:
        return levels
    mantissa, exponent = np.frexp(np.array(levels) / unit)
    rounded = np.ldexp(np.rint(mantissa * 2.0**24), exponent - 24)
    return NoiseLevels(*rounded.tolist())


class _InUnits(Monitor):
    """A monitor that is told of parameters and losses in the units of the data."""

    def __init__(self, monitor, unit):
        self._monitor, self._unit = monitor, unit

    def begin_stage(self, stage, max_iter):
        self._monitor.begin_stage(stage, max_iter)

    def end_iteration(self, parameters, loss):
        loss *= self._unit**2
        return self._monitor.end_iteration(parameters.scale(self._unit), loss)

    def end_stage(self, parameters, validation_loss):
        loss = validation_loss * self._unit**2
        return self._monitor.end_stage(parameters.scale(self._unit), loss)


def _begin(rows, settings, seed, start, parts):
    """Type of the arithmetic, linear denoiser and starting parameters, by a sample."""
    sample, levels, unit = rows.sample(_START_ROWS), settings.levels, settings.unit
    sample = sample.scaled(unit, sample.dtype)
    precision = parts.precision(sample.centred(), levels)
    # what rounding has left of the rows is the same in each unit, and so is the start
    X = sample.centred().astype(precision).astype(sample.dtype)
    linear = linear_denoiser(X, sample.weight, levels.mean_square)
    if start is None:
        rng = np.random.default_rng((seed, _START))
        start = parts.start(X, sample.weight, linear, settings, rng)
    return precision, linear, start


def _train(rows, settings, seed, start, monitor, map, parts):
    """All stages, in the frame of the centred rows divided by the unit."""
    levels, unit = settings.levels, settings.unit
    m, d = settings.n_components, rows.n_features
    smallest = max(_MIN_STAGE_ROWS, int(_ROWS_PER_PARAMETER * m * d))
    plan = parts.schedule(rows.n_rows, settings.n_corruptions, smallest)
    first = plan.first() if start is None else plan.warm()
    precision, linear, start = _begin(rows, settings, seed, start, parts)

    def risk_of(rows, seed, n_copies=settings.n_corruptions):
        drawn = settings._replace(n_corruptions=n_copies)
        return rows.scaled(unit, precision).risk(drawn, seed, map=map)

    def draw_risk(index, stage):
        return risk_of(rows.head(stage.n_rows), (seed, _STAGE, index), stage.n_copies)

    # rows of their own, as long as stages see a sample of all rows: or no stage would
    # tell that it has overfitted its sample
    validation_risk = risk_of(rows.tail(_VALIDATION_ROWS), (seed, _VALIDATION))

    def unseen_risks(stage):
        n_unseen = max(rows.n_rows - stage.n_rows, _VALIDATION_ROWS)
        unseen = rows.tail(min(n_unseen, UNSEEN_ROWS))
        size = unseen.n_rows // GROUPS
        for k in range(GROUPS):  # made when it is asked: each has noise and scratch
            group = unseen.head((k + 1) * size).tail(size)
            yield risk_of(group, (seed, _GROWTH, k))

    identity_loss = 0.5 * levels.mean_square * d
    growth = Growth(
        plan, start, unseen_risks, identity_loss=identity_loss, tol=settings.tol
    )
    return train(
        start,
        first,
        growth.next_stage,
        draw_risk,
        lambda parameters, risk: parts.scaling(
            parameters, *risk.sample(_SCALING_ROWS_PER_UNIT * m)
        ),
        validation_risk=lambda parameters: validation_risk(parameters)[0],
        # never zero, not even for rows that are all the same
        scale=max(linear.loss, 1e-6 * levels.mean_square * d),
        identity_loss=identity_loss,
        max_iter=settings.max_iter,
        tol=settings.tol,
        learn_gains=settings.learn_gains,
        monitor=monitor,
    )


def finish_model(parameters, rows, settings, seed):
    """Take the last steps of a fit: gains, sigma, and the frame of the rows as given.

    Training has come to `parameters`, in the frame of the centred rows, or has ended
    with them. Gains that are not learned stay one.
    """
    if settings.learn_gains and settings.energy_matching:
        strength, key = settings.energy_matching, (seed, _MATCHING)
        parameters = match_energy(parameters, rows, settings.levels, strength, key)
    sample = rows.sample(_SPREAD_ROWS)
    X = sample.centred()
    square = np.einsum("ij,ij->i", X, X, dtype=np.float64)
    return FittedModel(
        parameters.translate(rows.mean),
        energy_scale(parameters, rows, settings.levels),
        np.array(rows.mean, dtype=np.float64),
        float(np.sqrt(np.average(square, weights=sample.weight))),
    )


def energy_scale(parameters, rows, levels):
    """Choose sigma in E and psi for a model trained at a range of noise levels.

    There, sigma only scales the energy. Implicit score matching of
    ``(r(x) - x) / sigma^2`` on clean rows is a parabola in ``1 / sigma^2``, smallest at
    ``sigma^2 = E|r(x) - x|^2 / E[d - sum_j g_j |W_j|^2 h_j (1 - h_j)]``. The result is
    confined to the range.

    `parameters` are in the frame of the centred rows.
    """
    if levels.low == levels.high:
        return float(levels.low)
    unscaled = EnergyModel(parameters, 1.0)
    sample = rows.sample(_SCALE_ROWS)
    X, weight = sample.centred(), sample.weight
    curvature = -np.average(unscaled.hessian_trace(X), weights=weight)
    square = np.average(unscaled.score_norm(X) ** 2, weights=weight)
    with np.errstate(divide="ignore", over="ignore"):
        precision = np.divide(curvature, square)
    return float(np.clip(precision, levels.high**-2.0, levels.low**-2.0) ** -0.5)
