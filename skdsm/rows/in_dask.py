"""Training rows in the blocks of a dask array.

Only means, numbers and samples come to the client; the rows stay where they are.
"""

from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np

from skdsm._blocks import single_threaded_blas
from skdsm.rows.base import (
    SampledRows,
    check_reach,
    mean_and_reach,
    scale_weights,
)
from skdsm.rows.dask_blocks import compute, persist_results, task
from skdsm.rows.dask_risk import DaskRisk
from skdsm.rows.in_file import rows_in_place
from skdsm.rows.in_memory import InMemoryRows

__all__ = ["DaskRows", "RowBlock", "distribute_rows"]

_MANY_BLOCKS = 64
_SMALL_BLOCK, _GOOD_BLOCK, _HUGE_BLOCK = 2**23, 2**26, 2**30  # bytes


@dataclass(frozen=True, eq=False)
class RowBlock:
    """One block with rows of positive weight, where it is.

    X and weight are delayed; weights are at most one, or None. Of the `n_rows` rows,
    `n_candidates` have positive weight. They are read in an order drawn by `seed`.
    """

    X: Any
    weight: Any
    n_rows: int
    n_candidates: int
    seed: int


@dataclass(frozen=True, eq=False)
class DaskRows(SampledRows):
    """Rows as they were given, in blocks that others hold.

    Rows are centred and rounded to `dtype` in each evaluation. `share` is the part of
    each block that is in use; `drawn` is what the client sees of the rows, a sample by
    `seed`.
    """

    _X: Any
    blocks: tuple
    mean: np.ndarray
    seed: int
    dtype: np.dtype
    share: float = 1.0
    unit: float = 1.0
    drawn: list = field(default_factory=list, repr=False)

    def scaled(self, unit, dtype):
        return replace(self, dtype=np.dtype(dtype), unit=unit * self.unit)

    @property
    def n_distinct(self):
        return round(self.share * sum(block.n_candidates for block in self.blocks))

    def in_place(self, n_rows):
        return replace(self, share=n_rows / self.n_rows)

    def within(self, reach, map=map):
        weighed = persist_results(
            task(_weigh_within, mean=self.mean, reach=reach)(block.X, block.weight)
            for block in self.blocks
        )
        weights = [task(itemgetter(0))(part) for part in weighed]
        parts = compute(task(itemgetter(1, 2))(part) for part in weighed)
        summaries, totals = zip(*parts, strict=True)
        if all(
            one.n_candidates == block.n_candidates
            for one, block in zip(summaries, self.blocks, strict=True)
        ):
            return self, 0.0
        blocks = tuple(
            replace(block, weight=weight, n_candidates=one.n_candidates)
            for block, weight, one in zip(self.blocks, weights, summaries, strict=True)
            if one.n_candidates
        )
        used = [one for one in summaries if one.n_candidates]
        mean = _overall_mean(used, 0, self._X)
        total, kept = sum(totals), sum(one.total_weight for one in used)
        share = float((total - kept) / total)
        drawn = [self._drawn_within(reach, mean)]
        return replace(self, blocks=blocks, mean=mean, drawn=drawn), share

    def risk(self, settings, seed, map=map):
        return DaskRisk(self, settings, seed, map=map)

    def draw(self, n_rows):
        ends = np.cumsum([block.n_candidates for block in self.blocks])
        n_rows = int(min(n_rows, ends[-1]))
        rng = np.random.default_rng((self.seed, n_rows))
        # from each block in proportion to its rows
        places = (np.arange(n_rows) + rng.random()) * (ends[-1] / n_rows)
        owner = np.searchsorted(ends, np.minimum(places, ends[-1] - 0.5), side="right")
        taken = np.bincount(owner, minlength=len(ends))
        parts = compute(
            task(_draw_block, mean=self.mean, seed=block.seed, n_rows=int(n))(
                block.X, block.weight
            )
            for block, n in zip(self.blocks, taken, strict=True)
            if n
        )
        X, weight = zip(*parts, strict=True)
        order = rng.permutation(sum(map(len, X)))
        weight = None if weight[0] is None else np.concatenate(weight)[order]
        return InMemoryRows(np.concatenate(X)[order], weight, self.mean)


