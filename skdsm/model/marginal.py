"""Rows with missing cells: their conditional modes and their marginal energies.

A row has observed cells o and k missing cells y (NaN). As a function of the missing
ones, the energy is ``(|z_o|^2 / 2 + F(y)) / sigma^2`` in the frame centred at c::

    F(y)   = |y|^2 / 2 - sum_j g_j softplus(a_j + V_j y)      a, V from W, b and z_o
    F'(y)  = y - V' (g * h)                                   zero where y = r(x)_y
    F''(y) = I - V' diag(g h (1 - h)) V

Newton's method finds the mode y*. With ``y_i = y* + sigma F''(y*)^(-1/2) xi_i``, for a
few fixed points xi_i of the standard Gaussian, ::

    -log int exp(-E) dy + (k / 2) log(2 pi e sigma^2)
      = E(y*) + k / 2 + log det F''(y*) / 2 - log mean_i exp(-D_i)
    D_i = (F(y_i) - F(y*)) / sigma^2 - |xi_i|^2 / 2

The last term corrects Laplace's method by importance sampling. The constant counts a
missing cell as an average one: if it is N(mu, sigma^2) given the others, it adds 1 / 2
to the energy, as it does on average where it is observed. So rows with different
missing cells can be compared, and another unit of the data changes nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property, partial
from typing import Any, NamedTuple

import numpy as np
from scipy.special import logsumexp

from skdsm._blocks import row_blocks
from skdsm.model.activations import logistic, softplus

__all__ = [
    "Conditional",
    "MarginalModel",
    "MissingCells",
    "WhitenedConditional",
    "groups_of_missing",
    "has_missing",
    "laplace",
    "per_observed_cell",
    "whitened_conditionals",
]

_FEW_CELLS = 2**12
_POINTS = 32  # of the correction; in pairs of opposite signs
_BLOCK_ELEMENTS = 2**18  # of the widest array of a block
_MAX_STEPS = 100
_MAX_ESCAPES = 4  # from saddles
_TOLERANCE = 1e-6  # sigmas: a step so short is the last one
_SUFFICIENT = 0.1  # of the decrease that the slope promises
_LEAST_RIDGE = 0.1
_LEAST_CURVATURE = 1e-4  # of F: a deviation of 100 sigmas
_LARGEST_EXPONENT = 1e4


def has_missing(X):
    """Tell whether a cell is NaN; rows (n, d) have no infinite ones."""
    if X.size > _FEW_CELLS:
        with np.errstate(over="ignore", invalid="ignore"):
            if not np.isnan(np.sum(X)):  # in half of the time
                return False
    return bool(np.isnan(X).any())


def groups_of_missing(missing, size):
    """Yield groups of rows that lack equally many cells, by where cells lack (n, d).

    Each is row numbers (s,) and the k missing cells of these, (s, k); s is at most
    ``size(k)``, but at least one. Complete rows are in no group.
    """
    counts = missing.sum(axis=1)
    for k in np.unique(counts[counts > 0]):
        chosen = np.flatnonzero(counts == k)
        for part in row_blocks(len(chosen), max(1, size(k))):
            rows = chosen[part]
            yield rows, np.nonzero(missing[rows])[1].reshape(-1, k)


class MissingCells(NamedTuple):
    """The k missing cells of each of n rows, in the frame centred at c.

    `rows` (n,) and `cells` (n, k) say where they are; `offset` (n, m) is a, `weights`
    (n, k, m) is V transposed, and `gains` (m,) is g.
    """

    rows: np.ndarray
    cells: np.ndarray
    offset: np.ndarray
    weights: np.ndarray
    gains: np.ndarray

    def part(self, kept):
        """Some of the rows."""
        return MissingCells(*(array[kept] for array in self[:-1]), self.gains)

    def preactivation(self, Y):
        """``a + V y`` for values (n, k), or for several of each row (n, s, k)."""
        if Y.ndim == 2:
            return self.offset + (Y[:, None, :] @ self.weights)[:, 0]
        return self.offset[:, None, :] + Y @ self.weights

    def value(self, Y):
        """F(y), of shape (n,) or (n, s)."""
        units = softplus(self.preactivation(Y)) @ self.gains
        return 0.5 * np.einsum("...k,...k->...", Y, Y) - units

    def gradient(self, Y):
        """F'(y), of the shape of Y."""
        code = self.gains * logistic(self.preactivation(Y))
        if Y.ndim == 2:
            return Y - (self.weights @ code[:, :, None])[:, :, 0]
        return Y - code @ self.weights.transpose(0, 2, 1)

    def gradient_and_curvature(self, Y):
        """F'(y) (n, k) and F''(y) (n, k, k)."""
        H = logistic(self.preactivation(Y))
        gradient = Y - (self.weights @ (self.gains * H)[:, :, None])[:, :, 0]
        slope = (self.gains * H * (1 - H))[:, None, :]
        curvature = -((self.weights * slope) @ self.weights.transpose(0, 2, 1))
        diagonal = np.arange(Y.shape[1])
        curvature[:, diagonal, diagonal] += 1
        return gradient, curvature

    def modes(self, Y, sigma):
        """Minimise F from values Y (n, k) on, to where it is convex."""
        Y = self._stationary(Y, sigma)
        for _ in range(_MAX_ESCAPES):
            eigenvalues, vectors = np.linalg.eigh(self.gradient_and_curvature(Y)[1])
            saddle = np.flatnonzero(eigenvalues[:, 0] < 0)
            if not len(saddle):
                break
            # to the side where it is lower, along the axis that bends down
            cells, step = self.part(saddle), sigma * vectors[saddle, :, 0]
            sides = Y[saddle] + step, Y[saddle] - step
            is_first = cells.value(sides[0]) <= cells.value(sides[1])
            side = np.where(is_first[:, None], *sides)
            Y[saddle] = cells._stationary(side, sigma)
        return Y

    def _stationary(self, Y, sigma):
        """Descend on F from values Y (n, k) on, by Newton's method with a ridge."""
        Y, value, ridge = Y.copy(), self.value(Y), np.zeros(len(Y))
        left, cells = np.arange(len(Y)), self
        for _ in range(_MAX_STEPS):
            step, slope = _newton_step(cells, Y[left], ridge[left])
            tried = Y[left] + step
            new = cells.value(tried)
            slack = 8 * np.finfo(float).eps * np.abs(new)
            limit = value[left] + _SUFFICIENT * slope + slack
            better = (slope <= 0) & (new <= limit)
            Y[left[better]], value[left[better]] = tried[better], new[better]
            more = np.maximum(_LEAST_RIDGE, 4 * ridge[left])
            less = np.where(ridge[left] > _LEAST_RIDGE, ridge[left] / 4, 0)
            ridge[left] = np.where(better, less, more)
            going = np.abs(step).max(axis=1) > _TOLERANCE * sigma
            if not going.all():
                left, cells = left[going], cells.part(going)
            if not len(left):
                break
        return Y


