"""Steps towards the greatest likelihood, from draws of the model.

W, c and sigma stay. In its gains g the model is an exponential family, with statistics
``softplus(u_j) / sigma^2``; in its hidden intercepts b it nearly is one, for small
changes, with ``g_j h_j / sigma^2``. With s the statistics of both kinds, the
log-likelihood of a change D is therefore known from draws y_k of the model (Geyer and
Thompson 1992), and is concave::

    l(D) = D . mean_i s(x_i) - log mean_k exp(D . s(y_k)) - sum_j rho_j D_j^2 / 2

At its maximum without rho the model has the data's mean of each statistic, and so the
shares of clusters, which no score tells. Gains alone do not give these: units that were
trained on noisy rows hardly tell what lies between two clusters from their edges.

rho_j is in proportion to the mean variance of its kind of statistic, and to the number
of units per row and per draw: directions in which the draws hardly vary, or rows are
too few to say much, are left as they are.
"""

from dataclasses import replace

import numpy as np
from scipy.linalg import solve
from scipy.special import logsumexp

from skdsm.density.ladder import pilot_run
from skdsm.density.log_partition import model_moments
from skdsm.density.path import geometric_path
from skdsm.density.resampling import log_mean_exp
from skdsm.density.target import model_target
from skdsm.model.activations import logistic, softplus

__all__ = ["likelier_model", "quick_draws"]

_DRAWS = 8192
_ROUNDS = 2  # each from the draws that have confirmed the one before
_MOST_ROUNDS = 10  # as long as mass is far from the rows
_TRIALS = 3  # of a step, halved each time
_FARTHEST = 1.25  # times as far from the mean as the rows: draws, in root mean square
_RIDGE = 4.0  # times units per row and per draw
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
    pilot = pilot_run(rng, path, n_chains=n_draws, conditional_ess=0.5)
    return path.rows(pilot.positions[-1])


def likelier_model(model, X, weight, rng):
    """Move gains and hidden intercepts to make rows X (n, d), of a `weight`, likelier.

    A step is halved until fresh draws of the new model confirm it: rows are likelier,
    and draws are near them, or at least nearer than those before.
    """
    draws = quick_draws(model, rng)
    distance = _relative_distance(model, X, weight, draws)
    for i in range(_MOST_ROUNDS):
        if i >= _ROUNDS and distance <= _FARTHEST:
            break
        change = _likeliest_change(model, X, weight, draws)
        for _ in range(_TRIALS):
            new = _moved(model, change)
            fresh = quick_draws(new, rng)
            reached = _relative_distance(new, X, weight, fresh)
            is_near = reached <= max(_FARTHEST, distance)
            if is_near and _gain(model, new, X, weight, fresh) > 0:
                break
            change /= 2
        else:
            break
        model, draws, distance = new, fresh, reached
    return model


def _gain(model, new, X, weight, fresh):
    """Mean log-likelihood that a new model gains, by draws of it."""
    # Z_old / Z_new is the mean of exp(E_new - E_old) over draws of the new model
    log_ratio = log_mean_exp(new.energy(fresh) - model.energy(fresh))
    return np.average(model.energy(X) - new.energy(X), weights=weight) + log_ratio


def _relative_distance(model, X, weight, draws):
    """Root mean square distance of draws from the rows' mean, over noisy rows' own."""
    mean = np.average(X, axis=0, weights=weight)
    square = np.average(np.sum((X - mean) ** 2, axis=1), weights=weight)
    square += X.shape[1] * model.sigma**2
    return np.sqrt(np.mean(np.sum((draws - mean) ** 2, axis=1)) / square)


def _statistics(model, X):
    """``s(x)`` of rows (n, d): derivatives of -E by g and by b, (n, 2 m)."""
    U = model.parameters.preactivation(X)
    return (
        np.hstack([softplus(U), logistic(U) * model.parameters.gains]) / model.sigma**2
    )


def _moved(model, change):
    """The model with a change (2 m,) of g and b."""
    _, b, _, g = model.parameters
    of_g, of_b = np.split(change, 2)
    parameters = model.parameters._replace(gains=g + of_g, intercept_hidden=b + of_b)
    return replace(model, parameters=parameters)


def _likeliest_change(model, X, weight, draws):
    """Maximise l(D): D (2 m,).

    D is halved until the draws still stand for the model that it leads to.
    """
    s = _statistics(model, draws)
    centre = s.mean(axis=0)
    s -= centre
    wanted = np.average(_statistics(model, X), axis=0, weights=weight) - centre
    n_units = len(wanted) // 2
    variance = np.mean(s.reshape(-1, 2, n_units) ** 2, axis=(0, 2))  # of each kind
    ridge = _RIDGE * n_units * (1 / weight.sum() + 1 / len(s)) * variance
    # where no unit varies, nothing is to be changed
    ridge = np.repeat(np.where(ridge > 0, ridge, 1.0), n_units)

    def likelihood(change):
        """l(D), and the weights of the draws under the changed model."""
        exponent = s @ change
        normaliser = logsumexp(exponent)
        value = change @ wanted - normaliser + np.log(len(s))
        return value - 0.5 * change @ (ridge * change), np.exp(exponent - normaliser)

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
