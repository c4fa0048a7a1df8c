"""Whether chains have mixed, by ArviZ (Vehtari et al., Bayesian Analysis 16, 2021)."""

from typing import NamedTuple

import numpy as np

__all__ = ["Convergence", "convergence"]


class Convergence(NamedTuple):
    """Rank-normalised split R-hat and bulk effective sample size, of shape (d,)."""

    rhat: np.ndarray
    ess: np.ndarray


def convergence(positions):
    """Diagnose each coordinate of chains of shape (n_chains, n_draws, d)."""
    try:
        from arviz_stats.base import array_stats
    except ImportError as error:
        raise ImportError(
            "Diagnostics of convergence need ArviZ: pip install arviz-stats"
        ) from error
    axes = {"chain_axis": 0, "draw_axis": 1}
    with np.errstate(invalid="ignore"):  # of chains that do not move, both are NaN
        return Convergence(
            array_stats.rhat(positions, **axes), array_stats.ess(positions, **axes)
        )
