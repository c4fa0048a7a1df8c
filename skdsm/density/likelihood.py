"""A step towards the gains of greatest likelihood, from draws of the model.

For fixed W, b and c the model is an exponential family in its gains, with statistics
``s_j(x) = softplus(u_j) / sigma^2``. So the log-likelihood of a change D is known from
draws y_k of the model (Geyer and Thompson 1992), and is concave::

    l(D) = D . mean_i s(x_i) - log mean_k exp(D . s(y_k)) - rho / 2 D . D

At its maximum without rho the model has the data's mean of each statistic, and so the
shares of clusters, which no score tells. rho is in proportion to the mean variance of a
statistic, and to the number of units per row and per draw: directions in which the
draws hardly vary, or rows are too few to say much, are left as they are.
"""

from dataclasses import replace

import numpy as np
from scipy.linalg import solve
from scipy.special import logsumexp

from skdsm.density.ladder import pilot_run
from skdsm.density.log_partition import model_moments
from skdsm.density.path import geometric_path
from skdsm.density.target import model_target
from skdsm.model.activations import softplus

__all__ = ["likelier_gains", "quick_draws"]

_DRAWS = 4096
_TRIALS = 3  # of a step, halved each time
_FARTHEST = 1.25  # times as far from the mean as the rows: draws, in root mean square
_RIDGE = 8.0  # times units per row and per draw
_NEWTON_STEPS = 20
_LEAST_GAIN = 1e-5  # nats per row: a smaller one ends the search
_HALVINGS = 20
_LEAST_SIZE = 0.5  # effective sample size, as a share of the draws


def quick_draws(model, rng, n_draws=_DRAWS):
    """Rows (n, d) of a model, by one run from a Gaussian that covers them.

    Rows that have an ancestor in common are alike: means are right, and the shares
    of modes less precise than in `tempered_draws`.
    """
    path = geometric_path(model_target(model), *model_moments(model))
    return path.rows(pilot_run(rng, path, n_chains=n_draws).positions[-1])


def likelier_gains(model, X, weight, rng):
    """Move the gains (m,) of a model to make rows X (n, d), of a `weight`, likelier.

    The step is halved until fresh draws of the new model confirm it: rows are likelier,
    and no mass is far from them, where no draw of the old model was.
    """
    statistics = _Statistics(model)
    rows, draws = statistics(X), statistics(quick_draws(model, rng))
    centre = draws.mean(axis=0)
    wanted = np.average(rows, axis=0, weights=weight) - centre
    change = _likeliest_change(wanted, draws - centre, weight.sum())
    mean = np.average(X, axis=0, weights=weight)
    farthest = _FARTHEST * _extent(X - mean, weight, model)
    gains = model.parameters.gains
    for _ in range(_TRIALS):
        parameters = model.parameters._replace(gains=gains + change)
        fresh = quick_draws(replace(model, parameters=parameters), rng)
        # Z_old / Z_new is the mean of exp(-D . s) over draws of the new model
        exponent = (centre - statistics(fresh)) @ change
        log_ratio = logsumexp(exponent) - np.log(len(fresh))
        distance = np.sqrt(np.mean(np.sum((fresh - mean) ** 2, axis=1)))
        if change @ wanted + log_ratio > 0 and distance <= farthest:
            return gains + change
        change /= 2
    return gains


class _Statistics:
    """``s(x)`` of rows, for a model; it does not depend on the gains."""

    def __init__(self, model):
        self._model = model

    def __call__(self, X):
        return softplus(self._model.parameters.preactivation(X)) / self._model.sigma**2


def _extent(X, weight, model):
    """Root mean square length of centred rows with noise."""
    square = np.average(np.sum(X**2, axis=1), weights=weight)
    return np.sqrt(square + X.shape[1] * model.sigma**2)


def _likeliest_change(wanted, s, n_rows):
    """Maximise l(D): D (m,), for draws' statistics s (k, m) of mean zero.

    `wanted` (m,) is the mean over the rows. D is halved until the draws still stand for
    the model that it leads to.
    """
    ridge = _RIDGE * np.mean(s**2) * len(wanted) * (1 / n_rows + 1 / len(s))
    if ridge == 0:  # no unit varies
        return np.zeros_like(wanted)

    def likelihood(change):
        """l(D), and the weights of the draws under the changed model."""
        exponent = s @ change
        normaliser = logsumexp(exponent)
        value = change @ wanted - normaliser + np.log(len(s))
        return value - 0.5 * ridge * change @ change, np.exp(exponent - normaliser)

    change = np.zeros_like(wanted)
    value, share = likelihood(change)
    for _ in range(_NEWTON_STEPS):
        mean = share @ s
        hessian = (s - mean).T @ (share[:, None] * (s - mean))
        hessian[np.diag_indices_from(hessian)] += ridge
        step = solve(hessian, wanted - mean - ridge * change, assume_a="pos")
        for _ in range(_HALVINGS):
            new_value, new_share = likelihood(change + step)
            if new_value >= value:
                break
            step /= 2
        else:
            break
        change, share, before, value = change + step, new_share, value, new_value
        if value - before < _LEAST_GAIN:
            break
    while share @ share * len(s) * _LEAST_SIZE > 1:
        change /= 2
        _, share = likelihood(change)
    return change
