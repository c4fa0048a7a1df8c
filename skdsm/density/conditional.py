"""Draws of missing cells from their conditional distribution, given the others.

Each draw is a chain of Hybrid Monte Carlo of its own, in the coordinates of Laplace's
approximation: there the distribution is nearly N(0, I), from which chains start.
"""

import numpy as np

from skdsm.mcmc.hmc import State, Target, hmc_step
from skdsm.model.marginal import laplace

__all__ = ["conditional_draws"]

_STEPS = 8  # of Hybrid Monte Carlo
_LEAPFROGS = 4  # in each
_STEP_SIZE = 0.5  # for one cell; with k cells, by k^(1/4) smaller
_DRAWS = 32  # at a time


def conditional_draws(rng, model, X, n_draws):
    """Fill the missing cells of rows (n, d) by draws: (n_draws, n, d), in X's type."""
    filled = np.repeat(X[None].astype(np.float64), n_draws, axis=0)
    centre = model.model.parameters.intercept_visible
    for missing, mode in model.modes(filled[0].copy()):
        conditional = laplace(missing, mode, model.model.sigma)
        for first in range(0, n_draws, _DRAWS):
            part = filled[first : first + _DRAWS]
            Y = _chains(rng, conditional, model.model.sigma, len(part))
            Y += centre[missing.cells][:, None, :]
            part[:, missing.rows[:, None], missing.cells] = Y.transpose(1, 0, 2)
    return filled.astype(X.dtype, copy=False)


def _chains(rng, conditional, sigma, n_draws):
    """Draws (n, n_draws, k) in the frame centred at c."""
    n, k = conditional.mode.shape
    missing, scale = conditional.missing, conditional.scale

    def values(position):
        return conditional.values(position.reshape(n, n_draws, k))

    def score(position):
        gradient = missing.gradient(values(position)) @ scale
        return (-gradient / sigma**2).reshape(-1, k)

    def log_density_and_score(position):
        log_density = -missing.value(values(position)).ravel() / sigma**2
        return log_density, score(position)

    start = rng.standard_normal((n * n_draws, k))
    state = State(start, *log_density_and_score(start))
    target, step_size = Target(score, log_density_and_score), _STEP_SIZE / k**0.25
    for _ in range(_STEPS):
        state, _ = hmc_step(rng, state, target, step_size, _LEAPFROGS)
    return values(state.position)
