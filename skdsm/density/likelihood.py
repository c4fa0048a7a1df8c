"""A step towards the gains of greatest likelihood, from draws of the model.

For fixed W, b and c the model is an exponential family in its gains, with statistics
``s_j(x) = softplus(u_j) / sigma^2``. So the log-likelihood of a change D is known from
draws y_k of the model (Geyer and Thompson 1992), and is concave::

    l(D) = D . mean_i s(x_i) - log mean_k exp(D . s(y_k)) - rho / 2 D . D

At its maximum without rho the model has the data's mean of each statistic, and so the
shares of clusters, which no score tells. rho is the mean variance of a statistic under
the model: directions in which the draws hardly vary are left as they are.
"""

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
_NEWTON_STEPS = 20
_LEAST_GAIN = 1e-5  # nats per row: a smaller one ends the search
_HALVINGS = 20
_LEAST_SIZE = 0.5  # effective sample size, as a share of the draws


def quick_draws(model, rng, n_draws=_DRAWS):
    """Rows (n, d) of a model, by one run from a Gaussian that covers them.

    Rows that have an ancestor in common are alike: means are right, but for few modes
    whose share is small the draws of `tempered_draws` say more.
    """
    path = geometric_path(model_target(model), *model_moments(model))
    return path.rows(pilot_run(rng, path, n_chains=n_draws).positions[-1])


def likelier_gains(model, X, weight, draws):
    """Move the gains (m,) of a model towards the likelihood of rows X (n, d).

    `draws` (k, d) are rows of the model. The step is halved until they still stand for
    the model that it leads to.
    """
    parameters, variance = model.parameters, model.sigma**2
    s = softplus(parameters.preactivation(draws)) / variance
    centre = s.mean(axis=0)
    s -= centre
    seen = softplus(parameters.preactivation(X)) / variance
    wanted = np.average(seen, axis=0, weights=weight) - centre
    ridge = np.mean(s**2)

    def gain(change):
        """l(D), and the weights of the draws under the changed model."""
        exponent = s @ change
        normaliser = logsumexp(exponent)
        value = change @ wanted - normaliser + np.log(len(s))
        return value - 0.5 * ridge * change @ change, np.exp(exponent - normaliser)

    change = np.zeros(len(wanted))
    value, share = gain(change)
    for _ in range(_NEWTON_STEPS):
        mean = share @ s
        hessian = (s - mean).T @ (share[:, None] * (s - mean))
        hessian[np.diag_indices_from(hessian)] += ridge
        step = solve(hessian, wanted - mean - ridge * change, assume_a="pos")
        for _ in range(_HALVINGS):
            new_value, new_share = gain(change + step)
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
        _, share = gain(change)
    return parameters.gains + change
