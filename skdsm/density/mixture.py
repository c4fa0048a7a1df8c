"""The models that are finite mixtures of Gaussians, exactly.

Where ``n_j = g_j / sigma^2`` is a whole number for every unit, the binomial theorem
applied to ``prod_j (1 + exp(u_j))^n_j`` makes ``exp(-E)`` a sum over counts
``k in prod_j {0, ..., n_j}`` of Gaussians of covariance ``sigma^2 I`` and mean
``c + sigma^2 W'k``. Sums over them give the log-partition function, moments and
independent draws. Units of negative gain are not of this kind: flipping a unit's sign,
``(W_j, b_j, c) -> (-W_j, -b_j, c + g_j W_j)``, keeps the sign of its gain.

The units are split into two groups, left and right. The log-weight of a component is
then a term of its left counts, plus a term of its right counts, plus an interaction,
which is one matrix product: counts and means are never written down per component.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import gammaln, logsumexp

from skdsm.model.energy import EnergyModel

__all__ = [
    "MAX_COMPONENTS",
    "Mixture",
    "exact_mixture",
    "is_enumerable",
    "mixture_log_partition",
    "unit_counts",
]

MAX_COMPONENTS = 2**20  # their weights take 8 MiB
_WEIGHTS_BLOCK = 2**18  # log-weights at a time


class Mixture(NamedTuple):
    """The density of a model as a mixture of Gaussians of covariance sigma^2 I.

    Component (i, j), of log-probability ``log_weights[i, j]``, takes the counts
    ``counts[0][i]`` of the units on the left, ``units[0]``, and ``counts[1][j]`` of
    those on the right, ``units[1]``; units without gain are on neither side.
    `log_partition` is log Z, the log-integral of ``exp(-model.energy(x))``.
    """

    model: EnergyModel
    units: tuple
    counts: tuple
    log_weights: np.ndarray
    log_partition: float

    def component_means(self, left, right):
        """Evaluate ``c + sigma^2 W'k`` of components (left[i], right[i]): (n, d)."""
        W, _, c, _ = self.model.parameters
        shift = sum(
            counts[index] @ W[units]
            for units, counts, index in zip(
                self.units, self.counts, (left, right), strict=True
            )
        )
        return c + self.model.sigma**2 * shift

    def mean(self):
        """Evaluate the mean of the density, ``c + sigma^2 W'E[k]``."""
        W, _, c, _ = self.model.parameters
        expected, _ = self._count_moments()
        return c + self.model.sigma**2 * (expected @ W[np.concatenate(self.units)])

    def covariance(self):
        """Evaluate its covariance, ``sigma^2 I + sigma^4 W'Cov[k] W``."""
        W = self.model.parameters.components[np.concatenate(self.units)]
        _, covariance = self._count_moments()
        variance = self.model.sigma**2
        return variance * np.eye(W.shape[1]) + variance**2 * (W.T @ covariance @ W)

    def _count_moments(self):
        """Evaluate E[k] and Cov[k], units on the left before those on the right."""
        weights = np.exp(self.log_weights)
        marginals = weights.sum(axis=1), weights.sum(axis=0)
        means = [p @ k for p, k in zip(marginals, self.counts, strict=True)]
        # deviations from the mean first: squares of large counts would cancel
        left, right = (k - e for k, e in zip(self.counts, means, strict=True))
        cross = left.T @ weights @ right
        covariance = np.block(
            [
                [left.T @ (marginals[0][:, None] * left), cross],
                [cross.T, right.T @ (marginals[1][:, None] * right)],
            ]
        )
        return np.concatenate(means), covariance

    def sample(self, rng, n_samples):
        """Draw independent rows, of shape (n_samples, d)."""
        weights = np.exp(self.log_weights).ravel()
        flat = rng.choice(len(weights), size=n_samples, p=weights / weights.sum())
        means = self.component_means(*np.unravel_index(flat, self.log_weights.shape))
        return means + self.model.sigma * rng.standard_normal(means.shape)


