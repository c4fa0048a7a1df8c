"""The empirical risk of a stage of training: one frozen draw of noise on many rows."""

from typing import NamedTuple

import numpy as np

from skdsm.corruption import corrupt
from skdsm.energy import Parameters
from skdsm.objectives import residual_loss
from skdsm.rows import row_blocks

__all__ = ["Chunk", "EmpiricalRisk", "draw_risk"]

_CHUNK_ELEMENTS = 2**17  # of the widest scratch array of a chunk: it stays in cache
_LANES = 8  # partial sums of the gradient; fixed, so that threads cannot reorder them


class Chunk(NamedTuple):
    """Corrupted rows and what the objective compares them with.

    Attributes
    ----------
    X_noisy : ndarray of shape (n_samples, d)
        Corrupted rows.
    target : ndarray of shape (n_samples, d)
        What their reconstruction is compared with.
    trace_weight : ndarray of shape (n_samples,) or None
        Weight of the Jacobian's trace.
    share : ndarray of shape (n_samples,)
        Sample weights; they add up to one over all chunks.
    """

    X_noisy: np.ndarray
    target: np.ndarray
    trace_weight: np.ndarray | None
    share: np.ndarray


class EmpiricalRisk(NamedTuple):
    """Mean denoising loss over chunks of corrupted rows, plus the penalty on W.

    Attributes
    ----------
    chunks : list of Chunk
        Corrupted rows.
    constant : float
        Added to the value.
    alpha : float
        Strength of the penalty ``alpha * |W|^2 / 2``.
    """

    chunks: list
    constant: float
    alpha: float

    def __call__(self, parameters, map=map):
        """Evaluate the risk and its gradient.

        Parameters
        ----------
        parameters : Parameters
            W, b, c and g in double precision; the arithmetic is that of the rows.
        map : callable, optional
            Ordered map over independent pieces of work.

        Returns
        -------
        value : float
            Mean of ``|r(x~) - x|^2 / 2`` (or its implicit form), plus the penalty.
        gradient : Parameters
            Its derivatives, in double precision.
        """
        dtype = self.chunks[0].X_noisy.dtype
        cast = Parameters(*(block.astype(dtype) for block in parameters))

        def partial_sum(chunks):
            total, gradient = 0.0, None
            for chunk in chunks:
                value, part = residual_loss(cast, *chunk)
                total += value
                if gradient is None:
                    gradient = [block.astype(np.float64) for block in part]
                else:
                    for block, more in zip(gradient, part, strict=True):
                        block += more
            return total, gradient

        per_lane = -(-len(self.chunks) // _LANES)
        lanes = [self.chunks[rows] for rows in row_blocks(len(self.chunks), per_lane)]
        (value, gradient), *rest = map(partial_sum, lanes)
        for more, part in rest:
            value += more
            for block, addend in zip(gradient, part, strict=True):
                block += addend
        W = parameters.components
        gradient[0] += self.alpha * W
        value += self.constant + 0.5 * self.alpha * np.vdot(W, W)
        return float(value), Parameters(*gradient)

    def sample(self, n_rows):
        """First corrupted rows, in double precision.

        Parameters
        ----------
        n_rows : int
            How many, at least, if there are that many.

        Returns
        -------
        X_noisy : ndarray of shape (n_sampled, d)
            Corrupted rows.
        share : ndarray of shape (n_sampled,)
            Their weights.
        """
        chunks = self.chunks[: -(-n_rows // len(self.chunks[0].X_noisy))]
        return (
            np.concatenate([chunk.X_noisy for chunk in chunks], dtype=np.float64),
            np.concatenate([chunk.share for chunk in chunks], dtype=np.float64),
        )


def draw_risk(
    X, sample_weight, levels, seed, *, objective, n_corruptions, n_components, alpha
):
    """Corrupt rows and set up the risk on them.

    Parameters
    ----------
    X : ndarray of shape (n_samples, d)
        Clean rows, centred.
    sample_weight : ndarray of shape (n_samples,)
        Weights.
    levels : NoiseLevels
        Noise levels.
    seed : tuple of int
        Names the draw.
    objective : {"dsm", "ism"}
        Compare with the clean row, or use the implicit form, which has the same
        expectation.
    n_corruptions : int
        Corrupted copies of each row.
    n_components : int
        Number of hidden units; with d it sets the size of the chunks.
    alpha : float
        Strength of the penalty on W.

    Returns
    -------
    EmpiricalRisk
        The risk under this draw.
    """
    n, d = X.shape
    n_rows = max(64, _CHUNK_ELEMENTS // max(n_components, d))
    total = n_corruptions * sample_weight.sum()
    chunks, trace = [], 0.0
    for index, rows in enumerate(row_blocks(n, max(1, n_rows // n_corruptions))):
        copies = [
            corrupt(X[rows], levels, (*seed, index), copy, n_corruptions)
            for copy in range(n_corruptions)
        ]
        X_noisy = np.concatenate([noisy for noisy, _ in copies])
        variance = np.concatenate([level for _, level in copies]) ** 2
        share = np.tile(sample_weight[rows], n_corruptions) / total
        if objective == "ism":
            target, trace_weight = X_noisy, variance.astype(X.dtype)
            trace -= 0.5 * d * (share @ variance)
        else:
            target, trace_weight = np.tile(X[rows], (n_corruptions, 1)), None
        chunks.append(Chunk(X_noisy, target, trace_weight, share.astype(X.dtype)))
    return EmpiricalRisk(chunks, float(trace), alpha)
