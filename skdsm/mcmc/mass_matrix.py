"""Mass matrices of Hamiltonian Monte Carlo: diagonal and dense."""

from typing import NamedTuple

import numpy as np
from scipy.linalg import solve_triangular

__all__ = ["Metric", "dense_metric", "diagonal_metric", "identity_metric"]


class Metric(NamedTuple):
    """Mass matrix M of the kinetic energy ``p' M^-1 p / 2``; momenta are N(0, M).

    The best M^-1 is the covariance of the target: in the coordinates it stands for,
    the target is as wide in one direction as in any other. Both matrices are kept as
    vectors where they are diagonal.

    Attributes
    ----------
    inverse_mass : ndarray of shape (d,) or (d, d)
        ``M^-1``.
    momentum_factor : ndarray of shape (d,) or (d, d)
        F with ``F' F = M``, from standard normal rows to rows of momenta.
    """

    inverse_mass: np.ndarray
    momentum_factor: np.ndarray

    def velocity(self, momentum):
        """Velocity ``M^-1 p`` of each chain.

        Parameters
        ----------
        momentum : ndarray of shape (n_chains, d)
            Momenta.

        Returns
        -------
        ndarray of shape (n_chains, d)
            Velocities.
        """
        if self.inverse_mass.ndim == 1:
            return momentum * self.inverse_mass
        return momentum @ self.inverse_mass

    def kinetic_energy(self, momentum):
        """Kinetic energy ``p' M^-1 p / 2`` of each chain.

        Parameters
        ----------
        momentum : ndarray of shape (n_chains, d)
            Momenta.

        Returns
        -------
        ndarray of shape (n_chains,), float64
            Energies.
        """
        double = np.einsum("ij,ij->i", momentum, self.velocity(momentum))
        return 0.5 * double.astype(np.float64, copy=False)

    def draw(self, rng, n_chains, dtype=np.float64):
        """Draw momenta.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of randomness.
        n_chains : int
            Number of chains.
        dtype : dtype, default=numpy.float64
            Either float32 or float64.

        Returns
        -------
        ndarray of shape (n_chains, d)
            Momenta.
        """
        factor = self.momentum_factor.astype(dtype, copy=False)
        normal = _standard_normal(rng, (n_chains, len(factor)), dtype)
        if factor.ndim == 1:
            normal *= factor
            return normal
        return normal @ factor

    def astype(self, dtype):
        """Round to another floating-point type.

        Parameters
        ----------
        dtype : dtype
            Either float32 or float64.

        Returns
        -------
        Metric
            The metric, itself where it is of that type.
        """
        if self.inverse_mass.dtype == dtype:
            return self
        return Metric(*(matrix.astype(dtype) for matrix in self))


def _standard_normal(rng, shape, dtype):
    """Standard normal deviates; in single precision by Box and Muller's formula.

    NumPy's elementwise functions are vectorised in single precision, its normal
    deviates are not: this takes half their time. Deviates end at 5.8.
    """
    if dtype != np.float32:
        return rng.standard_normal(shape)
    size = int(np.prod(shape))
    radius, angle = rng.random((2, -(-size // 2)), dtype=np.float32)
    np.subtract(1, radius, out=radius)  # never zero
    np.log(radius, out=radius)
    radius *= -2
    np.sqrt(radius, out=radius)
    angle *= np.float32(2 * np.pi)
    normal = np.concatenate([np.cos(angle), np.sin(angle)]).reshape(2, -1)
    normal *= radius
    return normal.ravel()[:size].reshape(shape)


def identity_metric(n_features, dtype=np.float64):
    """Make the metric that leaves the coordinates as they are.

    Parameters
    ----------
    n_features : int
        Dimension, d.
    dtype : dtype, default=numpy.float64
        Either float32 or float64.

    Returns
    -------
    Metric
        ``M = I``.
    """
    return Metric(np.ones(n_features, dtype), np.ones(n_features, dtype))


def diagonal_metric(variance):
    """Make the metric for a target of given variances.

    Parameters
    ----------
    variance : array-like of shape (d,)
        Variance of each coordinate.

    Returns
    -------
    Metric
        ``M^-1 = diag(variance)``.

    Raises
    ------
    ValueError
        If a variance is not a positive number.
    """
    variance = np.asarray(variance, dtype=np.float64)
    if variance.ndim != 1 or not (np.isfinite(variance) & (variance > 0)).all():
        raise ValueError("The variances must be one positive number a coordinate.")
    return Metric(variance, 1 / np.sqrt(variance))


def dense_metric(covariance):
    """Make the metric for a target of given covariance.

    Parameters
    ----------
    covariance : array-like of shape (d, d)
        Covariance of the coordinates.

    Returns
    -------
    Metric
        ``M^-1 = covariance``.

    Raises
    ------
    ValueError
        If it is not symmetric and positive definite.
    """
    covariance = np.asarray(covariance, dtype=np.float64)
    message = "The covariance must be a symmetric, positive definite matrix."
    if (
        covariance.ndim != 2
        or covariance.shape[0] != covariance.shape[1]
        or not np.allclose(covariance, covariance.T, rtol=1e-8, atol=0)
    ):
        raise ValueError(message)
    # On the scale of correlations, or a small coordinate would be lost beside a large.
    variance = np.diag(covariance)
    if not (np.isfinite(covariance).all() and (variance > 0).all()):
        raise ValueError(message)
    scale = np.sqrt(variance)
    try:
        factor = np.linalg.cholesky(covariance / np.outer(scale, scale))
    except np.linalg.LinAlgError:
        raise ValueError(message) from None
    inverse = solve_triangular(factor, np.eye(len(factor)), lower=True)
    return Metric(covariance, inverse / scale)
