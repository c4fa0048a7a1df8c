"""Loss and gradient of the common training objective, in one pass over chunks of rows.

With ``t = tanh(u / 2)`` in place of ``h = (1 + t) / 2``, all factors of one half, all
intercepts and all gains move out of the loop over rows: into matrices of the size of W
before it, and into sums of that size after it. What is left for a row are five matrix
products, one hyperbolic tangent and a few sums over scratch arrays that stay in cache.
"""

from typing import NamedTuple

import numpy as np

from skdsm._blocks import aligned_empty
from skdsm.model.activations import tanh
from skdsm.model.parameters import Parameters

__all__ = ["KernelSums", "LossKernel", "product_rows"]

# OpenBLAS multiplies matrices of at most this many scalar products where they are,
# larger ones it copies first; for matrices as narrow as ours the copying costs a third.
_UNPACKED_PRODUCTS = 10**6
_FEWEST_PRODUCT_ROWS = 48  # with fewer, adding up the sums over rows costs more
_TILE_ROWS = 64


def product_rows(n_rows, n_components, n_features):
    """Choose how many of the rows of a chunk enter one matrix product."""
    fitting = _UNPACKED_PRODUCTS // (n_components * n_features) // 16 * 16
    return n_rows if fitting < _FEWEST_PRODUCT_ROWS else min(n_rows, fitting)


def _split(rows, step):
    """Stack as many rows as make whole steps; then the rest, if any."""
    n, width = rows.shape
    if n <= step:
        return (rows[None],)
    whole = n // step * step
    stacked = rows[:whole].reshape(-1, step, width)
    return (stacked,) if whole == n else (stacked, rows[None, whole:])


def _add_tile(rows, tile):
    """Add to each row the row that the tile consists of."""
    for part in _split(rows, len(tile)):
        part += tile[: part.shape[1]]


class KernelSums(NamedTuple):
    """What the loop over rows leaves behind, with ``t = tanh(u / 2)``.

    Sums over rows of weight w: ``w |r - y|^2 / 2``; ``w t (r - y)'`` (m, d);
    ``s x~'`` (m, d), where s is the derivative by the pre-activation without its factor
    ``g / 4``; s (m,); ``w (r - y)`` (d,); ``w tau (1 - t^2)`` (m,).
    """

    value: float
    tanh_residual: np.ndarray
    slope_x: np.ndarray
    slope: np.ndarray
    residual: np.ndarray
    curvature: np.ndarray

    def loss_and_gradient(self, parameters, square_norm):
        """Put back the factors that the loop has left out.

        With ``square_norm = |W_j|^2`` (m,), return the weighted sum of the losses, and
        its gradient in double precision.
        """
        W, _, _, g = parameters
        curvature = 0.25 * self.curvature  # sum of w tau h_j (1 - h_j)
        value = self.value + curvature @ (g * square_norm)
        # sum of w h (r - y)'
        code_residual = 0.5 * (self.tanh_residual + self.residual)
        grad_g = np.einsum("ij,ij->i", W, code_residual) + curvature * square_norm
        grad_W = code_residual + 0.25 * self.slope_x + 2 * curvature[:, None] * W
        grad_W *= g[:, None]
        grad_b = 0.25 * g * self.slope
        return float(value), Parameters(grad_W, grad_b, self.residual, grad_g)


