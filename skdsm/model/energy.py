"""The energy-based model of a tied-weight denoising autoencoder.

Conventions
-----------
Rows of ``X`` are samples, ``d`` is their number of features, ``m`` the number of
hidden units. ``W`` (m, d) holds one unit per row, ``b`` (m,) and ``c`` (d,) the
intercepts of the hidden and the visible layer, ``g`` (m,) the gains. With them::

    u    = W x + b                                     pre-activation
    h    = logistic(u)                                 hidden code
    r(x) = c + W' (g * h)                              reconstruction
    E(x) = [ |x - c|^2 / 2 - sum_j g_j softplus(u_j) ] / sigma^2      energy
    psi(x) = -grad E(x) = (r(x) - x) / sigma^2         score

``g = 1`` is the model of Vincent (2011). "score" always means the gradient of the
log-density here; the flat vector of parameters is ordered W (C order), b, c, g.
"""

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from skdsm.model.array_ops import NUMPY
from skdsm.model.marginal import MarginalModel
from skdsm.model.parameters import Parameters

__all__ = ["EnergyModel"]


class _Cast(NamedTuple):
    """Parameters where some rows are: in their type, and in the type of sums."""

    W: Any
    bias: Any  # b + W c
    gains: Any
    wide_c: Any
    wide_gains: Any


@dataclass(frozen=True)
class EnergyModel:
    """Energy-based model of Vincent (2011), with a gain for each unit.

    Everything is evaluated in the frame whose origin is `intercept_visible`: the
    paper's ``|x|^2 / 2 - <c, x>`` loses all digits when the data lie far from zero.
    The energy is the paper's plus the constant ``|c|^2 / (2 sigma^2)``.

    Each method takes rows X of shape (n_samples, d), in single or double precision,
    and evaluates in their type; energies and traces have double precision always.

    Parameters
    ----------
    parameters : Parameters
        W, b, c and g, in double precision.
    sigma : float
        Noise level, in units of the data.
    ops : NumpyOps or Device
        Where rows are, and the operations there.

    References
    ----------
    .. [1] P. Vincent, "A Connection Between Score Matching and Denoising
       Autoencoders", Neural Computation 23(7), 2011.

    Examples
    --------
    >>> import numpy as np
    >>> from skdsm.model.energy import EnergyModel
    >>> from skdsm.model.parameters import Parameters
    >>> unit = np.array([[2.0]]), np.array([-2.0]), np.zeros(1), np.ones(1)
    >>> two_modes = EnergyModel(Parameters(*unit), 1.0)  # N(0, 1) and N(2, 1)
    >>> two_modes.score(np.array([[1.0]]))
    array([[0.]])
    """

    parameters: Parameters
    sigma: float
    ops: Any = NUMPY
    # by type: made for the first block of rows, used by all; not a cached_property,
    # whose lock (in Python 3.11) a fork may copy locked
    _casts: dict = field(default_factory=dict, init=False, repr=False, compare=False)

    def to(self, ops):
        """The same model, for rows elsewhere."""
        return replace(self, ops=ops)

    def marginal(self, origin):
        """The same model, for rows in which cells are missing (NaN).

        Their modes are found next to the `origin` (d,).
        """
        return MarginalModel(self, origin)

    @property
    def width(self):
        """Columns of the widest array that a row needs."""
        return max(self.parameters.components.shape)

    def _cast(self, dtype):
        if dtype not in self._casts:
            W, b, c, g = self.parameters
            narrow = (self.ops.put(p, dtype) for p in (W, b + W @ c, g))
            self._casts[dtype] = _Cast(*narrow, self.ops.put(c), self.ops.put(g))
        return self._casts[dtype]

    def centre(self, X):
        """``z = x - c``, bounded where a squared distance would overflow."""
        return self.ops.centre(X, self._cast(X.dtype).wide_c)

    def _hidden(self, Z):
        """h from centred rows: ``u = W z + (b + W c)``."""
        p = self._cast(Z.dtype)
        U = Z @ p.W.T
        U += p.bias
        return self.ops.logistic(U)

    def _residual(self, X):
        """``r(x) - x = W'(g * h) - z``."""
        Z = self.centre(X)
        return self._decode(self._hidden(Z)) - Z

    def _decode(self, H):
        """``W' (g * h)``."""
        p = self._cast(H.dtype)
        return (H * p.gains) @ p.W

    def hidden(self, X):
        """Hidden code ``h(x) = logistic(W x + b)``, of shape (n_samples, m)."""
        return self._hidden(self.centre(X))

    def decode(self, H):
        """``c + W' (g * h)`` for codes of shape (n_samples, m)."""
        return self.ops.add(self._decode(H), self._cast(H.dtype).wide_c)

    def reconstruct(self, X):
        """``r(x) = c + W' (g * h(x))``: the denoiser, E[clean row given noisy row]."""
        return self.decode(self.hidden(X))

    def score(self, X):
        """``psi(x) = (r(x) - x) / sigma^2``, the gradient of the log-density."""
        residual = self._residual(X)
        residual /= self.sigma**2
        return residual

    def feature_contributions(self, X):
        """``sigma^2 psi_i^2 / 2`` for feature i; without unit."""
        psi = self.score(X)
        psi *= self.sigma / 2**0.5
        with np.errstate(over="ignore"):  # to infinity, far from the data
            psi *= psi
        return psi

    def energy(self, X):
        """``E(x) = (|z|^2 / 2 - sum_j g_j softplus(u_j)) / sigma^2``."""
        p = self._cast(X.dtype)
        Z = self.ops.centre(X, p.wide_c)
        units = self.ops.softplus_sum(Z, p.W, p.bias, p.wide_gains)
        with np.errstate(over="ignore"):  # to infinity, far from the data
            return (0.5 * self.ops.square_sum(Z) - units) / self.sigma**2

    def unnormalised_log_density(self, X):
        """``-E(x)``, the log-density up to log Z."""
        return -self.energy(X)

    def impute(self, X):
        """The rows, as no cell is missing."""
        return X

    def hessian_trace(self, X):
        """``div psi = (sum_j g_j |W_j|^2 h_j (1 - h_j) - d) / sigma^2``."""
        W, _, _, g = self.parameters
        H = self.ops.widen(self.hidden(X))
        curvature = self.ops.put(g * np.einsum("ij,ij->i", W, W))
        return ((H * (1 - H)) @ curvature - W.shape[1]) / self.sigma**2

    def residual_square(self, X):
        """``|r(x) - x|^2``."""
        return self.ops.square_sum(self._residual(X))

    def score_norm(self, X):
        """``|psi(x)|``."""
        return self.residual_square(X) ** 0.5 / self.sigma**2

    def implicit_loss(self, X):
        """``|psi|^2 / 2 + div psi``, the loss of implicit score matching."""
        with np.errstate(over="ignore"):
            square = self.score_norm(X) ** 2
        return 0.5 * square + self.hessian_trace(X)