def unit_counts(model):
    """Find the greatest count ``n_j = g_j / sigma^2`` of each unit, of shape (m,)."""
    ratios = model.parameters.gains / model.sigma**2
    counts = np.rint(ratios)
    # sigma ** 2 and the quotient are rounded: 1 / 0.1 ** 2 is 99.99999999999999
    whole = np.abs(ratios - counts) <= 1e-14 * np.maximum(1, np.abs(ratios))
    if not (whole.all() and (counts >= 0).all()):
        raise ValueError(
            "The model is a finite mixture of Gaussians only where each gain is a "
            "whole multiple, zero or more, of sigma squared."
        )
    return counts.astype(np.int64)


def is_enumerable(model):
    """Tell whether a model is a mixture of at most `MAX_COMPONENTS` Gaussians."""
    try:
        counts = unit_counts(model)
    except ValueError:
        return False
    return bool(np.log1p(counts).sum() <= np.log(MAX_COMPONENTS) + 1e-9)


def mixture_log_partition(model):
    """Evaluate log Z of such a mixture, without keeping the weights."""
    _, _, blocks = _enumerate(model)
    return _log_normaliser(model) + float(
        logsumexp([logsumexp(block) for block in blocks])
    )


def exact_mixture(model):
    """Write a model as the mixture of Gaussians that it is."""
    units, counts, blocks = _enumerate(model)
    log_weights = np.concatenate(list(blocks))
    total = logsumexp(log_weights)
    log_weights -= total
    return Mixture(
        model, units, counts, log_weights, _log_normaliser(model) + float(total)
    )


def _log_normaliser(model):
    """Evaluate ``(d / 2) log(2 pi sigma^2)``, which every component shares."""
    d = model.parameters.components.shape[1]
    return 0.5 * d * np.log(2 * np.pi * model.sigma**2)


def _enumerate(model):
    """Find units and counts of the two sides, and yield blocks of log-weights.

    In the frame centred at c, with ``a = b + W c`` and ``s = sigma W'k``, a component's
    log-weight is ``sum_j [log binomial(n_j, k_j) + k_j a_j] + |s|^2 / 2``; |s|^2 is a
    sum over pairs of units, within a side or across.
    """
    limits = unit_counts(model)
    if not is_enumerable(model):
        raise ValueError(
            f"The mixture has exp({np.log1p(limits).sum():.1f}) components, more than "
            f"{MAX_COMPONENTS}."
        )
    units = _two_sides(limits)
    W, b, c, _ = model.parameters
    counts, log_weights = [], []
    for side in units:
        n, A = limits[side], model.sigma * W[side]
        K = int(np.prod(n + 1))
        k = np.indices(tuple(n + 1)).reshape(len(n), K).T.astype(float)
        log_binomial = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
        counts.append(k)
        log_weights.append(
            log_binomial.sum(axis=1)
            + k @ (b + W @ c)[side]
            + 0.5 * np.einsum("ij,ij->i", k @ (A @ A.T), k)
        )
    interaction = counts[0] @ (model.sigma**2 * W[units[0]] @ W[units[1]].T)

    def blocks():
        step = max(1, _WEIGHTS_BLOCK // len(log_weights[1]))
        for start in range(0, len(log_weights[0]), step):
            rows = slice(start, start + step)
            block = interaction[rows] @ counts[1].T
            block += log_weights[0][rows, None]
            block += log_weights[1]
            yield block

    return units, tuple(counts), blocks()


def _two_sides(limits):
    """Split the units so that each side has few combinations of counts."""
    units = np.flatnonzero(limits)
    log_products = np.log1p(limits[units]).cumsum()
    total = log_products[-1] if len(units) else 0.0
    ends = np.concatenate([[0.0], log_products])
    split = int(np.argmin(np.maximum(ends, total - ends)))
    return units[:split], units[split:]
