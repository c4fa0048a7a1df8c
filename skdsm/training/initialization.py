"""Where training starts: random hinged units, near the best linear denoiser.

Gradient descent leaves a nearly linear start slowly where clusters lie in a symmetric
pattern, such as on a ring: for hundreds of iterations, the model cannot tell them
apart. Where gains are learned, units may be steeper, as in [1]_, and gains make up for
that.

References
----------
.. [1] G.-B. Huang, Q.-Y. Zhu and C.-K. Siew, "Extreme learning machine: theory and
   applications", Neurocomputing 70, 2006.
"""

from typing import NamedTuple

import numpy as np

from skdsm.exceptions import NonFiniteError
from skdsm.model.parameters import Parameters

__all__ = [
    "LinearDenoiser",
    "data_dependent_start",
    "draw_start",
    "linear_denoiser",
    "steep_start",
]

_SPREAD = 1.5  # standard deviation of the logarithm of the units' sizes
_SAMPLE = slice(0, 4096)  # of the rows, which are in random order
_RIDGE = 0.3  # relative to the mean curvature in a gain


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


def draw_start(X, sample_weight, linear, settings, rng):
    """Draw starting parameters for centred rows (n, d), by what is to be fitted.

    Implicit score matching has no lower bound on a sample: steep units would find that
    out.
    """
    m = settings.n_components
    if settings.learn_gains and settings.objective == "dsm":
        return steep_start(X, sample_weight, linear, settings.levels, m, rng)
    return data_dependent_start(X, sample_weight, linear, m, rng)


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
    share = sample_weight[_SAMPLE] / sample_weight[_SAMPLE].sum()
    code = Parameters(W, b, np.zeros(d), np.ones(m)).hidden(X[_SAMPLE])
    mean_code = share @ code
    c = share @ X[_SAMPLE] - mean_code @ W
    return Parameters(W, b, c, np.ones(m))


def steep_start(X, sample_weight, linear, levels, n_components, rng):
    """Draw starting parameters with steeper units, and the gains that denoise best.

    The weights and intercepts of `data_dependent_start` are multiplied by random
    factors, log-uniform from one to where typical weights ``|W_j|`` are
    ``min(1 / sigma, m / d)`` for the lowest noise level sigma, in units of the rows'
    spread: a unit is no sharper than the noise lets it see, and m units of that width
    still cover the rows. Given these, the loss is a parabola in gains and visible
    intercept: a ridge regression on rows corrupted once has them, with
    ``A_jk = cov(h_j, h_k) W_j . W_k`` and ``A g = E[(h_j - E h_j) W_j . x]``.
    """
    start = data_dependent_start(X, sample_weight, linear, n_components, rng)
    per_column = max(n_components / X.shape[1], 1.0)
    typical = 2 / np.sqrt(per_column)  # where no direction shrinks
    steepest = max(1.0, min(1 / levels.low, per_column) / typical)
    factor = steepest ** rng.random(n_components)
    W, b = factor[:, None] * start.components, factor * start.intercept_hidden

    X = X[_SAMPLE].astype(np.float64)
    weight = np.ones(len(X)) if sample_weight is None else sample_weight[_SAMPLE]
    share = (weight / weight.sum())[:, None]
    level = levels.at(rng.random((len(X), 1)))
    X_noisy = X + level * rng.standard_normal(X.shape)
    H = start._replace(components=W, intercept_hidden=b).hidden(X_noisy)
    mean_code = (share * H).sum(axis=0)
    H -= mean_code
    A = (H.T @ (share * H)) * (W @ W.T)
    A[np.diag_indices_from(A)] += _RIDGE * np.trace(A) / len(A) or 1.0
    g = np.linalg.solve(A, (share * H * (X @ W.T)).sum(axis=0))
    c = (share * X).sum(axis=0) - (g * mean_code) @ W
    return Parameters(W, b, c, g)
