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

A density has to be right everywhere, and corrupted rows do not come everywhere: units
that are never on together add up, far from the data, to modes of their own. So
`match_energy_everywhere` adds places where the model itself believes rows to be, which
are found by walking back from far-away noise (Bengio et al. 2013)::

    x <- r(x) + tau * noise

There the Parzen density of all rows is the target: no row is the source.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import solve

from skdsm.exceptions import NonFiniteError
from skdsm.model.activations import logistic, softplus
from skdsm.model.parzen import held_out_log_density, merged_rows, parzen_log_density
from skdsm.training.corruption import draw_corruption

__all__ = ["match_energy", "match_energy_everywhere"]

_CENTRES = 2048  # distinct rows, at most, that the Parzen density is made of
_COPIES = 4  # corrupted copies of each, at least
_ROWS_PER_UNIT = 8  # corrupted rows, at least
_ROBUST = 3.0  # median absolute deviations at which Huber's loss becomes linear
_QUADRATIC_NATS = 3.0  # of log-density, up to which it is quadratic in any case
_STEPS = 5  # of reweighted least squares
_GAIN_RIDGE = 1e-5  # of the mean curvature: or equal units get huge gains that cancel
_ROUNDS = 3  # of walks, each from the model that the one before has led to
_WALKS = 500
_WALK_STEPS = 10
_WIDE = 3.0  # standard deviations of the rows: how far away walks begin, at most


class _Places(NamedTuple):
    """Where energies are compared: rows (n, d), log q + constant, and weights."""

    X: np.ndarray
    log_density: np.ndarray
    share: np.ndarray


def match_energy(parameters, rows, levels, strength, seed):
    """Move the gains to where the energy agrees with the held-out Parzen density.

    `parameters` are in the frame of the centred rows; `strength` is lambda. Parameters
    stay the same where no row has another one to be compared with.
    """
    X, weight = merged_rows(rows.sample(_CENTRES), _CENTRES)
    places = _corrupted_rows(X, weight, len(parameters.gains), levels, seed)
    if places is None:
        return parameters
    curvature = _curvature(parameters, places)
    return _regressed(parameters, places, curvature, levels, strength)


def match_energy_everywhere(parameters, rows, levels, strength, seed):
    """Match energies also where the model believes rows to be; see `match_energy`."""
    X, weight = merged_rows(rows.sample(_CENTRES), _CENTRES)
    places = _corrupted_rows(X, weight, len(parameters.gains), levels, seed)
    if places is None:
        return parameters
    curvature = _curvature(parameters, places)
    parameters = _regressed(parameters, places, curvature, levels, strength)
    rng, walked = np.random.default_rng((*seed, 1)), np.empty((0, X.shape[1]))
    for _ in range(_ROUNDS):
        walked = np.concatenate([walked, _walk(parameters, X, weight, levels, rng)])
        walks = _Places(
            walked,
            _unnormalised(walked, X, weight, levels.low),
            np.full(len(walked), 1 / len(walked)),
        )
        both = _Places(*map(np.concatenate, zip(places, walks, strict=True)))
        parameters = _regressed(parameters, both, curvature, levels, strength)
    return parameters


def _corrupted_rows(X, weight, n_components, levels, seed):
    """Corrupted rows, with the density of the rows without their source, or None."""
    n_copies = max(_COPIES, -(-_ROWS_PER_UNIT * n_components // len(X)))
    noise = draw_corruption(X.shape, levels, n_copies, seed, np.float64).noise
    X_noisy = np.concatenate(X + noise)
    source = np.tile(np.arange(len(X)), n_copies)  # row i of each x~
    log_density = held_out_log_density(X_noisy, X, weight, source, levels.low)
    finite = np.isfinite(log_density)
    if not finite.any():
        return None
    X_noisy, source, log_density = X_noisy[finite], source[finite], log_density[finite]
    return _Places(X_noisy, log_density, weight[source] / weight[source].sum())


def _unnormalised(Z, X, weight, bandwidth):
    """Parzen log-density up to the constant that `held_out_log_density` leaves out."""
    constant = np.log(weight.sum()) + 0.5 * X.shape[1] * np.log(
        2 * np.pi * bandwidth**2
    )
    return parzen_log_density(Z, X, bandwidth, weight) + constant


def _walk(parameters, X, weight, levels, rng):
    """Where chains from rows with wide noise have come after some steps, (k, d)."""
    W, _, c, g = parameters
    start = rng.choice(len(X), size=_WALKS, p=weight / weight.sum())
    spread = np.sqrt(np.average(X**2, axis=0, weights=weight).mean())
    farthest = max(_WIDE * spread, levels.high)
    level = levels.low * (farthest / levels.low) ** rng.random((_WALKS, 1))
    x = X[start] + level * rng.standard_normal((_WALKS, X.shape[1]))
    for _ in range(_WALK_STEPS):
        x = c + (logistic(parameters.preactivation(x)) * g) @ W
        x += levels.low * rng.standard_normal(x.shape)
    return x


def _curvature(parameters, places):
    """Second derivative of the training loss by the gains, (m, m)."""
    W, code = parameters.components, logistic(parameters.preactivation(places.X))
    with np.errstate(over="ignore", invalid="ignore"):
        return (code.T @ (places.share[:, None] * code)) * (W @ W.T)


def _regressed(parameters, places, curvature, levels, strength):
    """Gains that minimise the training loss plus the robust loss at the places."""
    _, _, c, g = parameters
    share, softplus_U = places.share, softplus(parameters.preactivation(places.X))
    with np.errstate(over="ignore", invalid="ignore"):
        # D(x~), which the change of gains is to move to a constant: not by way of
        # `EnergyModel.energy`, because softplus(u_j) are the regressors as well
        offset = places.X - c
        difference = (
            0.5 * np.einsum("ij,ij->i", offset, offset)
            - softplus_U @ g
            + levels.low**2 * places.log_density
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
