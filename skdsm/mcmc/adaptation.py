"""Warm-up of Hamiltonian Monte Carlo: step size, metric, length of trajectories.

The many chains are pooled: each transition gives the step size one mean acceptance rate
of little noise, and the metric as many positions as there are chains. Nothing adapts
after warm-up, or the draws would not have the target's distribution.
"""

from typing import NamedTuple

import numpy as np

from skdsm.mcmc.dual_averaging import start_dual_averaging, update_dual_averaging
from skdsm.mcmc.hmc import State, hmc_step
from skdsm.mcmc.mass_matrix import (
    Metric,
    dense_metric,
    diagonal_metric,
    identity_metric,
)

__all__ = [
    "Lane",
    "Moments",
    "Tuning",
    "add_rows",
    "draw_num_steps",
    "reasonable_step_size",
    "start_moments",
    "trajectory_length",
    "warm_up",
]

# Trajectory length over the width of the widest direction. A quarter of its period is
# pi / 2. Of 1 to 2.5, this had the most effective samples per second on mixtures, of x
# or of its square, whichever were fewer; beyond it the squares' fall off steeply.
_SPAN = 2.0
_JITTER = 0.3  # of the trajectory length, either way
_MAX_STEPS = 512
_FIRST_STEPS = 8  # while nothing is known yet


class Moments(NamedTuple):
    """Mean and scatter of the rows seen so far.

    Attributes
    ----------
    n_rows : int
        How many rows.
    mean : ndarray of shape (d,)
        Their mean.
    scatter : ndarray of shape (d, d)
        Sum of the outer products of their deviations from it.
    """

    n_rows: int
    mean: np.ndarray
    scatter: np.ndarray

    def covariance(self):
        """Covariance of the rows, shrunk a little towards its diagonal.

        The weights are those of Stan, ``n / (n + 5)`` and ``5 / (n + 5)``. Stan shrinks
        towards a multiple of the identity; towards the diagonal, the estimate goes
        along with a change of the coordinates' units.

        Returns
        -------
        ndarray of shape (d, d)
            The covariance, positive definite where no coordinate is constant.
        """
        n = self.n_rows
        covariance = self.scatter / max(1, n - 1)
        return (n * covariance + 5 * np.diag(np.diag(covariance))) / (n + 5)


def start_moments(n_features):
    """Start with no rows.

    Parameters
    ----------
    n_features : int
        Length of a row, d.

    Returns
    -------
    Moments
        Zeros.
    """
    return Moments(0, np.zeros(n_features), np.zeros((n_features, n_features)))


def add_rows(moments, rows):
    """Add rows to mean and scatter.

    Parameters
    ----------
    moments : Moments
        Rows so far.
    rows : ndarray of shape (n, d)
        Further rows.

    Returns
    -------
    Moments
        All of them, without the cancellation of sums of squares (Chan, Golub & LeVeque
        1983).
    """
    n_old, n_new = moments.n_rows, len(rows)
    rows = np.asarray(rows, np.float64)
    mean = rows.mean(axis=0)
    deviation = rows - mean
    n = n_old + n_new
    step = mean - moments.mean
    scatter = moments.scatter + deviation.T @ deviation
    scatter += n_old * n_new / n * np.outer(step, step)
    return Moments(n, moments.mean + n_new / n * step, scatter)


class Tuning(NamedTuple):
    """What a warm-up chooses.

    Attributes
    ----------
    step_size : float
        Length of a leapfrog step.
    metric : Metric
        Mass matrix.
    trajectory_length : float
        Mean length of a trajectory, step size times number of steps.
    """

    step_size: float
    metric: Metric
    trajectory_length: float


class Lane(NamedTuple):
    """Chains that move together, with random numbers of their own.

    Attributes
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    state : State
        Where the chains are.
    """

    rng: np.random.Generator
    state: State


def draw_num_steps(rng, tuning):
    """Draw the number of steps of the next trajectory.

    Where a trajectory's length is near a multiple of half a period of one of the
    target's directions, the chain returns to where it was, or to the mirror image, and
    does not mix however many transitions it makes: a resonance. A length that varies
    from one transition to the next has none. Varying the steps' number, not their size,
    leaves the acceptance rate alone.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    tuning : Tuning
        Step size and trajectory length.

    Returns
    -------
    int
        One or more, the trajectory length over the step size in the mean, uniform
        within 30 % of it.
    """
    mean = tuning.trajectory_length / tuning.step_size
    # adding a uniform number before rounding down rounds without bias
    n_steps = int(mean * rng.uniform(1 - _JITTER, 1 + _JITTER) + rng.uniform())
    return min(max(1, n_steps), _MAX_STEPS)