def distribute_rows(X, sample_weight, seed, *, check, persist):
    """Set up the rows of a dask array (n, d) in one block of columns.

    Blocks that are many and small are merged, and huge ones are split; all others stay
    as they are. Their division is part of the input: noise is drawn by block.

    ``check(X)`` raises an error if values of a block are not usable. `persist` keeps
    the rows in memory, on the workers if there are any; otherwise the array is
    computed anew in every evaluation, block by block.
    """
    keep = _persist if persist else _leave
    X = keep(_even_blocks(_sized(keep(X))))
    weight = None
    if sample_weight is not None:
        weight = _sized(sample_weight)
        if weight.shape != X.shape[:1]:
            raise ValueError(
                f"sample_weight.shape == {weight.shape}, expected {X.shape[:1]}!"
            )
        weight = keep(weight.rechunk(X.chunks[:1]))
    blocks = _delayed_blocks(X), _delayed_blocks(weight, X.numblocks[0])
    summaries = compute(
        task(summarise_block, check=check)(*block)
        for block in zip(*blocks, strict=True)
    )
    used = [index for index, one in enumerate(summaries) if one.n_candidates]
    if not used:
        raise ValueError(
            f"Found array with 0 sample(s) (shape={X.shape}) while a minimum of 1 is "
            "required."
            if not len(X)
            else "Sample weights must contain at least one non-zero number."
        )
    exponent = max(summaries[index].exponent for index in used)
    if weight is not None:
        # as `scale_weights` does for rows in one place
        weight = keep(weight.map_blocks(np.ldexp, -exponent, dtype=np.float64))
        blocks = blocks[0], _delayed_blocks(weight)
    mean = _overall_mean([summaries[index] for index in used], exponent, X)
    states = np.random.SeedSequence(seed).generate_state(len(summaries), np.uint64)
    in_use = tuple(
        RowBlock(
            blocks[0][index],
            blocks[1][index],
            summaries[index].n_rows,
            summaries[index].n_candidates,
            int(states[index]),
        )
        for index in used
    )
    return DaskRows(X, in_use, mean, seed, X.dtype)


class _Summary(NamedTuple):
    n_rows: int
    n_candidates: int
    mean: np.ndarray | None = None
    reach: float = 0.0
    weight: float = 0.0  # sum, times two to the minus `exponent`
    exponent: int = 0

    @property
    def total_weight(self):
        return np.ldexp(self.weight, int(self.exponent))


def _overall_mean(summaries, exponent, X):
    """Mean over blocks; checks that squared distances are finite."""
    origin = summaries[0].mean
    weight = np.array(
        [np.ldexp(one.weight, int(one.exponent - exponent)) for one in summaries]
    )
    apart = np.array([one.mean for one in summaries]) - origin
    # a mean is within reach of the row that its block's reach counts from
    reach = 2 * max(one.reach for one in summaries) + np.abs(apart).max()
    check_reach(reach, X.shape, X.dtype)
    return origin + weight @ apart / weight.sum()


# --- Tasks ---


def summarise_block(X, weight, *, check):
    """Check a block, and say what the client needs to know of it."""
    if check is not None:
        check(X)
    if weight is None:
        n_candidates, exponent, total = len(X), 0, float(len(X))
    else:
        n_candidates = int(np.count_nonzero(weight))
    if not n_candidates:
        return _Summary(len(X), 0)
    if weight is not None:
        exponent = int(np.frexp(weight.max())[1])
        weight = scale_weights(weight)
        total = float(weight.sum())
    with single_threaded_blas():
        mean, reach = mean_and_reach(X, weight)
    check_reach(reach, X.shape, X.dtype)
    return _Summary(len(X), n_candidates, mean, float(reach), total, exponent)


def _weigh_within(X, weight, *, mean, reach):
    """Weights of the rows that are kept, their summary, and the weight of all."""
    kept = reach.contains(X - mean) if len(X) else np.zeros(0, dtype=bool)
    kept_weight = kept * (1.0 if weight is None else weight)
    total = float(len(X) if weight is None else weight.sum())
    return kept_weight, summarise_block(X, kept_weight, check=None), total


def _draw_block(X, weight, *, mean, seed, n_rows):
    rows = rows_in_place(X, weight, mean, seed).draw(n_rows)
    return rows.centred(), rows.weight


# --- Blocks ---


def _persist(array):
    return array.persist()


def _leave(array):
    return array


def _delayed_blocks(array, n_blocks=None):
    if array is None:
        return [None] * n_blocks
    return array.to_delayed().ravel().tolist()


def _sized(array):
    """Find out how many rows the blocks have, if that is not known."""
    if np.isnan(array.shape[0]):
        array = array.copy()  # the sizes are set in place
        array.compute_chunk_sizes()
    return array


def _even_blocks(X):
    """Merge blocks that cost more to send for than to evaluate; split huge ones."""
    sizes = X.chunks[0]
    row_bytes = X.shape[1] * X.dtype.itemsize
    many = len(sizes) > _MANY_BLOCKS and X.nbytes < _SMALL_BLOCK * len(sizes)
    if not many and max(sizes) * row_bytes <= _HUGE_BLOCK:
        return X
    n_rows = min(_GOOD_BLOCK // row_bytes, -(-len(X) // _MANY_BLOCKS))
    return X.rechunk({0: max(1, n_rows)})
