"""Sorted rows in the blocks of a dask array."""

import dask.array as da
import numpy as np

from skdsm.model.parameters import Parameters
from skdsm.rows.in_dask import distribute_rows

N, D = 5000, 3
RNG = np.random.default_rng(0)
X = np.cumsum(RNG.uniform(0, 1, (N, D)), axis=0) / 1000
WEIGHT = RNG.integers(0, 4, N).astype(float)
CHUNKS = (1000, 1, 2999, 1000)


def distribute(X=X, weight=None, chunks=CHUNKS, seed=0, persist=True):
    rows = da.from_array(X, chunks=(chunks, -1))
    if weight is not None:
        weight = da.from_array(weight, chunks=rows.chunks[:1])
    return distribute_rows(rows, weight, seed, check=lambda X: None, persist=persist)


def without_units(centre):
    """A model that reconstructs all rows by one point, whatever the noise."""
    return Parameters(np.zeros((2, D)), np.zeros(2), centre, np.ones(2))
