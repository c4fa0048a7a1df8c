"""Staged minimisation by SciPy's L-BFGS.

A line search needs a deterministic objective, so the noise is frozen within a stage; a
fresh draw in the next stage keeps the model from fitting any one of them. A stage is
one or several runs of L-BFGS; each run starts where the last one ended, with a change
of variables estimated there. At first that is soon out of date, and runs are short;
as long as one sample pays they become longer, for directions of little curvature.
"""

from typing import NamedTuple

import numpy as np

from skdsm.model.parameters import Parameters
from skdsm.training.growth import reducible
from skdsm.training.lbfgs import minimise_run
from skdsm.training.schedule import Stage

__all__ = ["Monitor", "TrainingResult", "run_length", "train"]

_RUN_ITER = 30  # at least
_STAGE_ITER = 120  # of a stage of longer runs, at most
# status of L-BFGS-B: no iterations are left; the line search found no acceptable step;
# a callback stopped it
_OUT_OF_ITERATIONS, _ABNORMAL, _REQUESTED = 1, 2, 99


class TrainingResult(NamedTuple):
    """Result and record of training.

    `parameters` are in the frame of the centred rows. `loss_curve` (n_iter,) is the
    loss after each iteration, on the noise of its stage; `stage_ends` (n_stages,) are
    the iterations done at the end of each stage; `validation_curve` (n_stages,) is the
    loss there on one draw of noise that is never trained on; `last_stage` has the size
    of the last one's sample. `message` is empty if training stopped by its tolerance or
    by request, else it says why it stopped.
    """

    parameters: Parameters
    loss_curve: np.ndarray
    stage_ends: np.ndarray
    validation_curve: np.ndarray
    last_stage: Stage
    message: str


class Monitor:
    """Follows training, and may stop it; this one does neither.

    Parameters are in the frame of the centred rows, and as training has them, like the
    losses: the last steps of a fit, which `finish_model` takes, are still to come.
    """

    def begin_stage(self, stage, max_iter):
        """Take note that a stage begins.

        Parameters
        ----------
        stage : Stage
            The stage.
        max_iter : int
            Its L-BFGS iterations, at most.
        """

    def end_iteration(self, parameters, loss):
        """Take note of an iteration.

        Parameters
        ----------
        parameters : Parameters
            Current W, b, c and g.
        loss : float
            Current loss, on the noise of the stage.

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


def run_length(stage, n_done, previous):
    """Iterations of each run of a stage.

    The stage has half as many as all before it, fewer in proportion to its copies. A
    run has at most twice as many as the `previous` one on the same sample.
    """
    n_iter = min(n_done // 2, _STAGE_ITER) // (stage.n_runs * stage.n_copies)
    return max(_RUN_ITER, min(n_iter, 2 * previous))


def train(
    start,
    stage,
    next_stage,
    draw_risk,
    scaling,
    *,
    validation_risk,
    scale,
    identity_loss,
    max_iter,
    tol,
    learn_gains=False,
    monitor=None,
):
    """Train in stages until the validation loss stops improving.

    ``draw_risk(index, stage)`` returns the stage's risk under fresh noise, and
    ``scaling(parameters, risk)`` its change of variables. A stage has improved the
    ``validation_risk(parameters)`` if by more than the fraction `tol` of what a better
    model could still move, in proportion more if its runs are longer than the shortest
    ones; then ``next_stage(stage, improved, parameters)`` follows, if it is not None.
    `scale` is a typical size of the risk, `identity_loss` the loss of a denoiser that
    leaves corrupted rows as they are. `max_iter` counts L-BFGS iterations in all.
    """
    monitor = Monitor() if monitor is None else monitor
    parameters = start
    losses, stage_ends, validation = [], [], [validation_risk(start)]
    status, stopped, last_stage, length, n_iter = 0, False, stage, 0, 0

    def end_iteration(parameters, loss):
        losses.append(loss)
        return monitor.end_iteration(parameters, loss)

    while stage is not None and len(losses) < max_iter and not stopped:
        length = run_length(stage, len(losses), length if stage == last_stage else 0)
        monitor.begin_stage(stage, min(stage.n_runs * length, max_iter - len(losses)))
        last_stage = stage
        risk = draw_risk(len(stage_ends), stage)
        for _ in range(stage.n_runs):
            n_iter = min(length, max_iter - len(losses))
            if n_iter == 0 or status == _REQUESTED:
                break
            parameters, status = minimise_run(
                risk,
                parameters,
                scaling(parameters, risk),
                n_iter,
                scale=scale,
                learn_gains=learn_gains,
                end_iteration=end_iteration,
            )
        risk = None  # or its noise would still take memory while the next is drawn
        stage_ends.append(len(losses))
        validation.append(validation_risk(parameters))
        stopped = monitor.end_stage(parameters, validation[-1]) or status == _REQUESTED
        gain = validation[-2] - validation[-1]
        least = tol * length / _RUN_ITER
        improved = gain > least * reducible(validation[-1], identity_loss)
        stage = None if stopped else next_stage(stage, improved, parameters)
    message = ""
    cut_short = status == _OUT_OF_ITERATIONS and n_iter < length
    if stage is not None or cut_short:
        message = "the maximum number of iterations was reached"
    elif status == _ABNORMAL and validation[-1] >= max(validation[0], identity_loss):
        message = "the line search failed at the start, far from the scale of sigma"
    if not losses:  # the start is a minimum: to find that out is an iteration as well
        losses, stage_ends, validation = [validation[-1]], [1], validation[-2:]
    return TrainingResult(
        parameters,
        np.array(losses),
        np.array(stage_ends),
        np.array(validation[1:]),
        last_stage,
        message,
    )
