"""One transition of Hamiltonian Monte Carlo, for many chains at once.

The method was introduced as hybrid Monte Carlo [1]_, and is the paper's; [2]_ is the
text on it.

Chains are rows. The target is any log-density with its gradient, each evaluated for all
chains in one call, so that a model's transition is a few matrix products however many
chains there are. The sampler knows nothing of the model, nor the model of the sampler.

References
----------
.. [1] S. Duane, A. D. Kennedy, B. J. Pendleton, D. Roweth, "Hybrid Monte Carlo",
   Physics Letters B 195(2), 1987.
.. [2] R. M. Neal, "MCMC using Hamiltonian dynamics", Handbook of Markov Chain Monte
   Carlo, 2011.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from skdsm.mcmc.mass_matrix import identity_metric

__all__ = ["Info", "State", "Target", "hmc_step", "initial_state", "leapfrog"]

# As in Stan: an integrator that is off by so much has left the trajectory.
_DIVERGENCE = 1000.0


class Target(NamedTuple):
    """A density to sample, known up to a factor.

    Inside a trajectory only `score` is called, so that what only the density needs is
    not computed at every step; at its end `log_density` is called as well, or
    `log_density_and_score` in place of both. The arrays that they are called with
    change later.

    Attributes
    ----------
    log_density : callable
        From positions (n_chains, d) to an array of shape (n_chains,): the logarithm of
        the density up to a constant, minus infinity where the density is zero.
    score : callable
        From positions to an array of shape (n_chains, d): the gradient of the former.
    log_density_and_score : callable, optional
        From positions to both arrays, if they cost less together.
    """

    log_density: Callable
    score: Callable
    log_density_and_score: Callable | None = None

    def evaluate(self, position):
        """Evaluate log-density and score.

        Parameters
        ----------
        position : ndarray of shape (n_chains, d)
            Positions.

        Returns
        -------
        log_density : ndarray of shape (n_chains,), float64
            Log-density; a new array.
        score : ndarray of shape (n_chains, d)
            Its gradient; a new array of the type of the positions.
        """
        if self.log_density_and_score is None:
            score = np.array(self.score(position), position.dtype)
            log_density = self.log_density(position)
        else:
            log_density, score = self.log_density_and_score(position)
            score = np.array(score, position.dtype)
        return np.array(log_density, np.float64), score


class State(NamedTuple):
    """Where the chains are, with all that the next transition needs to know there.

    Attributes
    ----------
    position : ndarray of shape (n_chains, d)
        Positions.
    log_density : ndarray of shape (n_chains,), float64
        Log-density of the target.
    score : ndarray of shape (n_chains, d)
        Its gradient.
    """

    position: np.ndarray
    log_density: np.ndarray
    score: np.ndarray


class Info(NamedTuple):
    """What happened in a transition.

    Attributes
    ----------
    acceptance_rate : ndarray of shape (n_chains,)
        Probability that the proposal was accepted with.
    is_accepted : ndarray of shape (n_chains,), bool
        Whether it was.
    is_divergent : ndarray of shape (n_chains,), bool
        Whether the energy error was above 1000 or no number; never accepted.
    energy_error : ndarray of shape (n_chains,)
        Total energy at the end of the trajectory minus that at its start.
    energy : ndarray of shape (n_chains,)
        Total energy where the chain is now, with the momentum it arrived with.
    num_integration_steps : int
        Leapfrog steps, that is, evaluations of the score.
    """

    acceptance_rate: np.ndarray
    is_accepted: np.ndarray
    is_divergent: np.ndarray
    energy_error: np.ndarray
    energy: np.ndarray
    num_integration_steps: int


def initial_state(target, position):
    """Evaluate the target where chains start.

    Parameters
    ----------
    target : Target
        The density.
    position : array-like of shape (n_chains, d)
        Where to start. A float32 array makes float32 chains, all else float64.

    Returns
    -------
    State
        The state.

    Raises
    ------
    ValueError
        If the positions are no two-dimensional array of finite numbers, if the
        density is zero or no number at one of them, or if the target's arrays have
        other shapes than they should.
    """
    position = np.asarray(position)
    dtype = np.float32 if position.dtype == np.float32 else np.float64
    position = np.array(position, dtype)  # a copy: the caller's may change
    if position.ndim != 2 or 0 in position.shape:
        raise ValueError(
            "Positions must have shape (n_chains, d), one chain and one coordinate at "
            f"least, got {position.shape}."
        )
    if not np.isfinite(position).all():
        raise ValueError("The initial position contains NaN or infinity.")
    with np.errstate(over="ignore", invalid="ignore"):
        log_density, score = target.evaluate(position)
    if log_density.shape != position.shape[:1] or score.shape != position.shape:
        raise ValueError(
            f"For positions of shape {position.shape} the target returned "
            f"log-densities of shape {log_density.shape} and scores of shape "
            f"{score.shape}."
        )
    is_bad = ~(np.isfinite(log_density) & np.isfinite(score).all(axis=1))
    if is_bad.any():
        raise ValueError(
            f"The log-density or the score is not finite at {is_bad.sum()} of "
            f"{len(is_bad)} initial positions, the first being chain "
            f"{np.argmax(is_bad)}: start where the density is positive."
        )
    return State(position, log_density, score)


def leapfrog(
    target_score,
    position,
    momentum,
    score,
    step_size,
    num_integration_steps,
    metric=None,
    last_score=None,
):
    """Integrate Hamilton's equations by the leapfrog rule.

    The map is volume preserving, it is its own inverse when the momentum is reversed,
    and its energy error is of second order in the step size.

    Parameters
    ----------
    target_score : callable
        Gradient of the log-density, called at the end of each step.
    position : ndarray of shape (n_chains, d)
        Positions at the start.
    momentum : ndarray of shape (n_chains, d)
        Momenta at the start.
    score : ndarray of shape (n_chains, d)
        Score at the start.
    step_size : float or ndarray of shape (n_chains,)
        Length of a step, of all chains or of each.
    num_integration_steps : int
        Number of steps, of all chains.
    metric : Metric, optional
        Mass matrix; the identity if None.
    last_score : callable, optional
        What to call in place of `target_score` at the end of the last step.

    Returns
    -------
    position : ndarray of shape (n_chains, d)
        Positions at the end.
    momentum : ndarray of shape (n_chains, d)
        Momenta at the end.
    score : ndarray of shape (n_chains, d)
        Score at the end.
    """
    if metric is None:
        metric = identity_metric(position.shape[1], position.dtype)
    # In units of the step size a kick of the momentum is the score itself. The square
    # of the step size goes to the inverse mass, if all chains share it.
    square = None
    if np.ndim(step_size) == 0:
        step_size = position.dtype.type(step_size)
        metric = metric._replace(inverse_mass=metric.inverse_mass * step_size**2)
    else:
        # a column as an array of the positions' shape, which multiplies faster
        step_size = np.asarray(step_size, position.dtype)[:, None]
        step_size = np.repeat(step_size, position.shape[1], axis=1)
        square = step_size**2
    position = position.copy()
    momentum = momentum / step_size
    momentum += 0.5 * score
    for i in range(num_integration_steps):
        move = metric.velocity(momentum)
        if square is not None:
            move *= square
        position += move
        if i == num_integration_steps - 1 and last_score is not None:
            target_score = last_score
        score = target_score(position)
        momentum += score
    momentum -= 0.5 * score  # of the last kick, only half
    momentum *= step_size
    return position, momentum, score


def hmc_step(rng, state, target, step_size, num_integration_steps, metric=None):
    """Make one transition: new momenta, a trajectory, the Metropolis test.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    state : State
        Where the chains are.
    target : Target
        The density.
    step_size : float or ndarray of shape (n_chains,)
        Length of a step, of all chains or of each.
    num_integration_steps : int
        Steps of a trajectory, one or more.
    metric : Metric, optional
        Mass matrix; the identity if None.

    Returns
    -------
    state : State
        Where the chains are now; new arrays.
    info : Info
        What happened.

    Raises
    ------
    ValueError
        If a trajectory has no steps.
    """
    if num_integration_steps < 1:
        raise ValueError(
            f"num_integration_steps must be 1 or more, got {num_integration_steps}."
        )
    n_chains, d = state.position.shape
    dtype = state.position.dtype
    metric = identity_metric(d, dtype) if metric is None else metric.astype(dtype)
    momentum = metric.draw(rng, n_chains, dtype)
    initial_energy = metric.kinetic_energy(momentum) - state.log_density
    log_density = None

    def last_score(position):
        nonlocal log_density
        log_density, score = target.evaluate(position)
        return score

    # A trajectory that flies off overflows. It is rejected: no more to be said.
    with np.errstate(over="ignore", invalid="ignore"):
        position, momentum, score = leapfrog(
            target.score,
            state.position,
            momentum,
            state.score,
            step_size,
            num_integration_steps,
            metric,
            last_score,
        )
        energy = metric.kinetic_energy(momentum) - log_density
        energy_error = energy - initial_energy
    # Not a number, or minus infinity: no density is infinite
    energy_error[~(energy_error > -np.inf)] = np.inf
    is_divergent = energy_error > _DIVERGENCE
    is_accepted = (rng.standard_exponential(n_chains) > energy_error) & ~is_divergent
    acceptance_rate = np.exp(-np.maximum(energy_error, 0))
    stay = np.flatnonzero(~is_accepted)
    for new, old in zip(
        (position, log_density, score, energy), (*state, initial_energy), strict=True
    ):
        new[stay] = old[stay]
    state = State(position, log_density, score)
    info = Info(
        acceptance_rate,
        is_accepted,
        is_divergent,
        energy_error,
        energy,
        num_integration_steps,
    )
    return state, info
