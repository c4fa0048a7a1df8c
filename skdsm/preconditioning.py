"""A change of variables that makes the objective's curvature nearly round.

The Gauss-Newton matrix of the denoising loss is, for the tied weights, approximately a
Kronecker product ``P (x) I`` with one m x m matrix P, the sum of a decoder's and an
encoder's block (in the spirit of K-FAC [1]_). L-BFGS therefore runs on V in
``W = P^(-1/2) V``; biases and gains are divided by the square roots of their own
diagonal entries.

References
----------
.. [1] J. Martens and R. Grosse, "Optimizing Neural Networks with Kronecker-factored
   Approximate Curvature", ICML 2015.
"""

from typing import NamedTuple

import numpy as np

from skdsm.energy import Parameters
from skdsm.exceptions import NonFiniteError
from skdsm.special import logistic

__all__ = ["ChangeOfVariables", "curvature_scaling"]

_RIDGE = 1e-3  # relative to the largest eigenvalue
_NEGLIGIBLE = 1e-6  # curvature, relative to the largest eigenvalue


class ChangeOfVariables(NamedTuple):
    """Linear map between the model's parameters and the optimiser's.

    Attributes
    ----------
    root : ndarray of shape (m, m)
        Symmetric ``P^(1/2)``.
    inverse_root : ndarray of shape (m, m)
        Symmetric ``P^(-1/2)``.
    hidden_scale : ndarray of shape (m,)
        Square root of the curvature in each hidden intercept.
    gain_scale : ndarray of shape (m,)
        Square root of the curvature in each gain.
    """

    root: np.ndarray
    inverse_root: np.ndarray
    hidden_scale: np.ndarray
    gain_scale: np.ndarray

    def to_optimiser(self, parameters):
        """Map parameters to the optimiser's variables.

        Parameters
        ----------
        parameters : Parameters
            W, b, c and g.

        Returns
        -------
        Parameters
            V and the scaled intercepts and gains.
        """
        W, b, c, g = parameters
        return Parameters(self.root @ W, self.hidden_scale * b, c, self.gain_scale * g)

    def to_model(self, variables):
        """Map the optimiser's variables to parameters.

        Parameters
        ----------
        variables : Parameters
            V and the scaled intercepts and gains.

        Returns
        -------
        Parameters
            W, b, c and g.
        """
        V, b, c, g = variables
        return Parameters(
            self.inverse_root @ V, b / self.hidden_scale, c, g / self.gain_scale
        )

    # The map is linear with a symmetric matrix, so its transpose, which the chain rule
    # applies to gradients, is the map itself.
    pull_back = to_model


def curvature_scaling(parameters, X_noisy, sample_weight):
    """Estimate the change of variables from a sample of corrupted rows.

    Parameters
    ----------
    parameters : Parameters
        Current W, b, c and g.
    X_noisy : ndarray of shape (n_samples, d)
        Corrupted rows, centred.
    sample_weight : ndarray of shape (n_samples,)
        Weights.

    Returns
    -------
    ChangeOfVariables
        From ``P = E[(gh)(gh)'] + E|x~|^2 / d * E[delta delta'] * (W W')`` with
        ``delta = g h (1 - h)``, plus a ridge.

    Raises
    ------
    NonFiniteError
        If the curvature overflows.
    """
    W, b, _, g = parameters
    share = (sample_weight / sample_weight.sum())[:, None]
    with np.errstate(over="ignore", invalid="ignore"):
        H = logistic(X_noisy @ W.T + b)
        delta = g * H * (1 - H)
        A = g * H
        gram = W @ W.T
        encoder = (delta.T @ (share * delta)) * gram
        mean_square = np.sum(share * X_noisy**2) / X_noisy.shape[1]
        P = A.T @ (share * A) + mean_square * encoder
    if not np.isfinite(P).all():
        raise NonFiniteError("The training loss's curvature")
    eigenvalues, vectors = np.linalg.eigh(P)
    largest = eigenvalues[-1] or 1.0  # zero if all gains are
    roots = np.sqrt(np.maximum(eigenvalues, 0) + _RIDGE * largest)
    return ChangeOfVariables(
        root=(vectors * roots) @ vectors.T,
        inverse_root=(vectors / roots) @ vectors.T,
        hidden_scale=_scale(np.diag(encoder), largest),
        gain_scale=_scale((share * H**2).sum(0) * np.diag(gram), largest),
    )


def _scale(curvature, largest):
    # a loss that hardly depends on these parameters (W near 0) must not let them loose
    floor = max(curvature.max(), _NEGLIGIBLE * largest)
    return np.sqrt(curvature + _RIDGE * floor)
