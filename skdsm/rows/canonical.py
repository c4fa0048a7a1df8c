"""Canonical order of the training rows, so that a fit does not depend on theirs.

Noise is drawn by position. Two data sets that differ in the order of their rows only,
or in writing a row twice instead of giving it weight two, must therefore be brought to
one form before any noise is drawn; the fitted models are then equal bit for bit.
"""

from functools import partial

import numpy as np

from skdsm._blocks import row_blocks
from skdsm.rows.base import scale_weights, take_rows

__all__ = [
    "canonical_order",
    "canonical_rows",
    "canonical_rows_with_missing",
    "hash_rows",
]

_HASHED_ROWS = 4096  # at a time: a block stays in cache over its columns
_KEPT_BITS = 23  # of a number's 52, so that rounding seldom changes the order


def hash_rows(X, seed):
    """Hash the bits of each C-contiguous row without negative zeros into a uint64 (n,).

    A pseudo-random function of the row's values and the seed, in [0, 2**64).
    """
    bits = X.view(np.uint32 if X.dtype == np.float32 else np.uint64)
    hashes = np.full(len(X), seed, dtype=np.uint64)
    for rows in row_blocks(len(X), _HASHED_ROWS):
        state = hashes[rows]
        for column in bits[rows].T:
            state ^= column
            # a round of the 64-bit finaliser of MurmurHash3 (public domain)
            state *= np.uint64(0xFF51AFD7ED558CCD)
            state ^= state >> np.uint64(33)
        state *= np.uint64(0xC4CEB9FE1A85EC53)
        state ^= state >> np.uint64(33)
    return hashes


def canonical_order(X, sample_weight, seed, hash_rows=hash_rows):
    """Merge equal rows, and order the rest by their values only.

    Rows are ordered by a seeded hash of each, so any prefix is a random sample. The
    order is the same in another unit of all columns, up to rounding: what is hashed are
    ratios to the largest cell. Rows of weight zero are left out. Cost: two passes over
    X, one sort of integers; a weak `hash_rows` costs time, not correctness.

    Returns the index (k,) of distinct rows in X, and their summed weights (k,) relative
    to the largest.
    """
    X, used, weight = np.ascontiguousarray(X), None, None
    if sample_weight is not None:
        weight = scale_weights(sample_weight)
        if not weight.all():
            used = np.flatnonzero(weight)
            weight = weight[used]

    def read(rows):
        return X[rows] if used is None else X[used[rows]]

    blocks = row_blocks(len(X) if used is None else len(used), _HASHED_ROWS)
    largest = max(max(block.max(), -block.min()) for block in map(read, blocks))
    ratios = partial(_rounded_ratios, unit=largest or 1.0)
    hashes = [hash_rows(ratios(block), seed) for block in map(read, blocks)]
    hashes = np.concatenate(hashes)
    # equal rows meet in order of weight, so that their sum has one order as well
    order = np.lexsort((hashes,) if weight is None else (weight, hashes))
    hashes = hashes[order]
    weight = np.ones(len(order)) if weight is None else weight[order]
    order = order if used is None else used[order]

    collides = np.flatnonzero(hashes[1:] == hashes[:-1])
    equal = _equal_neighbours(X, order, collides)
    if not equal.all():
        # distinct rows of equal hash: sort by value within the hash
        place = np.union1d(collides, collides + 1)
        among = order[place]
        sorting = np.lexsort((weight[place], *X[among].T[::-1], hashes[place]))
        order[place], weight[place] = among[sorting], weight[place][sorting]
        equal = _equal_neighbours(X, order, collides)

    if equal.any():
        first = np.delete(np.arange(len(order)), collides[equal] + 1)
        order, weight = order[first], np.add.reduceat(weight, first)
    return order, weight / weight.max()


def _equal_neighbours(X, order, place):
    """Whether rows at these places of an order are equal to the next ones."""
    return (X[order[place]] == X[order[place + 1]]).all(axis=1)


def canonical_rows(X, sample_weight, seed, hash_rows=hash_rows):
    """Distinct rows (k, d) in canonical order, and their weights (k,)."""
    order, weight = canonical_order(X, sample_weight, seed, hash_rows)
    return take_rows(X, order), weight


def canonical_rows_with_missing(X, sample_weight, seed):
    """The same for rows in which cells are missing (NaN), which count as equal.

    Rows without any observed cell are left out. Returns distinct rows with zeros in
    missing cells, their weights, and where cells are missing (k, d).
    """
    observed = ~np.isnan(X)
    kept = observed.any(axis=1)
    if sample_weight is not None:
        kept &= sample_weight > 0
        sample_weight = sample_weight[kept]
    X, observed = X[kept], observed[kept]
    empty = np.flatnonzero(~observed.any(axis=0))
    if len(empty):
        raise ValueError(
            "X has columns without any observed cell, which nothing can be learned of: "
            f"{empty.tolist()}. Please drop them."
        )
    X = np.where(observed, X, 0)
    # a mark of the size of the largest cell: the same in another unit
    largest = np.abs(X).max() or 1.0
    both = np.concatenate([X, largest * observed], axis=1, dtype=X.dtype)
    both, weight = canonical_rows(both, sample_weight, seed)
    d = X.shape[1]
    return np.ascontiguousarray(both[:, :d]), weight, both[:, d:] == 0


def _rounded_ratios(X, unit):
    """X / unit in double precision, with the leading bits only."""
    ratios = np.divide(X, np.float64(unit))
    ratios += 0  # -0.0 becomes 0.0
    bits = ratios.view(np.uint64)
    dropped = np.uint64(52 - _KEPT_BITS)
    bits += np.uint64(1) << (dropped - np.uint64(1))
    bits >>= dropped
    bits <<= dropped
    return ratios
