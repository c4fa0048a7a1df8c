"""What the kinds of training rows share: reading, limits, weights, mean and reach."""

from abc import abstractmethod
from dataclasses import dataclass, replace

import numpy as np

from skdsm._blocks import row_blocks
from skdsm.exceptions import NonFiniteError
from skdsm.training.empirical_risk import EmpiricalRisk
from skdsm.training.growth import UNSEEN_ROWS
from skdsm.training.protocols import Rows
from skdsm.training.schedule import UNQUESTIONED_ROWS

__all__ = [
    "COPIED_ROWS",
    "READ_ROWS",
    "ReadableRows",
    "SampledRows",
    "check_reach",
    "contained_rows",
    "copyable_rows",
    "mean_and_reach",
    "repetitions",
    "scale_weights",
    "share_left_out",
    "take_rows",
]

_REPEATED_TO = 256  # fewer rows are repeated, under noise of their own, to so many
READ_ROWS = 4096  # at a time
COPIED_ROWS = UNQUESTIONED_ROWS + UNSEEN_ROWS  # of more rows: enough for most fits
_FEWER = 0.75  # of the rows asked for are enough
_GATHERED_BYTES = 2**26  # a sample of at most this size is copied to memory


@dataclass(frozen=True, eq=False)
class ReadableRows(Rows):
    """Rows that this process reads block by block; a block is a slice of row numbers.

    Two frames are on offer: `centred` rows for the loss, `original` rows for scoring.
    """

    _X: np.ndarray
    weight: np.ndarray | None
    mean: np.ndarray

    @abstractmethod
    def blocks(self, size):
        """Split the rows in use into slices of at most `size` rows, in order."""

    @abstractmethod
    def centred(self, rows=slice(None)):
        """Read rows, less their mean, in the type of the arithmetic."""

    @abstractmethod
    def original(self, rows):
        """Read rows as they were given, up to rounding."""

    def risk(self, settings, seed, map=map):
        return EmpiricalRisk(self, settings, seed, map=map)


class SampledRows(Rows):
    """Rows that stay where they are, except a random sample in memory, drawn once.

    The sample is in random order: stages train on its first rows, and its last ones are
    for validation. Unless it has all rows, a stage on more reads them where they are.
    `drawn` holds the sample, less the mean, in the type of the rows, once there is one.
    """

    dtype: np.dtype
    unit: float
    drawn: list

    @abstractmethod
    def draw(self, n_rows):
        """Draw rows of positive weight, as InMemoryRows, in random order."""

    @abstractmethod
    def in_place(self, n_rows):
        """Take a part of the rows, where they are, of about `n_rows`."""

    def _sample(self):
        if not self.drawn:
            fitting = copyable_rows(self.n_features, self._X.dtype)
            self.drawn.append(self.draw(min(COPIED_ROWS, fitting)))
        return self.drawn[0]

    def _drawn_within(self, reach, mean):
        """What a reach leaves of the sample, less another mean."""
        sample, shift = self._sample(), self.mean - mean
        kept = reach.contains(sample.centred())
        X = np.add(sample.centred()[kept], shift, dtype=sample.dtype)
        weight = None if sample.weight is None else sample.weight[kept]
        return replace(sample, _X=X, weight=weight, mean=mean)

    def head(self, n_rows):
        n_drawn = self._sample().n_rows
        if n_rows >= self.n_rows:
            return self.sample(n_rows) if n_drawn == self.n_distinct else self
        n_drawn -= min(UNSEEN_ROWS, n_drawn // 4)
        if _FEWER * n_rows > n_drawn:
            return self.in_place(n_rows)
        return self.sample(min(n_rows, n_drawn))

    def tail(self, n_rows):
        return self._sample().tail(n_rows).scaled(self.unit, self.dtype)

    def sample(self, n_rows):
        return self._sample().head(n_rows).scaled(self.unit, self.dtype)


def repetitions(weight):
    """Say how often to repeat each row, at a fraction of its weight, as integers.

    Once, unless the row carries much of the weight or rows are few.
    """
    share = weight / weight.sum()
    return np.rint(max(len(weight), _REPEATED_TO) * share).astype(int).clip(1)


def mean_and_reach(X, weight, order=None):
    """Weighted mean (d,), and the largest distance of a coordinate from the first row.

    Both in double precision; weights are at most one, and not all zero. They are of the
    rows X, or of ``X[order]``, which is read block by block.
    """

    def read(rows):
        return X[rows] if order is None else take_rows(X, order[rows])

    # relative to a row, so that the mean of far-away rows has its digits
    origin = read(slice(1))[0].astype(np.float64)
    total, weight_sum, largest = np.zeros(X.shape[1]), 0.0, 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        for rows in row_blocks(len(X) if order is None else len(order), READ_ROWS):
            block = np.subtract(read(rows), origin, order="C")
            w = np.ones(len(block)) if weight is None else weight[rows]
            total += w @ block
            weight_sum += w.sum()
            largest = max(largest, np.abs(block).max())
        return origin + total / weight_sum, largest


def check_reach(reach, shape, dtype):
    """Raise NonFiniteError if a sum of squared distances may overflow in that type."""
    with np.errstate(over="ignore", invalid="ignore"):
        size = dtype.type(2 * reach)
        if not np.isfinite(size * size * dtype.type(shape[0] * shape[1])):
            raise NonFiniteError("A sum of squared distances between rows of X")


def take_rows(X, index):
    """Copy rows, C-contiguous and without negative zeros."""
    rows = X.take(index, axis=0)
    rows += 0  # -0.0 becomes 0.0
    return rows


def contained_rows(X, mean, reach, blocks, map):
    """Whether noise comes to each row of X (n, d), less the mean, in some blocks.

    Returns booleans (n,), which are false outside of the blocks.
    """
    contained = np.zeros(len(X), dtype=bool)
    inside = map(lambda rows: reach.contains(X[rows] - mean), blocks)
    for rows, here in zip(blocks, inside, strict=True):
        contained[rows] = here
    return contained


def copyable_rows(n_features, dtype):
    """Say how many rows, at least one, may be copied to memory from elsewhere."""
    return max(1, _GATHERED_BYTES // (n_features * dtype.itemsize))


def scale_weights(sample_weight):
    """Scale weights to at most one, so that no sum of them overflows.

    By a power of two, without rounding: 3 must stay three times 1.
    """
    return np.ldexp(sample_weight, -np.frexp(sample_weight.max())[1])


def share_left_out(kept, weight):
    """Share of the weight, None for equal ones, of the rows that are not kept."""
    if weight is None:
        return float(np.mean(~kept))
    return float(weight[~kept].sum() / weight.sum())
