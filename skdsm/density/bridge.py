"""Bridges from a Gaussian to a density, which annealing and tempering walk along.

Rows are written ``x = mean + F z`` with ``F F'`` the covariance of the Gaussian, so
that it is standard normal in z. With N its density there, and p the other one, the
points of the path are, for beta from 0 to 1::

    log f_beta(z) = (1 - beta) log N(z) + beta log p(z)

The path may be confined to a ball ``|z| <= radius``, an ellipsoid of rows: N is then
the normal distribution cut off there, and p is zero outside.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import chdtr, gammainc, gammaincinv

from skdsm.mcmc.hmc import State, Target, hmc_step

__all__ = ["Path", "gaussian_path"]

_LOWEST = -1e300  # stands for -inf, which beta = 0 must be able to multiply


class Path(NamedTuple):
    """A bridge from a Gaussian to a density, in the Gaussian's own coordinates.

    Attributes
    ----------
    target : Target
        The density p of z, which need not be normalised.
    mean : ndarray of shape (d,)
        Mean of the Gaussian.
    factor : ndarray of shape (d, d)
        Square root F of its covariance, ``F F'``.
    radius : float
        Radius of the ball that z is confined to; may be infinite.
    """

    target: Target
    mean: np.ndarray
    factor: np.ndarray
    radius: float

    def rows(self, Z):
        """Translate coordinates to rows.

        Parameters
        ----------
        Z : ndarray of shape (n, d)
            Coordinates.

        Returns
        -------
        ndarray of shape (n, d)
            ``mean + F z``.
        """
        return self.mean + Z @ self.factor.T

    def coordinates(self, X):
        """Translate rows to coordinates.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            Rows.

        Returns
        -------
        ndarray of shape (n, d)
            ``F^-1 (x - mean)``.
        """
        return np.linalg.solve(self.factor, (X - self.mean).T).T

    def state(self, Z):
        """Evaluate the density at the end of the path.

        Parameters
        ----------
        Z : ndarray of shape (n, d)
            Coordinates.

        Returns
        -------
        State
            The coordinates, log p there and its gradient.
        """
        return State(Z, self.target.log_density(Z), self.target.score(Z))

    def draw(self, rng, n):
        """Draw from the Gaussian.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of randomness.
        n : int
            Number of draws.

        Returns
        -------
        State
            As `state`.
        """
        d = len(self.mean)
        Z = rng.standard_normal((n, d))
        if np.isfinite(self.radius):
            # the squared length is chi-square of d degrees of freedom, cut off
            share = rng.uniform(size=n) * gammainc(0.5 * d, 0.5 * self.radius**2)
            length = np.sqrt(2 * gammaincinv(0.5 * d, share))
            Z *= (length / np.linalg.norm(Z, axis=1))[:, None]
        return self.state(Z)

    def log_gaussian(self, Z):
        """Logarithm of the Gaussian's density.

        Parameters
        ----------
        Z : ndarray of shape (n, d)
            Coordinates.

        Returns
        -------
        ndarray of shape (n,)
            Values of log N(z), normalised over the ball.
        """
        d = Z.shape[1]
        volume = 0.5 * d * np.log(2 * np.pi) + np.log(chdtr(d, self.radius**2))
        return -0.5 * np.einsum("ij,ij->i", Z, Z) - volume

    def log_ratio(self, state):
        """Derivative of log f_beta with respect to beta, ``log p - log N``.

        Parameters
        ----------
        state : State
            Coordinates and what is known there.

        Returns
        -------
        ndarray of shape (n,)
            The logarithm of the ratio of the two densities.
        """
        return state.log_density - self.log_gaussian(state.position)

    def bridge(self, beta):
        """Density at a point of the path.

        Parameters
        ----------
        beta : float or ndarray of shape (n,)
            Where on the path, for all rows or for each.

        Returns
        -------
        Target
            The function log f_beta and its gradient.
        """
        column = np.asarray(beta)[..., None]

        def log_density(Z):
            log_gaussian = self.log_gaussian(Z)
            return log_gaussian + beta * (self.target.log_density(Z) - log_gaussian)

        def score(Z):
            return column * self.target.score(Z) - (1 - column) * Z

        return Target(log_density, score)

    def move(self, rng, state, beta, step, num_integration_steps):
        """Take one step of Hamiltonian Monte Carlo at a point of the path.

        Nothing is evaluated but the trajectory: what is known of p at the start and at
        the end passes from one beta to another.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of randomness.
        state : State
            Coordinates and what is known there.
        beta : float or ndarray of shape (n,)
            Where on the path, for all chains or for each; above zero.
        step : ndarray of shape (d,) or (n, d)
            Step of the integrator in each coordinate.
        num_integration_steps : int
            Leapfrog steps in a trajectory.

        Returns
        -------
        state : State
            Where the chains are then.
        acceptance_rate : ndarray of shape (n,)
            Probability that the proposals were accepted with.
        """
        # in units of the steps, all steps are one: it is a diagonal mass matrix
        bridge = self.bridge(beta)
        scaled = Target(
            lambda Y: bridge.log_density(step * Y),
            lambda Y: step * bridge.score(step * Y),
        )
        column = np.asarray(beta)[..., None]
        Z = state.position
        start = State(
            Z / step,
            self.log_gaussian(Z) + beta * self.log_ratio(state),
            step * (column * state.score - (1 - column) * Z),
        )
        end, info = hmc_step(rng, start, scaled, 1.0, num_integration_steps)
        Z = step * end.position
        log_gaussian = self.log_gaussian(Z)
        moved = State(
            Z,
            log_gaussian + (end.log_density - log_gaussian) / beta,
            (end.score / step + (1 - column) * Z) / column,
        )
        # what stayed is kept to the bit, lest rounding add up
        accepted = info.is_accepted
        end = State(
            *(
                np.where(accepted if new.ndim == 1 else accepted[:, None], new, old)
                for new, old in zip(moved, state, strict=True)
            )
        )
        return end, info.acceptance_rate


def gaussian_path(target, mean, covariance, radius=np.inf):
    """Lay a path from a Gaussian to a density.

    Parameters
    ----------
    target : Target
        The density of rows; need not be normalised.
    mean : array-like of shape (d,)
        Mean of the Gaussian.
    covariance : array-like of shape (d, d)
        Its covariance, positive definite.
    radius : float, default=inf
        Confines both densities to the rows whose Mahalanobis distance
        ``sqrt((x - mean)' covariance^-1 (x - mean))`` is at most this.

    Returns
    -------
    Path
        The path, in coordinates along the eigenvectors of the covariance.

    Raises
    ------
    ValueError
        If the covariance is not positive definite.
    """
    mean = np.asarray(mean, dtype=np.float64)
    variances, axes = np.linalg.eigh(np.asarray(covariance, dtype=np.float64))
    if not variances[0] > 0:
        raise ValueError("The covariance is not positive definite.")
    factor = axes * np.sqrt(variances)
    log_volume = 0.5 * np.log(variances).sum()

    def log_density(Z):
        value = target.log_density(mean + Z @ factor.T) + log_volume
        if np.isfinite(radius):
            value[np.einsum("ij,ij->i", Z, Z) > radius**2] = _LOWEST
        return np.maximum(value, _LOWEST)

    def score(Z):
        return target.score(mean + Z @ factor.T) @ factor

    return Path(Target(log_density, score), mean, factor, float(radius))
