"""One run of SciPy's L-BFGS on a frozen objective."""

import numpy as np
from scipy.optimize import minimize

from skdsm.exceptions import NonFiniteError
from skdsm.model.parameters import Parameters

__all__ = ["minimise_run"]

_MEMORY = 20  # pairs of vectors that L-BFGS keeps


def minimise_run(
    risk, start, variables, max_iter, *, scale=1.0, learn_gains=False, end_iteration
):
    """Run L-BFGS on one frozen objective, in the variables of a `ChangeOfVariables`.

    ``risk(parameters)`` returns (value, gradient), and
    ``end_iteration(parameters, loss)`` whether to stop. The risk is divided by `scale`,
    its typical size, because L-BFGS's tolerances on the gradient and on the step's
    decrease are absolute.

    Returns the parameters, and SciPy's status: 0 converged, 1 out of iterations, 2
    abnormal end of the line search, 99 stopped by `end_iteration`.
    """
    m, d = start.components.shape
    packed = variables.to_optimiser(start).pack()
    n_free = packed.size if learn_gains else packed.size - m
    fixed = packed[n_free:]

    def to_model(x):
        blocks = Parameters.unpack(np.concatenate([x, fixed]), m, d)
        model = variables.to_model(blocks)
        # to and fro is not exact
        return model if learn_gains else model._replace(gains=start.gains.copy())

    latest = None, None

    def objective(x):
        nonlocal latest
        with np.errstate(over="ignore", invalid="ignore"):
            latest = x.copy(), to_model(x)
            value, gradient = risk(latest[1])
            gradient = variables.pull_back(gradient).pack()[:n_free]
        # L-BFGS-B calls a NaN objective a success
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            raise NonFiniteError("The training loss or its gradient")
        return value / scale, gradient / scale

    def callback(intermediate_result):
        # mostly where the risk was last evaluated; a live buffer in any case
        x, model = latest
        if not np.array_equal(intermediate_result.x, x):
            model = to_model(intermediate_result.x)
        if end_iteration(model, float(intermediate_result.fun) * scale):
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
            "maxcor": _MEMORY,
            "ftol": 1e-9,  # the stage, not the last digit, decides when to stop
            "gtol": 1e-7,  # relative to `scale`
        },
    )
    return to_model(result.x), result.status
