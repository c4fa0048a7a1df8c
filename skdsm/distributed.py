"""Rows in the blocks of a dask array, and the risk as a sum over blocks.

The risk of all rows is the mean, by weight, of the risks of the blocks. A task gets a
block, the packed parameters and the name of the block's noise, and returns weight, loss
and gradient. Blocks are summed in the order of their numbers. A worker keeps nothing
of a fit but the rows: which one does a task, and whether another did it before, changes
no bit.
"""

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from skdsm.energy import Parameters
from skdsm.risk import EmpiricalRisk
from skdsm.rows import scale_weights
from skdsm.threads import single_threaded_blas
from skdsm.training_rows import (
    TrainingRows,
    check_reach,
    leave_rows,
    mean_and_reach,
)

__all__ = ["DistributedRisk", "DistributedRows", "distribute_rows", "distributed_risk"]

_GATHERED_BYTES = 2**25  # a sample of at most this size is copied to the client
_REPRESENTATIVE_ROWS = 2**17
_FAN_IN = 16  # parts that are added in one task
_MANY_BLOCKS = 64
_SMALL_BLOCK, _GOOD_BLOCK, _HUGE_BLOCK = 2**23, 2**26, 2**30  # bytes
# Noise is drawn anew at each evaluation, and kept by nobody. At one normal number for
# so many elements of corrupted rows, that takes a few per cent of the time.
_NOISE_REUSE = 8
_LARGEST_BANK = 2**22


class RowBlock(NamedTuple):
    """One block of rows, where it is.

    Attributes
    ----------
    X : dask.delayed.Delayed
        Its rows.
    weight : dask.delayed.Delayed or None
        Their weights, of at most one.
    n_rows : int
        Number of rows.
    n_candidates : int
        Number of rows of positive weight; not zero.
    seed : int
        Of the order in which it is read.
    """

    X: Any
    weight: Any
    n_rows: int
    n_candidates: int
    seed: int


