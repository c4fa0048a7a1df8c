"""The density of a model as a target for samplers, by the arithmetic of its fit.

With ``v = u / 2 = (W x + b) / 2`` and ``t = tanh(v)`` the score needs no logistic, and
all factors of one half and of ``1 / sigma^2`` move into the matrices. The energy
follows from the same two arrays::

    softplus(u) = v + |v| + log 2 - log(1 + |t|)

where the sum of ``g v`` over the units is a linear function of x.
"""

import threading

import numpy as np

from skdsm._blocks import aligned_copy, aligned_empty
from skdsm.mcmc.hmc import Target
from skdsm.model.activations import tanh

__all__ = ["model_target"]


class _Scratch:
    """Arrays for a number of rows, with what does not change from call to call."""

    def __init__(self, n_rows, encoder, centre, shift):
        d_plus_one, m = encoder.shape
        # a column of ones takes the hidden intercepts into the matrix product
        self.ones_and_rows = aligned_empty((n_rows, d_plus_one), np.float64)
        self.ones_and_rows[:, -1] = 1
        self.rows = self.ones_and_rows[:, :-1]
        self.half_u = aligned_empty((n_rows, m), np.float64)
        self.tanh = aligned_empty((n_rows, m), np.float64)
        # adding two arrays of one shape costs a fraction of adding a row to each row
        self.centre = np.tile(centre, (n_rows, 1))
        self.shift = np.tile(shift, (n_rows, 1))


def model_target(model):
    """Make the target whose log-density is minus the energy of a model.

    The model's parameters are centred once; scratch memory is kept from call to call,
    for each thread its own.
    """
    W, b, c, g = model.parameters
    variance = model.sigma**2
    half_bias = 0.5 * (b + W @ c)
    half_sum = 0.5 * (g @ W)
    encoder = aligned_copy(np.vstack([0.5 * W.T, half_bias]), np.float64)
    decoder = aligned_copy(0.5 / variance * g[:, None] * W, np.float64)
    gains = g / variance
    linear = half_sum / variance
    constant = g @ (half_bias + np.log(2)) / variance
    inverse_variance = 1 / variance
    local = threading.local()

    def scratch_for(n_rows):
        scratch = getattr(local, "scratch", None)
        if scratch is None or len(scratch.rows) != n_rows:
            scratch = local.scratch = _Scratch(n_rows, encoder, c, half_sum)
        return scratch

    def encode(X):
        """Fill the scratch memory: centred rows, v, t."""
        scratch = scratch_for(len(X))
        np.subtract(X, scratch.centre, out=scratch.rows)
        np.matmul(scratch.ones_and_rows, encoder, out=scratch.half_u)
        tanh(scratch.half_u, out=scratch.tanh)
        return scratch

    def decode(scratch):
        score = scratch.shift - scratch.rows
        score *= inverse_variance
        score += scratch.tanh @ decoder
        return score

    def log_density(scratch):
        """Evaluate the log-density; what is in the scratch memory is lost."""
        Z, units, tail = scratch.rows, scratch.half_u, scratch.tanh
        np.abs(units, out=units)
        np.abs(tail, out=tail)
        tail += 1  # log1p is not vectorised; what it would save is not seen in the sum
        np.log(tail, out=tail)
        units -= tail
        value = units @ gains
        value += Z @ linear
        value -= 0.5 * inverse_variance * np.einsum("ij,ij->i", Z, Z)
        return value + constant

    def log_density_and_score(X):
        scratch = encode(X)
        score = decode(scratch)
        return log_density(scratch), score

    return Target(lambda X: decode(encode(X)), log_density_and_score)
