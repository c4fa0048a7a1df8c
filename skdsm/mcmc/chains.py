"""Many chains of Hamiltonian Monte Carlo from start to draws, and their diagnostics."""

from typing import NamedTuple

import numpy as np

from skdsm._blocks import block_map
from skdsm.mcmc.adaptation import Lane, Tuning, draw_num_steps, warm_up
from skdsm.mcmc.hmc import State, hmc_step, initial_state
from skdsm.mcmc.mass_matrix import Metric

__all__ = ["Chains", "sample_chains", "to_arviz"]

# A model's hidden units for so many chains stay in cache. More chains gain nothing:
# what NumPy takes to call a function is little already against what it then takes.
_LANE_CHAINS = 256


class Chains(NamedTuple):
    """Draws, and what happened on the way to them.

    Where draws are thinned, the statistics are those of the transitions that led to
    the draws kept, but `n_divergent` counts all transitions after warm-up.

    Attributes
    ----------
    positions : ndarray of shape (n_chains, n_draws, d)
        The draws.
    log_density : ndarray of shape (n_chains, n_draws)
        Log-density of the target at the draws.
    energy : ndarray of shape (n_chains, n_draws)
        Total energy, kinetic and potential.
    acceptance_rate : ndarray of shape (n_chains, n_draws)
        Probability of accepting the proposal.
    is_divergent : ndarray of shape (n_chains, n_draws), bool
        Whether a transition since the last draw diverged.
    num_integration_steps : ndarray of shape (n_chains, n_draws), int
        Leapfrog steps since the last draw.
    n_divergent : ndarray of shape (n_chains,), int
        Transitions that diverged.
    tuning : Tuning
        Step size, metric and trajectory length in use.
    """

    positions: np.ndarray
    log_density: np.ndarray
    energy: np.ndarray
    acceptance_rate: np.ndarray
    is_divergent: np.ndarray
    num_integration_steps: np.ndarray
    n_divergent: np.ndarray
    tuning: Tuning


def sample_chains(
    rng,
    target,
    initial_position,
    n_draws,
    *,
    n_warmup=300,
    metric="dense",
    target_acceptance=0.8,
    thin=1,
    tuning=None,
    n_threads=1,
):
    """Sample a density by many chains of Hamiltonian Monte Carlo.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness. The draws do not depend on `n_threads`.
    target : Target
        The density. With several threads its functions are called by them all.
    initial_position : array-like of shape (n_chains, d)
        Where the chains start: well apart, or R-hat cannot tell whether they forgot
        it. A float32 array makes float32 chains.
    n_draws : int
        Draws to keep of each chain.
    n_warmup : int, default=300
        Transitions before the first draw. They tune the sampler, unless `tuning` is
        given.
    metric : {"identity", "diag", "dense"} or Metric, default="dense"
        Mass matrix: of which kind to estimate it, or itself.
    target_acceptance : float, default=0.8
        Acceptance rate that the step size is adapted to.
    thin : int, default=1
        Keep each `thin`-th position.
    tuning : Tuning, optional
        Step size, metric and trajectory length to use, instead of tuning.
    n_threads : int, default=1
        Threads to spread the chains over, at most one for 256 chains.

    Returns
    -------
    Chains
        The draws.

    Raises
    ------
    ValueError
        If a parameter is out of range, or the target cannot be evaluated at the
        initial positions.
    """
    _check(n_draws, n_warmup, metric, target_acceptance, thin, tuning, n_threads)
    state = initial_state(target, initial_position)
    lanes = _split(rng, state)
    with block_map(n_threads) as lane_map:
        if tuning is None:
            lanes, tuning = warm_up(
                rng,
                lanes,
                target,
                n_warmup,
                metric,
                target_acceptance=target_acceptance,
                map=lane_map,
            )
            n_warmup = 0

        draws = _empty_chains(n_draws, *state.position.shape, state.position.dtype)
        starts = np.cumsum([0, *(len(lane.state.position) for lane in lanes)])

        def run(lane, start):
            part = slice(start, start + len(lane.state.position))
            views = [
                array[..., part, :] if array.ndim == 3 else array[..., part]
                for array in draws
            ]
            _run(lane, target, tuning, n_warmup, thin, *views)

        list(lane_map(run, lanes, starts[:-1]))
    *by_draw, n_divergent = draws
    return Chains(*(x.swapaxes(0, 1) for x in by_draw), n_divergent, tuning)


