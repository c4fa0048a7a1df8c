"""Whether chains have mixed, by ArviZ."""

from typing import NamedTuple

import numpy as np

__all__ = ["Convergence", "convergence"]


class Convergence(NamedTuple):
    """Diagnostics of each coordinate.

    Attributes
    ----------
    rhat : ndarray of shape (d,)
        Rank-normalised split R-hat: chains that agree have less than 1.01.
    ess_bulk : ndarray of shape (d,)
        Effective sample size for the centre of the distribution.
    ess_tail : ndarray of shape (d,)
        Effective sample size for its 5 % and 95 % quantiles.
    """

    rhat: np.ndarray
    ess_bulk: np.ndarray
    ess_tail: np.ndarray


def convergence(positions):
    """Compute split R-hat and effective sample sizes by ArviZ.

    Parameters
    ----------
    positions : ndarray of shape (n_chains, n_draws, d)
        Draws.

    Returns
    -------
    Convergence
        Diagnostics of each coordinate.

    Raises
    ------
    ImportError
        If arviz-stats is not installed.

    References
    ----------
    .. [1] A. Vehtari, A. Gelman, D. Simpson, B. Carpenter, P.-C. Buerkner,
       "Rank-normalization, folding, and localization: an improved R-hat", Bayesian
       Analysis 16(2), 2021.
    """
    try:
        from arviz_stats.base import array_stats
    except ImportError as error:
        raise ImportError(
            "Diagnostics of convergence need ArviZ: pip install arviz-stats"
        ) from error
    positions = np.asarray(positions, np.float64)
    axes = {"chain_axis": 0, "draw_axis": 1}
    return Convergence(
        array_stats.rhat(positions, **axes),
        array_stats.ess(positions, **axes),
        array_stats.ess(positions, **axes, method="tail", prob=(0.05, 0.95)),
    )
