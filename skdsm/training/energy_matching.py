"""Matching energy levels: the gains, fitted to a density in closed form.

Score matching compares gradients, and these hardly depend on the proportions of parts
of the data that lie apart: in a mixture of two clusters the score says where they are,
not how large (Wenliang and Kanagawa 2020, arXiv 2008.10087). So a model of a small
denoising loss may still have energies that are off from place to place. Denoising score
matching knows more than the score of its target, though: the density of the corrupted
rows is Parzen's (Vincent 2011, section 4), in closed form.

The energy is linear in the gains, and the denoising loss is quadratic. With W, b and c
as training left them, and the loss as small as gains can make it, the gains that
minimise ::

    growth of E |r(x~) - x|^2 / 2  +  lambda / (2 E s^2) * E rho(D(x~) - k)

    D(x~) = sigma^2 E(x~) + tau^2 log q_i(x~)

over the corrupted rows x~ are therefore the solution of a small robust regression: rho
is Huber's loss, k the best constant, tau the lowest noise level and q_i the Parzen
density of bandwidth tau without row i, which x~ is a copy of. Were it counted, each row
would ask for a well of its own, an outlier as well. By Huber's loss, an outlier, of
which q_i says nearly nothing, has a bounded say.
"""

import numpy as np
from scipy.linalg import solve

from skdsm.exceptions import NonFiniteError
from skdsm.model.activations import logistic, softplus
from skdsm.model.parzen import held_out_log_density, merged_rows
from skdsm.training.corruption import draw_corruption

__all__ = ["match_energy"]

_CENTRES = 2048  # distinct rows, at most, that the Parzen density is made of
_COPIES = 4  # corrupted copies of each, at least
_ROWS_PER_UNIT = 8  # corrupted rows, at least
_ROBUST = 3.0  # median absolute deviations at which Huber's loss becomes linear
_QUADRATIC_NATS = 3.0  # of log-density, up to which it is quadratic in any case
_STEPS = 5  # of reweighted least squares
_GAIN_RIDGE = 1e-5  # of the mean curvature: or equal units get huge gains that cancel


def match_energy(parameters, rows, levels, strength, seed):
    """Move the gains to where the energy agrees with the held-out Parzen density.

    `parameters` are in the frame of the centred rows; `strength` is lambda. Parameters
    stay the same where no row has another one to be compared with.
    """
    W, _, c, g = parameters
    X, weight = merged_rows(rows.sample(_CENTRES), _CENTRES)
    n_copies = max(_COPIES, -(-_ROWS_PER_UNIT * len(W) // len(X)))
    noise = draw_corruption(X.shape, levels, n_copies, seed, np.float64).noise
    X_noisy = np.concatenate(X + noise)
    source = np.tile(np.arange(len(X)), n_copies)  # row i of each x~
    log_density = held_out_log_density(X_noisy, X, weight, source, levels.low)
    finite = np.isfinite(log_density)
    if not finite.any():
        return parameters
    X_noisy, source, log_density = X_noisy[finite], source[finite], log_density[finite]
    share = weight[source] / weight[source].sum()

    U = parameters.preactivation(X_noisy)
    code, softplus_U = logistic(U), softplus(U)
    with np.errstate(over="ignore", invalid="ignore"):
        curvature = (code.T @ (share[:, None] * code)) * (W @ W.T)
        # D(x~), which the change of gains is to move to a constant: not by way of
        # `EnergyModel.energy`, because softplus(u_j) are the regressors as well
        offset = X_noisy - c
        difference = (
            0.5 * np.einsum("ij,ij->i", offset, offset)
            - softplus_U @ g
            + levels.low**2 * log_density
        )
        scale = strength / levels.mean_square
        change, residual, level = np.zeros_like(g), difference, np.median(difference)
        for _ in range(_STEPS):
            least_limit = _QUADRATIC_NATS * levels.low**2
            w = share * _huber_weight(residual - level, least_limit)
            centred = softplus_U - w @ softplus_U / w.sum()
            matrix = curvature + scale * (centred.T @ (w[:, None] * centred))
            change = _solve(matrix, scale * (centred.T @ (w * difference)))
            residual = difference - softplus_U @ change
            level = w @ residual / w.sum()
    return parameters._replace(gains=g + change)


def _huber_weight(residual, least_limit):
    """Weights with which least squares minimise Huber's loss, up to its scale."""
    distance = np.abs(residual)
    limit = max(_ROBUST * np.median(distance), least_limit)
    return limit / np.maximum(distance, limit)


def _solve(matrix, rhs):
    size = np.trace(matrix) / len(matrix)
    if not (np.isfinite(matrix).all() and np.isfinite(rhs).all()):
        raise NonFiniteError("Energy matching")
    if size == 0:  # no unit is ever on: the gains mean nothing
        return np.zeros_like(rhs)
    return solve(matrix + _GAIN_RIDGE * size * np.eye(len(matrix)), rhs, assume_a="pos")