def _newton_step(cells, Y, ridge):
    """Step of each row, and the slope of F along it."""
    gradient, curvature = cells.gradient_and_curvature(Y)
    diagonal = np.arange(Y.shape[1])
    # no matrix here is singular except by chance; this makes sure
    curvature[:, diagonal, diagonal] += ridge[:, None] + np.finfo(float).eps
    step = -np.linalg.solve(curvature, gradient[:, :, None])[:, :, 0]
    return step, np.einsum("nk,nk->n", step, gradient)


class Conditional(NamedTuple):
    """Laplace's approximation of the missing cells, given the observed ones.

    `mode` (n, k) is in the frame centred at c. A draw is ``mode + scale xi`` with a
    standard Gaussian xi; `scale` is (n, k, k), and `log_det` (n,) has log det F''.
    """

    missing: MissingCells
    mode: np.ndarray
    scale: np.ndarray
    log_det: np.ndarray

    def values(self, xi):
        """``mode + scale xi``, for points (n, s, k) or (s, k)."""
        return self.mode[:, None, :] + xi @ self.scale.transpose(0, 2, 1)

    def log_correction(self, sigma):
        """``log mean_i exp(-D_i)``, of shape (n,)."""
        xi = gaussian_points(self.mode.shape[1])
        rise = self.missing.value(self.values(xi))
        rise -= self.missing.value(self.mode)[:, None]
        with np.errstate(over="ignore"):  # far from the data
            exponent = 0.5 * np.einsum("sk,sk->s", xi, xi) - rise / sigma**2
        exponent = np.clip(exponent, -_LARGEST_EXPONENT, _LARGEST_EXPONENT)
        return logsumexp(exponent, axis=1) - np.log(len(xi))


