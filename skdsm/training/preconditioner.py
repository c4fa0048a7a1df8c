"""A change of variables that makes the objective's curvature nearly round.

The Gauss-Newton matrix of the denoising loss is, for the tied weights, approximately
the sum of two Kronecker products, a decoder's and an encoder's (in the spirit of
K-FAC [1]_)::

    H = A (x) I + B (x) C,    A = E[(gh)(gh)'],  B = E[delta delta'] * (W W'),
                              C = E[x~ x~'],     delta = g h (1 - h).

With ``Q diag(l) Q'`` the eigendecomposition of ``A^(-1/2) B A^(-1/2)``, and
``U diag(c) U'`` the eigendecomposition of C, H is the identity in the variables V of
``W = A^(-1/2) Q [V / sqrt(1 + l c')] U'``, on which L-BFGS therefore runs. Biases and
gains are divided by the square roots of their own diagonal entries.

References
----------
.. [1] J. Martens and R. Grosse, "Optimizing Neural Networks with Kronecker-factored
   Approximate Curvature", ICML 2015.
"""

from typing import NamedTuple

import numpy as np

from skdsm.exceptions import NonFiniteError
from skdsm.model.parameters import Parameters

__all__ = ["ChangeOfVariables", "curvature_scaling"]

_RIDGE = 1e-3  # relative to the largest eigenvalue
_NEGLIGIBLE = 1e-6  # curvature, relative to the largest eigenvalue


class ChangeOfVariables(NamedTuple):
    """Linear map between the model's parameters and the optimiser's.

    `left` (m, m) is ``A^(-1/2) Q``, followed by its inverse; `right` (d, d) is U;
    `scale` (m, d) is ``sqrt(1 + l c')``; the last two (m,) are the square roots of the
    curvature in each hidden intercept and in each gain.
    """

    left: np.ndarray
    inverse_left: np.ndarray
    right: np.ndarray
    scale: np.ndarray
    hidden_scale: np.ndarray
    gain_scale: np.ndarray

    def to_optimiser(self, parameters):
        """Map parameters to the optimiser's variables."""
        W, b, c, g = parameters
        V = self.scale * (self.inverse_left @ W @ self.right)
        return Parameters(V, self.hidden_scale * b, c, self.gain_scale * g)

    def to_model(self, variables):
        """Map the optimiser's variables to parameters."""
        V, b, c, g = variables
        W = self.left @ (V / self.scale) @ self.right.T
        return Parameters(W, b / self.hidden_scale, c, g / self.gain_scale)

    def pull_back(self, gradient):
        """Map a gradient by the chain rule: the transpose of `to_model`."""
        G, b, c, g = gradient
        V = (self.left.T @ G @ self.right) / self.scale
        return Parameters(V, b / self.hidden_scale, c, g / self.gain_scale)


def curvature_scaling(parameters, X_noisy, sample_weight):
    """Estimate the change of variables from corrupted rows (n, d), centred.

    In it the curvature, with a ridge on A, is the identity.
    """
    W, _, _, g = parameters
    share = (sample_weight / sample_weight.sum())[:, None]
    with np.errstate(over="ignore", invalid="ignore"):
        H = parameters.hidden(X_noisy)
        delta = g * H * (1 - H)
        code = g * H
        gram = W @ W.T
        A = code.T @ (share * code)
        B = (delta.T @ (share * delta)) * gram
        C = X_noisy.T @ (share * X_noisy)
        P = A + np.trace(C) / len(C) * B  # as if C were round
    if not np.isfinite(P).all():
        raise NonFiniteError("The training loss's curvature")
    largest = np.linalg.eigvalsh(P)[-1] or 1.0  # zero if all gains are
    root, inverse_root = _roots(A, _RIDGE * largest)
    encoder, Q = np.linalg.eigh(inverse_root @ B @ inverse_root)
    inputs, U = np.linalg.eigh(C)
    encoder, inputs = np.maximum(encoder, 0), np.maximum(inputs, 0)  # rounding aside
    return ChangeOfVariables(
        left=inverse_root @ Q,
        inverse_left=Q.T @ root,
        right=U,
        scale=np.sqrt(1 + np.outer(encoder, inputs)),
        hidden_scale=_scale(np.diag(B), largest),
        gain_scale=_scale((share * H**2).sum(0) * np.diag(gram), largest),
    )


def _roots(matrix, ridge):
    """Symmetric square root of a matrix plus a ridge, and its inverse."""
    eigenvalues, vectors = np.linalg.eigh(matrix)
    roots = np.sqrt(np.maximum(eigenvalues, 0) + ridge)
    return (vectors * roots) @ vectors.T, (vectors / roots) @ vectors.T


def _scale(curvature, largest):
    # a loss that hardly depends on these parameters (W near 0) must not let them loose
    floor = max(curvature.max(), _NEGLIGIBLE * largest)
    return np.sqrt(curvature + _RIDGE * floor)
