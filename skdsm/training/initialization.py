"""Where training starts: the best linear denoiser, drawn with hinged units."""

from typing import NamedTuple

import numpy as np

from skdsm.exceptions import NonFiniteError
from skdsm.model.parameters import Parameters

__all__ = ["LinearDenoiser", "data_dependent_start", "linear_denoiser"]

_SPREAD = 1.5  # standard deviation of the logarithm of the units' sizes


class LinearDenoiser(NamedTuple):
    """The best linear denoiser ``U diag(shrinkage) U'`` of centred rows.

    `directions` (d, d) are the eigenvectors of the covariance as columns, leading ones
    first; `shrinkage` (d,) is ``lambda / (lambda + sigma^2)`` for each eigenvalue;
    `loss` is its denoising loss, ``sum(shrinkage) * sigma^2 / 2``: what a Gaussian
    model reaches, and the scale of the non-linear model's.
    """

    directions: np.ndarray
    shrinkage: np.ndarray
    loss: float


def linear_denoiser(X, sample_weight, mean_square_level):
    """Fit the best linear denoiser to rows (n, d) of weighted mean zero."""
    with np.errstate(over="ignore", invalid="ignore"):
        if sample_weight is None:
            covariance = (X.T @ X).astype(np.float64) / len(X)
        else:
            share = (sample_weight / sample_weight.sum()).astype(X.dtype)
            covariance = (X.T @ (X * share[:, None])).astype(np.float64)
    if not np.isfinite(covariance).all():
        raise NonFiniteError("The covariance of X")
    eigenvalues, directions = np.linalg.eigh(covariance)
    eigenvalues = np.maximum(eigenvalues[::-1], 0)
    shrinkage = eigenvalues / (eigenvalues + mean_square_level)
    loss = 0.5 * mean_square_level * shrinkage.sum()
    return LinearDenoiser(directions[:, ::-1], shrinkage, loss)


def data_dependent_start(X, sample_weight, linear, n_components, rng):
    """Draw starting parameters that have the Jacobian of the best linear denoiser.

    A unit passes a quarter of what it sees where it is steepest, so with
    ``W = 2 Q diag(shrinkage)^(1/2) U'`` and orthonormal columns in the random Q,
    ``W' W / 4`` is the linear denoiser. The rows of Q differ much in size: many units
    of one small size are all but linear, and stay so. Each unit is steepest at a random
    training row; the visible intercept makes the mean residual zero. Below d, units
    span the leading directions. Gains are one.
    """
    m, d = n_components, X.shape[1]
    rank = min(m, d)
    size = np.exp(_SPREAD * rng.standard_normal((m, 1)))
    left, _, right = np.linalg.svd(
        size * rng.standard_normal((m, rank)), full_matrices=False
    )
    Q = left @ right  # the nearest matrix with orthonormal columns
    W = 2 * (Q * np.sqrt(linear.shrinkage[:rank])) @ linear.directions[:, :rank].T

    if sample_weight is None:
        sample_weight = np.ones(len(X))
    hinges = rng.choice(len(X), size=m, p=sample_weight / sample_weight.sum())
    b = -np.einsum("ij,ij->i", W, X[hinges].astype(np.float64))
    sample = slice(0, 4096)  # rows are in random order
    share = sample_weight[sample] / sample_weight[sample].sum()
    code = Parameters(W, b, np.zeros(d), np.ones(m)).hidden(X[sample])
    mean_code = share @ code
    c = share @ X[sample] - mean_code @ W
    return Parameters(W, b, c, np.ones(m))