@cache
def gaussian_points(k):
    """Fixed points (s, k) of mean zero and unit variances, for N(0, I)."""
    half = np.random.default_rng(k).standard_normal((_POINTS // 2, k))
    half /= np.sqrt(np.mean(half**2, axis=0))
    return np.concatenate([half, -half])


@dataclass(frozen=True)
class MarginalModel:
    """An EnergyModel of rows in which cells are missing (NaN); has the same methods.

    The energy is the marginal energy of the observed cells. Everything else is
    evaluated with the missing cells at their conditional mode, next to `origin` (d,).
    """

    model: Any  # EnergyModel
    origin: np.ndarray

    @property
    def width(self):
        """Columns of the widest array that a row needs."""
        return self.model.width

    @property
    def ops(self):
        """The operations, NumPy's."""
        return self.model.ops

    def modes(self, X):
        """Yield MissingCells and their mode, for each number of missing cells.

        X are rows (n, d) in double precision; there may be several blocks per number.
        """
        W, b, c, g = self.model.parameters
        missing = np.isnan(X)
        Z = self.model.centre(np.where(missing, c, X))
        start = self.origin - c

        def size(k):
            return _BLOCK_ELEMENTS // (max(k, _POINTS) * len(W))

        for rows, cells in groups_of_missing(missing, size):
            offset = Z[rows] @ W.T + (b + W @ c)
            group = MissingCells(rows, cells, offset, W.T[cells], g)
            yield group, group.modes(start[cells], self.model.sigma)

    def fill(self, X, missing, Y):
        """Put values Y (n, k), in the frame centred at c, in the missing cells of X."""
        c = self.model.parameters.intercept_visible[missing.cells]
        X[missing.rows[:, None], missing.cells] = Y + c

    def complete(self, X):
        """Rows with the missing cells at their conditional mode."""
        filled = X.astype(np.float64)
        for missing, mode in self.modes(filled):
            self.fill(filled, missing, mode)
        return filled.astype(X.dtype, copy=False)

    def impute(self, X):
        """Fill the missing cells by their mode, for observed cells without noise."""
        return np.where(np.isnan(X), self.complete(self.noisy(X)), X)

    def noisy(self, X):
        """Rows x~ of which the denoiser nearly makes the observed cells of X.

        By one step from X, ``x~_o = x_o + x_o - r(x)_o``: the residual has what noise
        takes from the dependence of cells on each other. Of a Gaussian of covariance S,
        the mode given x_o is ``S_yo (S_oo + sigma^2 I)^-1 x_o``; many such steps would
        lead to ``S_yo S_oo^-1 x_o``, the regression on rows without noise.
        """
        noisy = X.astype(np.float64)
        residual = noisy - self.model.reconstruct(self.complete(noisy))
        noisy += np.where(np.isnan(X), 0, residual)
        return noisy.astype(X.dtype, copy=False)

    def energy(self, X):
        """``-log int exp(-E(x)) dy + (k / 2) log(2 pi e sigma^2)``, y being missing."""
        filled, sigma = X.astype(np.float64), self.model.sigma
        added = np.zeros(len(X))
        for missing, mode in self.modes(filled):
            self.fill(filled, missing, mode)
            conditional = laplace(missing, mode, sigma)
            half_log_det = 0.5 * (mode.shape[1] + conditional.log_det)
            added[missing.rows] = half_log_det - conditional.log_correction(sigma)
        return self.model.energy(filled) + added

    def unnormalised_log_density(self, X):
        """``log int exp(-E(x)) dy``, the log-density of observed cells up to log Z."""
        n_missing = np.isnan(X).sum(axis=1)
        per_cell = 0.5 * np.log(2 * np.pi * np.e * self.model.sigma**2)
        return n_missing * per_cell - self.energy(X)

    def implicit_loss(self, X):
        """Refuse: the loss is not known for rows in which cells are missing."""
        raise ValueError(
            "score needs complete rows, but X contains NaN. Please pass rows without "
            "missing cells, or impute(X)."
        )

    def hidden(self, X):
        """Hidden code at the conditional mode."""
        return self.model.hidden(self.complete(X))

    def reconstruct(self, X):
        """r(x) at the conditional mode, which at the missing cells is the mode."""
        return self.model.reconstruct(self.complete(X))

    def score(self, X):
        """psi(x) at the conditional mode; zero at the missing cells."""
        return np.where(np.isnan(X), 0, self.model.score(self.complete(X)))

    def feature_contributions(self, X):
        """``sigma^2 psi_i^2 / 2`` at the conditional mode; zero at missing cells."""
        contributions = self.model.feature_contributions(self.complete(X))
        return np.where(np.isnan(X), 0, contributions)

    def residual_square(self, X):
        """``|r(x) - x|^2`` of the observed cells, in proportion for all d cells."""
        return per_observed_cell(X) * self.model.residual_square(self.complete(X))

    def score_norm(self, X):
        """``|psi(x)|`` of the observed cells, in proportion for all d cells."""
        return self.residual_square(X) ** 0.5 / self.model.sigma**2


@dataclass(frozen=True)
class WhitenedConditional:
    """Missing cells of rows, given the observed ones, by a model of whitened rows.

    The cells are ``X[at]``, with `rows` (n,) and `cells` (n, k). `gaussian` (n, k) is
    their mean if whitened rows are N(origin, I), and `mode` (n, k) their mode by the
    model. Laplace's approximation there is ``mode + scale xi``, `scale` (n, k, k).
    """

    rows: np.ndarray
    cells: np.ndarray
    gaussian: np.ndarray
    mode: np.ndarray
    _scale: Callable[[], np.ndarray]

    @property
    def at(self):
        """Index of the cells in X."""
        return self.rows[:, None], self.cells

    @cached_property
    def scale(self):
        """Root of the covariance."""
        return self._scale()

    @property
    def deviation(self):
        """Standard deviations (n, k)."""
        return np.sqrt((self.scale**2).sum(axis=2))


def whitened_conditionals(model, whitening, origin, X):
    """Yield each WhitenedConditional of rows X (n, d): blocks of as many missing cells.

    A row is whitened to ``z = z_0 + B' y``, B being the rows of `whitening` (d, d) that
    belong to its missing cells y. With the Cholesky factor ``B B' = L L'`` and the
    orthonormal rows of ``Q = L^(-1) B`` that is ``z = p + Q' v``, where p is orthogonal
    to Q and ``v = L' y + Q z_0``: as a function of v the energy is F of MissingCells.
    From the mean of a Gaussian on, ``v = Q origin``, Newton's method finds the mode.
    """
    W, b, c, g = model.parameters
    missing = np.isnan(X)
    Z = np.where(missing, 0, X).astype(np.float64) @ whitening - c
    for rows, cells in groups_of_missing(
        missing, lambda k: _BLOCK_ELEMENTS // (k * len(W))
    ):
        B = whitening[cells]
        L = np.linalg.cholesky(B @ B.transpose(0, 2, 1))
        Q = np.linalg.solve(L, B)
        along = Q @ Z[rows, :, None]
        across = Z[rows] - (Q.transpose(0, 2, 1) @ along)[:, :, 0]
        group = MissingCells(rows, cells, across @ W.T + (b + W @ c), Q @ W.T, g)
        start = Q @ (origin - c)
        v = group.modes(start, model.sigma)
        sides = np.stack([start, v], axis=2) - along
        y = np.linalg.solve(L.transpose(0, 2, 1), sides)

        scale = partial(_unwhitened_scale, L, group, v, model.sigma)
        yield WhitenedConditional(rows, cells, y[:, :, 0], y[:, :, 1], scale)


def _unwhitened_scale(L, missing, v, sigma):
    """Scale of y, for ``v = L' y`` plus a constant."""
    return np.linalg.solve(L.transpose(0, 2, 1), laplace(missing, v, sigma).scale)


def per_observed_cell(X):
    """Number of cells d by the number of observed ones, at least one; (n,)."""
    n_observed = X.shape[1] - np.isnan(X).sum(axis=1)
    return X.shape[1] / np.maximum(n_observed, 1)


def laplace(missing, mode, sigma):
    """Approximate the missing cells by a Gaussian at their mode."""
    curvature = missing.gradient_and_curvature(mode)[1]
    eigenvalues, vectors = np.linalg.eigh(curvature)
    eigenvalues = np.maximum(np.abs(eigenvalues), _LEAST_CURVATURE)
    scale = vectors * (sigma / np.sqrt(eigenvalues))[:, None, :]
    return Conditional(missing, mode, scale, np.log(eigenvalues).sum(axis=1))