class LossKernel:
    """Sums ``w (|r(x~) - y|^2 / 2 + tau sum_j g_j |W_j|^2 h_j (1 - h_j))`` over rows.

    Scratch memory for chunks of at most `n_rows` rows is allocated once; `begin` sets
    the parameters, `add` takes chunks of rows, `end` returns the sum and its gradient.
    Arithmetic is in `dtype`, sums over chunks are in double precision. `noisy` (n_rows,
    d) is scratch for corrupted rows, for the caller.
    """

    def __init__(self, n_rows, n_components, n_features, dtype):
        n, m, d = n_rows, n_components, n_features
        self._dtype = np.dtype(dtype)
        self._tanh = aligned_empty((n, m), dtype)
        self._back = aligned_empty((n, m), dtype)
        self._residual = aligned_empty((n, d), dtype)
        # Intercepts, many times over: adding one row to each of many rows costs a loop
        # over rows, adding many rows to many rows hardly does.
        self._hidden_tile = aligned_empty((_TILE_ROWS, m), dtype)
        self._visible_tile = aligned_empty((_TILE_ROWS, d), dtype)
        self._ones = np.ones(n, dtype)
        self._step = product_rows(n, m, d)
        self._products = aligned_empty((n // self._step, m, d), dtype)
        self.noisy = aligned_empty((n, d), dtype)
        self._trace = None

    def begin(self, parameters):
        """Set the parameters, and the sums to zero."""
        parameters = Parameters(*(p.astype(np.float64, copy=False) for p in parameters))
        W, b, c, g = self._parameters = parameters
        dtype = self._dtype
        # contiguous, as all factors on the right: OpenBLAS likes them so
        self._W_transposed = W.T.astype(dtype, order="C")
        self._half_W_transposed = (0.5 * W.T).astype(dtype, order="C")
        self._decoder = (0.5 * g[:, None] * W).astype(dtype)
        self._hidden_tile[:] = 0.5 * b
        self._visible_tile[:] = c + 0.5 * (g @ W)
        self._square_norm = np.einsum("ij,ij->i", W, W)
        self._value = 0.0
        self._sum_tanh_residual = np.zeros_like(W)
        self._sum_slope_x = np.zeros_like(W)
        self._sum_slope = np.zeros_like(b)
        self._sum_residual = np.zeros_like(c)
        self._curvature = np.zeros_like(b)

    def add(self, X_noisy, target, trace_weight=None, sample_weight=None):
        """Add a chunk of rows x~ (n, d) with target y.

        The weights tau of the trace (n,), and w of rows (n,), are optional: without
        them there is no trace, and rows count one each.
        """
        n = len(X_noisy)
        T, P, R = self._tanh[:n], self._back[:n], self._residual[:n]
        ones = self._ones[:n]

        self._row_products(X_noisy, self._half_W_transposed, T)
        _add_tile(T, self._hidden_tile)
        tanh(T, out=T)
        self._row_products(T, self._decoder, R)
        _add_tile(R, self._visible_tile)
        R -= target
        if sample_weight is None:
            self._value += 0.5 * float(np.vdot(R, R))
        else:
            square = np.einsum("ij,ij->i", R, R)
            self._value += 0.5 * float(square.astype(np.float64) @ sample_weight)
            R *= sample_weight.astype(R.dtype)[:, None]

        self._add_outer_products(T, R, self._sum_tanh_residual)
        self._sum_residual += ones @ R
        self._row_products(R, self._W_transposed, P)
        if trace_weight is not None:
            tau = trace_weight
            if sample_weight is not None:
                tau = tau * sample_weight
            tau = tau.astype(R.dtype)
            P -= self._trace_slope(T, tau)
        # from here on T holds 1 - t^2 = 4 h (1 - h), then that times P
        np.square(T, out=T)
        np.subtract(1, T, out=T)
        if trace_weight is not None:
            self._curvature += tau @ T
        T *= P
        self._add_outer_products(T, X_noisy, self._sum_slope_x)
        self._sum_slope += ones @ T

    def _row_products(self, rows, matrix, out):
        """``rows @ matrix``, some rows at a time."""
        for part, whole in zip(
            _split(rows, self._step), _split(out, self._step), strict=True
        ):
            np.matmul(part, matrix, out=whole)

    def _add_outer_products(self, A, B, total):
        """Add ``A.T @ B`` to a sum in double precision, some rows at a time."""
        for a, b in zip(_split(A, self._step), _split(B, self._step), strict=True):
            products = self._products[: len(a)]
            np.matmul(a.transpose(0, 2, 1), b, out=products)
            for product in products[1:]:
                products[0] += product
            total += products[0]

    def _trace_slope(self, T, tau):
        """Derivative of the trace term by the pre-activation, less its factor."""
        if self._trace is None:
            self._trace = aligned_empty(self._tanh.shape, self._dtype)
        out = self._trace[: len(T)]
        np.multiply(tau[:, None], self._square_norm.astype(self._dtype), out=out)
        out *= T
        return out

    def end(self):
        """Return the weighted sum of the losses, and its gradient."""
        return KernelSums(
            self._value,
            self._sum_tanh_residual,
            self._sum_slope_x,
            self._sum_slope,
            self._sum_residual,
            self._curvature,
        ).loss_and_gradient(self._parameters, self._square_norm)