def trajectory_length(covariance, metric, earlier=None):
    """Choose how long trajectories should be: about a quarter of the slowest period.

    On a Gaussian target, a direction whose standard deviation is s, in the metric's
    units, oscillates with period ``2 pi s``; after a quarter of it nothing is left of
    where it started. The target's widest direction decides.

    Parameters
    ----------
    covariance : ndarray of shape (d, d)
        Covariance of the target.
    metric : Metric
        Mass matrix.
    earlier : ndarray of shape (d, d), optional
        Covariance from other rows, to find the widest direction by. The width of the
        direction that is widest in the very same rows is too large: where d is a tenth
        of the number of independent rows, by a third.

    Returns
    -------
    float
        The trajectory length, ``2 s``.
    """
    F = metric.momentum_factor
    F = np.diag(F) if F.ndim == 1 else F
    _, axes = np.linalg.eigh(F @ (covariance if earlier is None else earlier) @ F.T)
    widest = F.T @ axes[:, -1]
    return _SPAN * float(np.sqrt(widest @ covariance @ widest))


def reasonable_step_size(rng, state, target, step_size, metric, target_acceptance=0.8):
    """Double or halve a step size until one step's acceptance rate crosses the target.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    state : State
        Where the chains are.
    target : Target
        The density.
    step_size : float
        First guess.
    metric : Metric
        Mass matrix.
    target_acceptance : float, default=0.8
        The rate to cross.

    Returns
    -------
    float
        A step size within a factor of two of what gives that rate.

    Raises
    ------
    ValueError
        If no step size between 1e-12 and 1e12 does: the score is then not the
        gradient of the log-density, or that is flat.
    """

    def is_small(step_size):
        _, info = hmc_step(rng, state, target, step_size, 1, metric)
        return info.acceptance_rate.mean() > target_acceptance

    was_small = is_small(step_size)
    while 1e-12 < step_size < 1e12:
        step_size *= 2.0 if was_small else 0.5
        if is_small(step_size) != was_small:
            return step_size
    raise ValueError(
        f"No step size gives an acceptance rate of {target_acceptance}: check that "
        "score is the gradient of log_density, and that the density can be normalised."
    )


def warm_up(
    rng,
    lanes,
    target,
    n_transitions,
    metric="dense",
    *,
    target_acceptance=0.8,
    map=map,
):
    """Move chains towards the target's bulk while the sampler is tuned.

    A first tenth of the transitions adapts the step size alone, under the identity.
    Three windows follow, each about twice as long as the one before: at the end of a
    window its positions, of all chains, give the metric and the trajectory length.
    Early, poor positions are so forgotten. The rest adapts the step size again.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness for what the lanes share.
    lanes : list of Lane
        Chains.
    target : Target
        The density.
    n_transitions : int
        Transitions of each chain.
    metric : {"identity", "diag", "dense"} or Metric, default="dense"
        What mass matrix to estimate, or which to use.
    target_acceptance : float, default=0.8
        Mean acceptance rate to adapt the step size to.
    map : callable, optional
        Ordered map over the lanes.

    Returns
    -------
    lanes : list of Lane
        Where the chains are now.
    tuning : Tuning
        What to sample with.
    """
    d = lanes[0].state.position.shape[1]
    dtype = lanes[0].state.position.dtype
    kind, current = metric, identity_metric(d)
    if isinstance(metric, Metric):
        kind, current = "given", metric
    length, step_size = None, 1.0
    averaging = earlier = None
    for n_window, is_learning in _windows(n_transitions):
        if averaging is None:
            step_size = reasonable_step_size(
                rng, lanes[0].state, target, step_size, current, target_acceptance
            )
            averaging = start_dual_averaging(step_size)
        moments = start_moments(d)
        metric_cast = current.astype(dtype)
        for _ in range(n_window):
            step_size = float(np.exp(averaging.log_step_size))
            n_steps = draw_num_steps(
                rng, Tuning(step_size, current, length or _FIRST_STEPS * step_size)
            )

            def move(lane, step_size=step_size, n_steps=n_steps, metric=metric_cast):
                state, info = hmc_step(
                    lane.rng, lane.state, target, step_size, n_steps, metric
                )
                return Lane(lane.rng, state), info.acceptance_rate

            moved = list(map(move, lanes))
            lanes = [lane for lane, _ in moved]
            rate = np.concatenate([rate for _, rate in moved]).mean()
            averaging = update_dual_averaging(averaging, rate, target_acceptance)
            if is_learning:
                for lane in lanes:
                    moments = add_rows(moments, lane.state.position)
        step_size = float(np.exp(averaging.log_step_size_average))
        if is_learning:
            covariance = moments.covariance()
            # chains that have not moved yet say nothing of a width
            if np.all(np.diag(covariance) > 0):
                current = _estimate(kind, covariance, current)
                length = trajectory_length(covariance, current, earlier)
                averaging, earlier = None, covariance
    if length is None:
        length = _FIRST_STEPS * step_size
    return lanes, Tuning(step_size, current, length)


def _windows(n_transitions):
    """Lengths of the windows, and whether the metric is learned at their end."""
    ends = np.rint(n_transitions * np.array([0.1, 0.2, 0.45, 0.85, 1.0])).astype(int)
    lengths = np.diff(ends, prepend=0)
    learns = [False, True, True, True, False]
    return [(n, learn) for n, learn in zip(lengths, learns, strict=True) if n > 0]


def _estimate(kind, covariance, current):
    """The metric of some kind for a covariance."""
    if kind == "dense":
        return dense_metric(covariance)
    if kind == "diag":
        return diagonal_metric(np.diag(covariance))
    return current
