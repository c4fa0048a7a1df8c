"""Annealed importance sampling: from a Gaussian, by many small steps, to a density.

A chain starts at the Gaussian end of a path and takes one step of Hamiltonian Monte
Carlo at each level of a ladder of betas; its log-weight adds up
``(beta_t - beta_{t-1}) (log p - log N)(z_{t-1})``. The mean weight is an unbiased
estimate of the integral of p, at any ladder and any step sizes that are fixed before
the chains start [1]_. A pilot run, with other chains, chooses them.

Chains may be grouped in islands, within which they are resampled when few of them
carry the weight (sequential Monte Carlo [2]_): the mean weight of an island is unbiased
still, and islands are independent. An island of one chain is plain annealed importance
sampling.

References
----------
.. [1] R. M. Neal, "Annealed importance sampling", Statistics and Computing 11, 2001.
.. [2] P. Del Moral, A. Doucet, A. Jasra, "Sequential Monte Carlo samplers", Journal of
   the Royal Statistical Society B 68(3), 2006.
"""

import numpy as np

from skdsm._blocks import row_blocks
from skdsm.density.resampling import (
    log_effective_size,
    log_mean_exp,
    systematic_resampling,
)
from skdsm.mcmc.hmc import State

__all__ = ["anneal"]

# Chains that run together. A model's hidden units for more do not stay in cache, and
# for fewer, calling NumPy's functions takes longer than what they then do.
_CHAINS_PER_BATCH = 1024


def anneal(rng, path, ladder, n_islands, island_size=1, *, map=map):
    """Anneal chains; return their log-weights, of shape (n_islands, island_size).

    The mean of their exponentials is an unbiased estimate of the integral of p, if the
    ladder was chosen without a look at these chains. `map` is an ordered map over
    independent pieces of work.
    """
    batches = row_blocks(n_islands, max(1, _CHAINS_PER_BATCH // island_size))
    sizes = [batch.stop - batch.start for batch in batches]

    def run(batch):
        rng, n_islands = batch
        return _anneal_batch(rng, path, ladder, n_islands, island_size)

    return np.concatenate(
        list(map(run, zip(rng.spawn(len(sizes)), sizes, strict=True)))
    )


def _anneal_batch(rng, path, ladder, n_islands, island_size):
    state = path.draw(rng, n_islands * island_size)
    log_weights = np.zeros((n_islands, island_size))
    for level, increment in enumerate(np.diff(ladder.betas), start=1):
        log_weights += increment * path.log_ratio(state).reshape(log_weights.shape)
        if island_size > 1:
            log_weights, chosen = _resample_islands(rng, log_weights)
            state = State(*(array[chosen] for array in state))
        state, _ = ladder.move(rng, path, state, level)
    return log_weights


def _resample_islands(rng, log_weights):
    """Resample the islands that are worth less than half of their chains.

    Returns the new weights, and which particles take the places of all.
    """
    n_islands, size = log_weights.shape
    index = np.arange(n_islands * size).reshape(n_islands, size)
    log_weights = log_weights.copy()
    for island in np.flatnonzero(log_effective_size(log_weights) < np.log(0.5 * size)):
        index[island] = index[island, systematic_resampling(rng, log_weights[island])]
        log_weights[island] = log_mean_exp(log_weights[island])
    return log_weights, index.ravel()
