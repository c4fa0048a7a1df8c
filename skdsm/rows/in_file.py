"""Training rows left where they are, on disk, and read block by block."""

from dataclasses import dataclass, field, replace

import numpy as np

from skdsm._blocks import row_blocks
from skdsm.rows.base import (
    ReadableRows,
    SampledRows,
    check_reach,
    contained_rows,
    mean_and_reach,
    scale_weights,
    share_left_out,
)
from skdsm.rows.in_memory import InMemoryRows

__all__ = ["FileRows", "map_rows", "rows_in_place"]

_BLOCK_ROWS = 4096


@dataclass(frozen=True, eq=False)
class FileRows(SampledRows, ReadableRows):
    """Rows (n, d) as they were given, in blocks of random order.

    `order` has the numbers of the blocks in use, in the order to read them. Samples are
    drawn by `seed`. Rows are rounded to `dtype` after the mean is subtracted.
    """

    order: np.ndarray
    seed: int
    dtype: np.dtype
    unit: float = 1.0
    drawn: list = field(default_factory=list, repr=False)

    def scaled(self, unit, dtype):
        return replace(self, dtype=np.dtype(dtype), unit=unit * self.unit)

    @property
    def n_distinct(self):
        blocks = self.blocks(_BLOCK_ROWS)
        if self.weight is None:
            return sum(block.stop - block.start for block in blocks)
        return sum(np.count_nonzero(self.weight[block]) for block in blocks)

    def in_place(self, n_rows):
        # whole blocks, the first ones
        return replace(self, order=self.order[: max(1, n_rows // _BLOCK_ROWS)])

    def draw(self, n_rows):
        candidates = n_candidates = self.n_rows
        if self.weight is not None:
            candidates = np.flatnonzero(self.weight)
            n_candidates = len(candidates)
        n_rows = min(n_rows, n_candidates)
        rng = np.random.default_rng((self.seed, n_rows))
        index = np.sort(rng.choice(candidates, n_rows, replace=False))
        index = index[rng.permutation(n_rows)]
        weight = None if self.weight is None else self.weight[index]
        X = self._X[index]
        np.subtract(X, self.mean, out=X, casting="same_kind")
        return InMemoryRows(X, weight, self.mean)

    def blocks(self, size):
        return [
            slice(start + rows.start, start + rows.stop)
            for start in self.order * _BLOCK_ROWS
            for rows in row_blocks(min(_BLOCK_ROWS, self.n_rows - start), size)
        ]

    def centred(self, rows=slice(None)):
        given = self._X[rows]
        X = np.empty(given.shape, self.dtype)
        if self.unit == 1:
            return np.subtract(given, self.mean, out=X, casting="same_kind")
        return np.divide(given - self.mean, self.unit, out=X, casting="same_kind")

    def original(self, rows):
        return np.array(self._X[rows])

    def within(self, reach, map=map):
        blocks = self.blocks(_BLOCK_ROWS)
        kept = contained_rows(self._X, self.mean, reach, blocks, map)
        if self.weight is not None:
            kept |= self.weight == 0
        if kept.all():
            return self, 0.0
        weight = np.where(kept, 1.0 if self.weight is None else self.weight, 0.0)
        share = share_left_out(kept, self.weight)
        rows = map_rows(self._X, weight, self.seed)
        rows.drawn.append(self._drawn_within(reach, rows.mean))
        return rows, share


def map_rows(X, sample_weight, seed):
    """Set up rows (n, d) that are too many to copy.

    Their order in the file stays, in blocks, and equal rows are not merged: the fit
    depends on both.
    """
    weight = None if sample_weight is None else scale_weights(sample_weight)
    mean, reach = mean_and_reach(X, weight)
    check_reach(reach, X.shape, X.dtype)
    return rows_in_place(X, weight, mean, seed)


def rows_in_place(X, weight, mean, seed):
    """Set up rows whose mean is known, and whose weights are at most one, as they are.

    Samples and the order of the blocks are drawn by `seed`.
    """
    n_blocks = -(-len(X) // _BLOCK_ROWS)
    order = np.random.default_rng(seed).permutation(n_blocks)
    if weight is not None:
        in_use = np.add.reduceat(weight, _BLOCK_ROWS * np.arange(n_blocks)) > 0
        order = order[in_use[order]]
    return FileRows(X, weight, mean, order, seed, X.dtype)