class DistributedRows(NamedTuple):
    """Training rows in blocks that others hold.

    Attributes
    ----------
    X : dask.array.Array of shape (n_samples, d)
        Rows as they were given.
    blocks : tuple of RowBlock
        Blocks with rows of positive weight.
    mean : ndarray of shape (d,), float64
        Weighted mean of the rows.
    seed : int
        Of samples.
    samples : dict
        Samples by their size: all that the client has seen of the rows.
    share : float
        Part of each block that is in use.
    """

    X: Any
    blocks: tuple
    mean: np.ndarray
    seed: int
    samples: dict
    share: float = 1.0

    def head(self, n_rows):
        """Take a random sample.

        Parameters
        ----------
        n_rows : int
            How many, if there are that many.

        Returns
        -------
        TrainingRows or DistributedRows
            Single rows copied to the client; a part of each block, if that would be too
            many.
        """
        if n_rows >= len(self.X):
            return self
        if n_rows * self._row_bytes <= _GATHERED_BYTES:
            return self.sample(n_rows)
        return self._replace(share=n_rows / len(self.X))

    def tail(self, n_rows):
        """Take a random sample that shares few rows with any `head`, if there are many.

        Parameters
        ----------
        n_rows : int
            How many, if there are that many and they fit in the bound on a copy.

        Returns
        -------
        TrainingRows
            Single rows copied to the client.
        """
        return self.sample(n_rows)

    def sample(self, n_rows):
        """Copy a random sample of single rows to the client.

        Parameters
        ----------
        n_rows : int
            How many, if there are that many and they fit in the bound on a copy.

        Returns
        -------
        TrainingRows
            The sample.
        """
        if n_rows not in self.samples:
            self.samples[n_rows] = self._gather(n_rows)
        return self.samples[n_rows]

    def representative(self):
        """Take the rows whose scores set the threshold.

        Returns
        -------
        TrainingRows
            A random sample.
        """
        return self.sample(_REPRESENTATIVE_ROWS)

    @property
    def _row_bytes(self):
        return self.X.shape[1] * self.X.dtype.itemsize

    def _gather(self, n_rows):
        ends = np.cumsum([block.n_candidates for block in self.blocks])
        fitting = max(1, _GATHERED_BYTES // self._row_bytes)
        n_rows = int(min(n_rows, ends[-1], fitting))
        rng = np.random.default_rng((self.seed, n_rows))
        # from each block in proportion to its rows
        places = (np.arange(n_rows) + rng.random()) * (ends[-1] / n_rows)
        owner = np.searchsorted(ends, np.minimum(places, ends[-1] - 0.5), side="right")
        taken = np.bincount(owner, minlength=len(ends))
        parts = _compute(
            _task(_sample_block, mean=self.mean, seed=block.seed, n_rows=int(n))(
                block.X, block.weight
            )
            for block, n in zip(self.blocks, taken, strict=True)
            if n
        )
        X, weight = zip(*parts, strict=True)
        order = rng.permutation(sum(map(len, X)))
        weight = None if weight[0] is None else np.concatenate(weight)[order]
        return TrainingRows(np.concatenate(X)[order], weight, self.mean)


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
            _task(
                evaluate_block,
                settings=settings,
                mean=rows.mean,
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
        packed = _literal(parameters.pack())
        parts = [
            task(block.X, block.weight, packed)
            for task, block in zip(self._tasks, self._rows.blocks, strict=True)
        ]
        while len(parts) > _FAN_IN:
            starts = range(0, len(parts), _FAN_IN)
            parts = [_task(add_parts)(parts[i : i + _FAN_IN]) for i in starts]
        total, value, *gradient = add_parts(_compute(parts))
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


def distribute_rows(X, sample_weight, seed, *, check, persist):
    """Set up the rows of a dask array.

    Blocks that are many and small are merged, and huge ones are split; all others stay
    as they are. Their division is part of the input: noise is drawn by block.

    Parameters
    ----------
    X : dask.array.Array of shape (n_samples, d), float32 or float64
        Rows, in one block of columns.
    sample_weight : dask.array.Array of shape (n_samples,), float64, or None
        Weights.
    seed : int
        Which random order of the rows of a block.
    check : callable
        ``check(X)`` raises an error if values of a block are not usable.
    persist : bool
        Whether to keep the rows in memory, that of the workers if there are any.
        Otherwise the array is computed anew in every evaluation, block by block.

    Returns
    -------
    DistributedRows
        The rows to train on.

    Raises
    ------
    NonFiniteError
        If squared distances between the rows overflow.
    ValueError
        If there are no rows, the weights are another number, or all of them are zero.
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
    summaries = _compute(
        _task(summarise_block, check=check)(*block)
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
    return DistributedRows(
        X,
        tuple(
            RowBlock(
                blocks[0][index],
                blocks[1][index],
                summaries[index].n_rows,
                summaries[index].n_candidates,
                int(states[index]),
            )
            for index in used
        ),
        mean,
        seed,
        {},
    )


class _Summary(NamedTuple):
    n_rows: int
    n_candidates: int
    mean: np.ndarray | None = None
    reach: float = 0.0
    weight: float = 0.0  # sum, times two to the minus `exponent`
    exponent: int = 0


def _overall_mean(summaries, exponent, X):
    """Mean over blocks; checks that squared distances are finite."""
    origin = summaries[0].mean
    weight = np.array(
        [np.ldexp(one.weight, int(one.exponent - exponent)) for one in summaries]
    )
    apart = np.array([one.mean for one in summaries]) - origin
    # a mean is within reach of the row that its block's reach counts from
    reach = 2 * max(one.reach for one in summaries) + np.abs(apart).max()
    check_reach(reach, X)
    return origin + weight @ apart / weight.sum()


# --- Tasks ---


def summarise_block(X, weight, *, check):
    """Check a block, and say what the client needs to know of it.

    Parameters
    ----------
    X : ndarray of shape (n_samples, d)
        Rows.
    weight : ndarray of shape (n_samples,) or None
        Weights.
    check : callable
        ``check(X)`` raises an error if values are not usable.

    Returns
    -------
    NamedTuple
        Numbers of rows, their mean and reach, their weight as fraction and exponent.

    Raises
    ------
    NonFiniteError
        If squared distances between the rows overflow.
    """
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
    check_reach(reach, X)
    return _Summary(len(X), n_candidates, mean, float(reach), total, exponent)


def evaluate_block(X, weight, packed, *, settings, mean, order_seed, n_rows, seed):
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
    rows = leave_rows(X, weight, mean, order_seed)
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


def _sample_block(X, weight, *, mean, seed, n_rows):
    rows = leave_rows(X, weight, mean, seed).sample(n_rows)
    return np.ascontiguousarray(rows.X), rows.weight


# --- What is asked of dask ---


def _task(function, **constants):
    """Make a function whose calls are tasks; constants travel with each call."""
    import dask

    # named anew at each call, without a look at what it is called with
    return dask.delayed(partial(function, **constants), pure=False, traverse=False)


def _literal(value):
    """Send a value once, not with every task."""
    import dask

    return dask.delayed(value, pure=False, traverse=False)


def _compute(tasks):
    import dask

    # single tasks on blocks: there is nothing to rewrite
    return dask.compute(*tasks, optimize_graph=False)


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
