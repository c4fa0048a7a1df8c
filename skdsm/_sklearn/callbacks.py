"""scikit-learn's callbacks, and lines of text, as a monitor of training."""

from skdsm.training.stages import Monitor

__all__ = ["FitMonitor"]


class FitMonitor(Monitor):
    """Report stages and iterations to scikit-learn's callbacks, and print them.

    The fit's task has the stages as subtasks, and these have the L-BFGS iterations. A
    callback that asks for a stop, at the end of either, ends training: `has_stopped`.
    ``reconstruct(parameters, stage, loss)`` gives the attributes of an estimator fitted
    so far, in that stage, with the validation loss of the last one (None before);
    `hook_arguments` (estimator, X, y, metadata) go to every hook.
    """

    def __init__(self, context, hook_arguments, reconstruct, verbose):
        self._fit = context
        self._hook_arguments = hook_arguments
        self._reconstruct = reconstruct
        self._verbose = verbose
        self._n_stages = self._n_iter = 0
        self._validation_loss = None
        self.has_stopped = False

    def begin_stage(self, stage, max_iter):
        """Open the task of a stage, and the task of its first iteration."""
        self._n_stages += 1
        self._sample = stage
        self._n_left = max_iter
        self._stage = self._fit.subcontext("stage", max_subtasks=max_iter)
        self._stage.call_on_fit_task_begin(**self._hook_arguments)
        self._begin_iteration()

    def end_iteration(self, parameters, loss):
        """Close the task of an iteration, and open the next one's."""
        self._n_iter += 1
        self._print(f"iteration {self._n_iter}, loss {loss:.6g}")
        stop = self._end(self._iteration, parameters)
        self._begin_iteration()
        return stop

    def end_stage(self, parameters, validation_loss):
        """Close the task of a stage."""
        self._validation_loss = validation_loss
        self._print(f"done, validation loss {validation_loss:.6g}")
        if self._iteration is not None:  # L-BFGS ended early: this one never ran
            self._iteration.call_on_fit_task_end(
                estimator=self._hook_arguments["estimator"]
            )
        return self._end(self._stage, parameters)

    def _begin_iteration(self):
        self._iteration = None
        if self._n_left:
            self._n_left -= 1
            self._iteration = self._stage.subcontext("lbfgs-iter")
            self._iteration.call_on_fit_task_begin(**self._hook_arguments)

    def _end(self, context, parameters):
        stop = context.call_on_fit_task_end(
            **self._hook_arguments,
            reconstruction_attributes=lambda: self._reconstruct(
                parameters, self._sample, self._validation_loss
            ),
        )
        self.has_stopped = self.has_stopped or bool(stop)
        return stop

    def _print(self, text):
        if self._verbose:
            name, sample = self._fit.estimator_name, self._sample
            print(
                f"[{name}] stage {self._n_stages} of {sample.n_rows} rows, "
                f"{sample.n_copies} noisy each: {text}"
            )
