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
from skdsm.rows.in_file import rows_in_place
from skdsm.training.empirical_risk import EmpiricalRisk
from skdsm.training.protocols import Risk

__all__ = ["DaskRisk", "add_parts", "evaluate_block"]

_FAN_IN = 16  # parts that are added in one task
# Noise is drawn anew at each evaluation, and kept by nobody. At one normal number for
# so many elements of corrupted rows, that takes a few per cent of the time.
_NOISE_REUSE = 8
_LARGEST_BANK = 2**22


class DaskRisk(Risk):
    """Sum over the blocks of `DaskRows`; each appends its number to the seed."""

    def __init__(self, rows, settings, seed, map=map):
        self._rows, self._settings, self._seed, self._map = rows, settings, seed, map
        self._tasks = [
            task(
                evaluate_block,
                settings=settings,
                mean=rows.mean,
                unit=rows.unit,
                dtype=rows.dtype,
                order_seed=block.seed,
                n_rows=round(rows.share * block.n_rows),
                seed=(*seed, index),
            )
            for index, block in enumerate(rows.blocks)
        ]

    def __call__(self, parameters):
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
        """Corrupt a sample in the client: not the noise of the blocks."""
        rows = self._rows.sample(n_rows)
        return rows.risk(self._settings, self._seed, map=self._map).sample(n_rows)


# --- Tasks ---


def evaluate_block(
    X, weight, packed, *, settings, mean, unit, dtype, order_seed, n_rows, seed
):
    """Sum the loss and its gradient over the corrupted rows of a block.

    Takes about `n_rows` of the rows, and parameters (m * d + m + d + m,) in the frame
    of the centred rows. Returns the rows' weight, then that times the mean loss and
    times its gradient, in one vector.
    """
    rows = rows_in_place(X, weight, mean, order_seed).scaled(unit, dtype)
    if n_rows < len(X):
        rows = rows.in_place(n_rows)
    if not len(rows.order):  # weights far below the weights of other blocks
        return np.zeros(2 + len(packed))
    parameters = Parameters.unpack(packed, settings.n_components, X.shape[1])
    n_noisy = settings.n_corruptions * min(n_rows, len(X)) * X.shape[1]
    bank_elements = min(_LARGEST_BANK, n_noisy // _NOISE_REUSE)
    with single_threaded_blas(), np.errstate(over="ignore", invalid="ignore"):
        risk = EmpiricalRisk(rows, settings, seed, bank_elements=bank_elements)
        value, gradient = risk(parameters)
        return risk.total * np.concatenate([[1.0, value], gradient.pack()])


def add_parts(parts):
    """Add arrays of one shape in the order of the list."""
    total = parts[0].copy()
    for part in parts[1:]:
        total += part
    return total