def _check(n_draws, n_warmup, metric, target_acceptance, thin, tuning, n_threads):
    """Refuse what makes no sense, before any work is done."""
    lowest = {"n_draws": 1, "n_warmup": 0, "thin": 1, "n_threads": 1}
    values = n_draws, n_warmup, thin, n_threads
    for (name, low), value in zip(lowest.items(), values, strict=True):
        is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if not is_whole or value < low:
            raise ValueError(
                f"{name} must be an integer, {low} or more, got {value!r}."
            )
    if not isinstance(metric, Metric) and metric not in ("identity", "diag", "dense"):
        raise ValueError(
            f"metric must be 'identity', 'diag', 'dense' or a Metric, got {metric!r}."
        )
    if not 0 < target_acceptance < 1:
        raise ValueError(
            f"target_acceptance must lie between 0 and 1, got {target_acceptance!r}."
        )
    if n_warmup == 0 and tuning is None:
        raise ValueError("Without warm-up, that is n_warmup=0, pass a tuning.")


def _split(rng, state):
    """Deal chains out to lanes: how, must not depend on the number of threads."""
    n_chains = len(state.position)
    n_lanes = -(-n_chains // _LANE_CHAINS)
    seeds = rng.integers(2**63, size=(n_lanes, 4))
    return [
        Lane(
            # of NumPy's generators the fastest at normal deviates
            np.random.Generator(np.random.SFC64(seed.tolist())),
            State(*(np.ascontiguousarray(part) for part in parts)),
        )
        for seed, *parts in zip(
            seeds, *(np.array_split(part, n_lanes) for part in state), strict=True
        )
    ]


def _empty_chains(n_draws, n_chains, d, dtype):
    """Memory for the arrays of `Chains`, draws first: a draw's chains lie together."""
    shape = n_draws, n_chains
    return [
        np.empty((*shape, d), dtype),
        *np.empty((3, *shape)),
        np.zeros(shape, bool),
        np.zeros(shape, int),
        np.zeros(n_chains, int),
    ]


def _run(lane, target, tuning, n_warmup, thin, positions, *statistics):
    """Fill a lane's part of the arrays of `Chains`."""
    rng, state = lane
    log_density, energy, rate, is_divergent, n_steps, n_divergent = statistics
    metric = tuning.metric.astype(state.position.dtype)

    def move(state):
        n_steps = draw_num_steps(rng, tuning)
        return hmc_step(rng, state, target, tuning.step_size, n_steps, metric)

    for _ in range(n_warmup):
        state, _ = move(state)
    for i in range(len(positions)):
        for _ in range(thin):
            state, info = move(state)
            is_divergent[i] |= info.is_divergent
            n_steps[i] += info.num_integration_steps
            n_divergent += info.is_divergent
        positions[i], log_density[i] = state.position, state.log_density
        energy[i], rate[i] = info.energy, info.acceptance_rate


def to_arviz(chains):
    """Arrange draws and statistics as ArviZ names them.

    Parameters
    ----------
    chains : Chains
        The draws.

    Returns
    -------
    dict
        Groups "posterior" and "sample_stats", of arrays whose first axes are chains
        and draws, as ``arviz_base.from_dict`` takes them.
    """
    return {
        "posterior": {"x": chains.positions},
        "sample_stats": {
            "acceptance_rate": chains.acceptance_rate,
            "diverging": chains.is_divergent,
            "energy": chains.energy,
            "lp": chains.log_density,
            "n_steps": chains.num_integration_steps,
            "step_size": np.full(chains.energy.shape, chains.tuning.step_size),
        },
    }
