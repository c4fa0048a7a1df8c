"""The risk of rows in blocks, as a sum over the blocks.

The risk of all rows is the mean, by weight, of the risks of the blocks. A task gets a
block, the packed parameters and the name of the block's noise, and returns weight, loss
and gradient. Blocks are summed in the order of their numbers. A worker keeps nothing
of a fit but the rows: which one does a task, and whether another did it before, changes
no bit.
"""

import numpy as np

from skdsm._blocks import single_threaded_blas
from skdsm.model.parameters import Parameters
from skdsm.rows.dask_blocks import compute, literal, task
from skdsm.rows.in_file import leave_rows
from skdsm.rows.in_memory import TrainingRows
from skdsm.training.empirical_risk import EmpiricalRisk

__all__ = ["DistributedRisk", "distributed_risk"]

_FAN_IN = 16  # parts that are added in one task
# Noise is drawn anew at each evaluation, and kept by nobody. At one normal number for
# so many elements of corrupted rows, that takes a few per cent of the time.
_NOISE_REUSE = 8
_LARGEST_BANK = 2**22


class DistributedRisk:
    """Mean denoising loss over the corrupted rows of all blocks, plus the penalty.

    Parameters
    ----------
    rows : DistributedRows
        Clean rows.
    settings : Settings
        Noise levels, number of corruptions, objective, penalty.
    seed : tuple of int
        Names the draw of noise; each block appends its number.
    map : callable, optional
        Ordered map over independent pieces of work, for samples.
    """

    def __init__(self, rows, settings, seed, map=map):
        self._rows, self._settings, self._seed, self._map = rows, settings, seed, map
        self._tasks = [
            task(
                evaluate_block,
                settings=settings,
                mean=rows.mean,
                dtype=rows.dtype,
                order_seed=block.seed,
                n_rows=round(rows.share * block.n_rows),
                seed=(*seed, index),
            )
            for index, block in enumerate(rows.blocks)
        ]

    def __call__(self, parameters):
        """Evaluate the risk and its gradient.

        Parameters
        ----------
        parameters : Parameters
            W, b, c and g in double precision; the arithmetic is that of the rows.

        Returns
        -------
        value : float
            Mean of ``|r(x~) - x|^2 / 2`` (or its implicit form), plus the penalty.
        gradient : Parameters
            Its derivatives, in double precision.
        """
        packed = literal(parameters.pack())
        parts = [
            evaluate(block.X, block.weight, packed)
            for evaluate, block in zip(self._tasks, self._rows.blocks, strict=True)
        ]
        while len(parts) > _FAN_IN:
            starts = range(0, len(parts), _FAN_IN)
            parts = [task(add_parts)(parts[i : i + _FAN_IN]) for i in starts]
        total, value, *gradient = add_parts(compute(parts))
        shape = parameters.components.shape
        return value / total, Parameters.unpack(np.array(gradient) / total, *shape)

    def sample(self, n_rows):
        """Corrupt some rows, in double precision.

        Parameters
        ----------
        n_rows : int
            How many, at least, if there are that many.

        Returns
        -------
        X_noisy : ndarray of shape (n_sampled, d)
            Corrupted rows.
        weight : ndarray of shape (n_sampled,)
            Their weights.
        """
        rows = self._rows.sample(n_rows)
        risk = EmpiricalRisk(rows, self._settings, self._seed, map=self._map)
        return risk.sample(n_rows)


def distributed_risk(rows, settings, seed, map=map):
    """Make the risk of rows where these are.

    Parameters
    ----------
    rows : TrainingRows or DistributedRows
        Clean rows.
    settings : Settings
        Noise levels, number of corruptions, objective, penalty.
    seed : tuple of int
        Names the draw of noise.
    map : callable, optional
        Ordered map over independent pieces of work in the client.

    Returns
    -------
    EmpiricalRisk or DistributedRisk
        The risk.
    """
    risk = EmpiricalRisk if isinstance(rows, TrainingRows) else DistributedRisk
    return risk(rows, settings, seed, map=map)


# --- Tasks ---


def evaluate_block(
    X, weight, packed, *, settings, mean, dtype, order_seed, n_rows, seed
):
    """Sum the loss and its gradient over the corrupted rows of a block.

    Parameters
    ----------
    X : ndarray of shape (n_samples, d)
        Rows.
    weight : ndarray of shape (n_samples,) or None
        Their weights.
    packed : ndarray of shape (m * d + m + d + m,)
        Parameters in the frame of the centred rows.
    settings : Settings
        Noise levels, number of corruptions, objective, penalty.
    mean : ndarray of shape (d,)
        What to subtract from the rows.
    dtype : dtype
        Type of the arithmetic.
    order_seed : int
        Of the order of the rows.
    n_rows : int
        Rows to take of the block, about.
    seed : tuple of int
        Names the draw of noise.

    Returns
    -------
    ndarray of shape (2 + m * d + m + d + m,)
        The rows' weight, and that times the mean loss and times its gradient.
    """
    rows = leave_rows(X, weight, mean, order_seed).rounded(dtype)
    if n_rows < len(X):
        rows = rows.whole_blocks(n_rows)
    if not len(rows.order):  # weights that are nothing beside those of other blocks
        return np.zeros(2 + len(packed))
    parameters = Parameters.unpack(packed, settings.n_components, X.shape[1])
    n_noisy = settings.n_corruptions * min(n_rows, len(X)) * X.shape[1]
    bank_elements = min(_LARGEST_BANK, n_noisy // _NOISE_REUSE)
    with single_threaded_blas(), np.errstate(over="ignore", invalid="ignore"):
        risk = EmpiricalRisk(rows, settings, seed, bank_elements=bank_elements)
        value, gradient = risk(parameters)
        return risk.total * np.concatenate([[1.0, value], gradient.pack()])


def add_parts(parts):
    """Add arrays in the order of the list.

    Parameters
    ----------
    parts : list of ndarray
        Arrays of one shape.

    Returns
    -------
    ndarray
        Their sum.
    """
    total = parts[0].copy()
    for part in parts[1:]:
        total += part
    return total
