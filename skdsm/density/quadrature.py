"""Log-partition functions by quadrature, where the units span few dimensions.

In the frame centred at c and in units of sigma, ``exp(-E)`` is a standard Gaussian
times ``prod_j (1 + exp(u_j))^n_j`` with ``n_j = g_j / sigma^2``. So::

    log Z = (d / 2) log(2 pi sigma^2) + log E[ prod_j (1 + exp(A_j z + a_j))^n_j ]

for standard normal z, with ``A = sigma W`` and ``a = b + W c``. The expectation needs
only the projections of z on the rows of A: it is an integral over as many dimensions
as A has rank, and it factorises over groups of units whose rows are orthogonal to the
rows of all other groups.
"""

import numpy as np
from scipy.linalg import svd
from scipy.sparse.csgraph import connected_components
from scipy.special import logsumexp

from skdsm.model.activations import softplus

__all__ = ["log_expectation", "orthogonal_groups"]

_TAIL = 9.0  # standard deviations: what is beyond is a share of 1e-18
_AGREEMENT = 1e-10  # of one grid with the next: the error of the latter is far smaller
_MAX_SOFTPLUS = 2**27  # seconds of work
_GRID_BLOCK = 2**18  # softplus values at a time
_RELATIVE_ZERO = 1e-13


def orthogonal_groups(W):
    """Split the units of W (m, d) into groups orthogonal to one another, as indices.

    A unit without weights is a group.
    """
    norms = np.linalg.norm(W, axis=1)
    directions = W / np.where(norms > 0, norms, 1)[:, None]
    cosines = np.abs(directions @ directions.T)
    n_groups, label = connected_components(cosines > _RELATIVE_ZERO, directed=False)
    return [np.flatnonzero(label == group) for group in range(n_groups)]


def log_expectation(A, a, n):
    """Evaluate ``log E[prod_j (1 + exp(A_j z + a_j))^n_j]`` over standard normal z.

    A is (m, d); a and the exponents n, of either sign, are (m,). None is returned where
    the rank of A is above two, or the grid would be too fine for seconds of work.

    The trapezoid rule, on grids that are refined until two agree. It converges
    geometrically, because the integrand is analytic and decays. The box holds all but
    1e-18 of the integral: along any axis the integrand's logarithm has slope
    ``r_i - z_i`` with ``r_i`` between ``lo_i = sum_j min(0, n_j A_ji)`` and
    ``hi_i = sum_j max(0, n_j A_ji)``, so that above ``hi_i`` it falls at least as fast
    as a Gaussian centred there, and below ``hi_i`` it falls at most so fast.
    """
    A = _coordinates(A)
    if A.shape[1] > 2:
        return None
    low = np.minimum(n[:, None] * A, 0).sum(axis=0) - _TAIL
    high = np.maximum(n[:, None] * A, 0).sum(axis=0) + _TAIL
    # no wider than the narrowest peak that there can be: only negative exponents make
    # one that is narrower than the standard Gaussian
    sharpest = 1 + 0.25 * np.maximum(-n, 0) @ np.einsum("ij,ij->i", A, A)
    step = 0.5 / np.sqrt(sharpest)
    coarse = None
    while np.prod(np.ceil((high - low) / step)) * max(1, len(A)) <= _MAX_SOFTPLUS:
        fine = _trapezoid(A, a, n, low, high, step)
        if coarse is not None and abs(fine - coarse) <= _AGREEMENT:
            return fine
        coarse = fine
        step /= 2
    return None


def _coordinates(A):
    """Write the rows of A in an orthonormal basis of their span: (m, rank)."""
    _, scales, basis = svd(A, full_matrices=False)
    rank = int((scales > _RELATIVE_ZERO * max(scales.max(initial=0.0), 1e-300)).sum())
    return A @ basis[:rank].T


def _trapezoid(A, a, n, low, high, step):
    """Integrate over a box, in one or two dimensions (or none)."""
    axes = [np.arange(lo, hi + step, step) for lo, hi in zip(low, high, strict=True)]
    last = axes.pop() if axes else np.zeros(1)
    first = axes.pop() if axes else np.zeros(1)
    # a dimension that is not there has slope zero, and no Gaussian weight
    slopes = np.zeros((len(A), 2))
    slopes[:, 2 - A.shape[1] :] = A
    inner = np.outer(last, slopes[:, 1]) + a
    rows = max(1, _GRID_BLOCK // max(1, inner.size))
    totals = []
    for start in range(0, len(first), rows):
        part = first[start : start + rows]
        U = np.multiply.outer(part, slopes[:, 0])[:, None, :] + inner
        exponent = softplus(U) @ n - 0.5 * (part[:, None] ** 2 + last**2)
        totals.append(logsumexp(exponent))
    dimensions = A.shape[1]
    return float(logsumexp(totals)) + dimensions * np.log(step / np.sqrt(2 * np.pi))
