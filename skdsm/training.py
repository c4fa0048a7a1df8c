"""Staged minimisation by SciPy's L-BFGS.

A line search needs a deterministic objective, so the noise is frozen within a stage; a
fresh draw in the next stage keeps the model from fitting any one of them. Early stages
see a small sample of the rows [1]_. Each stage starts where the last one ended, with a
change of variables estimated there.

References
----------
.. [1] R. Byrd, G. Chin, J. Nocedal and Y. Wu, "Sample size selection in optimization
   methods for machine learning", Mathematical Programming 134, 2012.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from skdsm.energy import Parameters
from skdsm.exceptions import NonFiniteError

__all__ = [
    "Monitor",
    "Stage",
    "TrainingResult",
    "minimise_stage",
    "schedule",
    "train",
]

_ABNORMAL = 2  # L-BFGS-B status: the line search found no acceptable step


class Stage(NamedTuple):
    """One stage of training.

    Attributes
    ----------
    n_rows : int
        How many of the (randomly ordered) rows it sees.
    max_iter : int
        Its L-BFGS iterations at most.
    """

    n_rows: int
    max_iter: int


class TrainingResult(NamedTuple):
    """What training came to.

    Attributes
    ----------
    parameters : Parameters
        W, b, c and g.
    loss_curve : ndarray of shape (n_iter,)
        Loss after each iteration, on the noise of its stage.
    stage_ends : ndarray of shape (n_stages,)
        Iterations done at the end of each stage.
    validation_curve : ndarray of shape (n_stages,)
        Loss at the end of each stage on one draw of noise that is never trained on.
    message : str
        Empty if training stopped by its tolerance or by request, else why it stopped.
    """

    parameters: Parameters
    loss_curve: np.ndarray
    stage_ends: np.ndarray
    validation_curve: np.ndarray
    message: str


class Monitor:
    """Follows training, and may stop it. This one only watches."""

    def begin_stage(self, stage):
        """Take note that a stage begins.

        Parameters
        ----------
        stage : Stage
            The stage.
        """

    def end_iteration(self, parameters, loss):
        """Take note of an iteration.

        Parameters
        ----------
        parameters : Parameters
            Current W, b, c and g.
        loss : float
            Current loss.

        Returns
        -------
        bool
            Whether to stop.
        """
        return False

    def end_stage(self, parameters, validation_loss):
        """Take note that a stage has ended.

        Parameters
        ----------
        parameters : Parameters
            Current W, b, c and g.
        validation_loss : float
            Loss on the validation draw.

        Returns
        -------
        bool
            Whether to stop.
        """
        return False


def schedule(n_rows, max_iter, *, stage_iter=30, smallest=1024, growth=4, grow=True):
    """Plan the stages: a growing sample, then all rows again and again.

    Parameters
    ----------
    n_rows : int
        Number of training rows.
    max_iter : int
        L-BFGS iterations in all.
    stage_iter : int, optional
        Iterations a stage.
    smallest : int, optional
        No sample is smaller, unless there are fewer rows.
    growth : int, optional
        Ratio of consecutive sample sizes.
    grow : bool, optional
        Whether to begin with samples; a warm start need not.

    Returns
    -------
    list of Stage
        Their iterations add up to `max_iter`.
    """
    sizes = [n_rows]
    while grow and sizes[0] // growth >= smallest:
        sizes.insert(0, sizes[0] // growth)
    n_stages = -(-max_iter // stage_iter)
    sizes = sizes[-n_stages:] + [n_rows] * (n_stages - len(sizes))
    left = max_iter - stage_iter * (n_stages - 1)
    return [Stage(size, stage_iter) for size in sizes[:-1]] + [Stage(sizes[-1], left)]


def minimise_stage(
    risk, start, variables, max_iter, *, scale=1.0, learn_gains=False, end_iteration
):
    """Run L-BFGS on one frozen objective, in the given variables.

    Parameters
    ----------
    risk : callable
        ``risk(parameters)`` returns (value, gradient).
    start : Parameters
        Where to start.
    variables : ChangeOfVariables
        What L-BFGS works in.
    max_iter : int
        Iterations at most.
    scale : float, optional
        Typical size of the risk, which is divided by it: L-BFGS's tolerances on the
        gradient and on the step's decrease are absolute.
    learn_gains : bool, optional
        Whether the gains are free.
    end_iteration : callable
        ``end_iteration(parameters, loss)`` returns whether to stop.

    Returns
    -------
    parameters : Parameters
        Where it ended.
    status : int
        SciPy's: 0 converged, 1 out of iterations, 2 abnormal end of the line search, 99
        stopped by `end_iteration`.

    Raises
    ------
    NonFiniteError
        If a value, a gradient or a parameter is not finite.
    """
    m, d = start.components.shape
    packed = variables.to_optimiser(start).pack()
    n_free = packed.size if learn_gains else packed.size - m
    fixed = packed[n_free:]

    def to_model(x):
        blocks = Parameters.unpack(np.concatenate([x, fixed]), m, d)
        return variables.to_model(blocks)

    def objective(x):
        with np.errstate(over="ignore", invalid="ignore"):
            value, gradient = risk(to_model(x))
            gradient = variables.pull_back(gradient).pack()[:n_free]
        # L-BFGS-B calls a NaN objective a success
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            raise NonFiniteError("The training loss or its gradient")
        return value / scale, gradient / scale

    def callback(intermediate_result):
        # its x is a live buffer; to_model makes new arrays
        if end_iteration(
            to_model(intermediate_result.x), float(intermediate_result.fun) * scale
        ):
            raise StopIteration

    result = minimize(
        objective,
        packed[:n_free],
        method="L-BFGS-B",
        jac=True,
        callback=callback,
        options={
            "maxiter": max_iter,
            "maxfun": 20 * max_iter,  # as many as the line searches may take
            "maxcor": 20,
            "ftol": 1e-9,  # the stage, not the last digit, decides when to stop
            "gtol": 1e-7,  # relative to `scale`
        },
    )
    return to_model(result.x), result.status


def train(
    start,
    stages,
    draw_risk,
    scaling,
    *,
    validation_risk,
    scale,
    tol,
    learn_gains=False,
    monitor=None,
):
    """Train through the stages until the validation loss stops improving.

    Parameters
    ----------
    start : Parameters
        Where to start.
    stages : list of Stage
        The plan.
    draw_risk : callable
        ``draw_risk(index, stage)`` returns the stage's risk under fresh noise.
    scaling : callable
        ``scaling(parameters, risk)`` returns the stage's change of variables.
    validation_risk : callable
        ``validation_risk(parameters)`` is the loss on the validation draw.
    scale : float
        Typical size of the risk; positive.
    tol : float
        Training ends when a stage on all rows improves the validation loss by less than
        this fraction of it.
    learn_gains : bool, optional
        Whether the gains are free.
    monitor : Monitor, optional
        Follows training.

    Returns
    -------
    TrainingResult
        The parameters, and the record of how they came about.
    """
    monitor = Monitor() if monitor is None else monitor
    parameters = start
    n_rows = stages[-1].n_rows
    losses, stage_ends, validation = [], [], [validation_risk(start)]
    message = "the maximum number of iterations was reached"

    def end_iteration(parameters, loss):
        losses.append(loss)
        return monitor.end_iteration(parameters, loss)

    for index, stage in enumerate(stages):
        monitor.begin_stage(stage)
        risk = draw_risk(index, stage)
        parameters, status = minimise_stage(
            risk,
            parameters,
            scaling(parameters, risk),
            stage.max_iter,
            scale=scale,
            learn_gains=learn_gains,
            end_iteration=end_iteration,
        )
        stage_ends.append(len(losses))
        validation.append(validation_risk(parameters))
        stopped = monitor.end_stage(parameters, validation[-1]) or status == 99
        gain = validation[-2] - validation[-1]
        if stopped or (stage.n_rows == n_rows and gain <= tol * abs(validation[-1])):
            message = ""
            break
    else:
        if status == _ABNORMAL:
            message = "the line search of the last stage found no acceptable step"
    return TrainingResult(
        parameters,
        np.array(losses),
        np.array(stage_ends),
        np.array(validation[1:]),
        message,
    )
