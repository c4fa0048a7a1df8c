"""Draws of noise for tests."""

import numpy as np

from skdsm._blocks import row_blocks
from skdsm.training.corruption import NoiseLevels, draw_corruption

SINGLE = NoiseLevels(0.5, 0.5)
RANGE = NoiseLevels(0.1, 1.0)
N, D = 20_000, 3


def force_bank_of(n_rows, monkeypatch):
    """Force the number of rows in a bank, and blocks that fit in it."""
    monkeypatch.setattr("skdsm.training.corruption._BANK_ELEMENTS", 0)
    monkeypatch.setattr("skdsm.training.corruption.FEWEST_BANK_ROWS", n_rows)
    monkeypatch.setattr("skdsm.training.empirical_risk.FEWEST_BANK_ROWS", n_rows)


def standardised(corruption):
    """Noise in units of its level, (n_copies, n_bank, d)."""
    level = np.sqrt(corruption.variance.astype(np.float64))
    return corruption.noise / level[:, :, None]


def draw(levels=SINGLE, n_copies=1, seed=(1,), shape=(N, D), dtype=np.float64):
    return draw_corruption(shape, levels, n_copies, seed, dtype)


def corrupt_all(corruption, X, block_size):
    """All corrupted copies of X, and their variances, block by block."""
    blocks = row_blocks(len(X), block_size)
    starts, signs = corruption.place(len(X), blocks)
    parts = [
        [
            corruption.apply(X[rows], copy, starts[i, copy], signs[i, copy])
            for i, rows in enumerate(blocks)
        ]
        for copy in range(corruption.n_copies)
    ]
    return tuple(
        np.array([np.concatenate([part[k] for part in copy]) for copy in parts])
        for k in (0, 1)
    )
