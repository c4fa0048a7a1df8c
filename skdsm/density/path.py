"""The geometric path from a Gaussian to a density, for annealing and tempering.

Rows are written ``x = mean + F z`` with ``F F'`` the covariance of the Gaussian, the
reference. With N the standard normal density of z, and p the other one, the
intermediate densities are, for beta (the inverse temperature) from 0 to 1::

    log f_beta(z) = (1 - beta) log N(z) + beta log p(z)
"""

from typing import NamedTuple

import numpy as np

from skdsm.mcmc.hmc import State, Target, hmc_step

__all__ = ["GeometricPath", "geometric_path"]

_LOWEST = -1e300  # stands for -inf, which beta = 0 must be able to multiply


class GeometricPath(NamedTuple):
    """A path in the reference's coordinates z, of shape (n, d).

    `target` is the density p of z, `mean` (d,) and `factor` F (d, d) lead to rows.
    """

    target: Target
    mean: np.ndarray
    factor: np.ndarray

    def rows(self, Z):
        """Translate coordinates to rows, ``mean + F z``."""
        return self.mean + Z @ self.factor.T

    def state(self, Z):
        """Evaluate log p, the end of the path at beta = 1, and its gradient."""
        return State(Z, *self.target.log_density_and_score(Z))

    def draw(self, rng, n):
        """Draw n states from the reference."""
        return self.state(rng.standard_normal((n, len(self.mean))))

    def log_reference(self, Z):
        """Evaluate log N(z), of shape (n,)."""
        volume = 0.5 * Z.shape[1] * np.log(2 * np.pi)
        return -0.5 * np.einsum("ij,ij->i", Z, Z) - volume

    def log_ratio(self, state):
        """Differentiate log f_beta by beta: ``log p - log N``, of shape (n,)."""
        return state.log_density - self.log_reference(state.position)

    def intermediate(self, beta):
        """Return f_beta as a Target, at one beta or at one per row, of shape (n,)."""
        column = np.asarray(beta)[..., None]

        def score(Z):
            return column * self.target.score(Z) - (1 - column) * Z

        def log_density_and_score(Z):
            log_p, score = self.target.log_density_and_score(Z)
            log_reference = self.log_reference(Z)
            return (
                log_reference + beta * (log_p - log_reference),
                column * score - (1 - column) * Z,
            )

        return Target(score, log_density_and_score)

    def move(self, rng, state, beta, step_size, num_integration_steps):
        """Take one step of Hamiltonian Monte Carlo at f_beta.

        `beta` > 0 is a number or one per chain; `step_size` of shape (d,) or (n, d) is
        one per coordinate. Nothing is evaluated outside the trajectory: log p and its
        gradient at the start and at the end pass from one beta to another. Returns the
        states at the end, as `state` has them, and the acceptance rates (n,).
        """
        # in units of the step sizes, all steps are one: it is a diagonal mass matrix
        density = self.intermediate(beta)

        def scaled_score(Y):
            return step_size * density.score(step_size * Y)

        def scaled_both(Y):
            log_density, score = density.log_density_and_score(step_size * Y)
            return log_density, step_size * score

        column = np.asarray(beta)[..., None]
        Z = state.position
        start = State(
            Z / step_size,
            self.log_reference(Z) + beta * self.log_ratio(state),
            step_size * (column * state.score - (1 - column) * Z),
        )
        scaled = Target(scaled_score, scaled_both)
        end, info = hmc_step(rng, start, scaled, 1.0, num_integration_steps)
        Z = step_size * end.position
        log_reference = self.log_reference(Z)
        moved = State(
            Z,
            log_reference + (end.log_density - log_reference) / beta,
            (end.score / step_size + (1 - column) * Z) / column,
        )
        # what stayed is kept to the bit, lest rounding add up
        for new, old in zip(moved, state, strict=True):
            new[~info.is_accepted] = old[~info.is_accepted]
        return moved, info.acceptance_rate


def geometric_path(target, mean, covariance):
    """Lay the path from N(mean, covariance) to a density of rows, up to a factor.

    The coordinates are along the eigenvectors of the covariance.
    """
    mean = np.asarray(mean, dtype=np.float64)
    variances, axes = np.linalg.eigh(np.asarray(covariance, dtype=np.float64))
    if not variances[0] > 0:
        raise ValueError("The covariance is not positive definite.")
    factor = axes * np.sqrt(variances)
    log_volume = 0.5 * np.log(variances).sum()

    def score(Z):
        return target.score(mean + Z @ factor.T) @ factor

    def log_density_and_score(Z):
        log_density, score = target.log_density_and_score(mean + Z @ factor.T)
        return np.maximum(log_density + log_volume, _LOWEST), score @ factor

    return GeometricPath(Target(score, log_density_and_score), mean, factor)
