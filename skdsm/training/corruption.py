"""Gaussian corruption of rows, from a bank of noise of bounded size."""

from typing import NamedTuple

import numpy as np

__all__ = ["FEWEST_BANK_ROWS", "Corruption", "NoiseLevels", "draw_corruption"]

# a bank has at most this many elements, or this many rows if they are so long
_BANK_ELEMENTS = 2**22
FEWEST_BANK_ROWS = 4096


class NoiseLevels(NamedTuple):
    """Range of noise levels; each corrupted row has one, log-uniform in the range.

    Both ends in units of the data; they are equal for a single level.
    """

    low: float
    high: float

    @property
    def mean_square(self):
        """Expected squared level, ``E s^2``."""
        if self.low == self.high:
            return self.low**2
        width = self.high - self.low  # without cancellation for a narrow range
        return width * (self.high + self.low) / (2 * np.log1p(width / self.low))

    def at(self, quantile):
        """Level at a quantile in [0, 1] of the log-uniform distribution."""
        return self.low * (self.high / self.low) ** quantile


class Corruption(NamedTuple):
    """One draw of noise for some rows, each corrupted several times.

    Drawing a normal number takes longer than the arithmetic that a small model does on
    it, and keeping them all takes several times the memory of the data. So the noise
    comes from a bank of bounded size. As long as the bank has a row for each row of the
    data, all noise is independent. Beyond that, blocks of rows read it from random
    places on, under random signs: each row's noise is still N(0, s^2 I), and any two
    rows' noise is uncorrelated.

    `noise` (n_copies, n_bank, d) has been multiplied by the levels, whose squares are
    `variance` (n_copies, n_bank); `seed` names the draw.
    """

    noise: np.ndarray
    variance: np.ndarray
    seed: tuple

    @property
    def n_copies(self):
        """Number of corrupted copies of each row."""
        return len(self.noise)

    def place(self, n_rows, blocks):
        """Say where in the bank each block's noise starts, and whether to subtract it.

        Both of shape (n_blocks, n_copies).
        """
        n_bank = self.noise.shape[1]
        shape = len(blocks), self.n_copies
        if n_rows <= n_bank:
            offsets = np.cumsum([0] + [rows.stop - rows.start for rows in blocks[:-1]])
            return np.tile(offsets[:, None], shape[1]), np.zeros(shape, bool)
        rng = np.random.default_rng((*self.seed, 1))
        longest = max(rows.stop - rows.start for rows in blocks)
        starts = rng.integers(0, n_bank - longest, size=shape, endpoint=True)
        return starts, rng.random(shape) < 0.5

    def apply(self, X, copy, start, negative, out=None):
        """Corrupt a block of rows (n, d); return it, and the variance (n,) of each."""
        rows = slice(start, start + len(X))
        operation = np.subtract if negative else np.add
        return operation(X, self.noise[copy, rows], out=out), self.variance[copy, rows]


def draw_corruption(shape, levels, n_copies, seed, dtype, bank_elements=None):
    """Draw the noise for n rows of d features.

    Levels are stratified over the copies: each of the `n_copies` equal parts of the
    (logarithmic) range is used in one of them. At most `bank_elements` normal numbers
    are drawn, as far as that leaves room for the smallest bank.
    """
    n, d = shape
    n_elements = _BANK_ELEMENTS if bank_elements is None else bank_elements
    n_bank = min(n, max(FEWEST_BANK_ROWS, n_elements // (n_copies * d)))
    sequence = np.random.SeedSequence((*seed, 0))
    rng = np.random.Generator(np.random.SFC64(sequence))
    noise = rng.standard_normal((n_copies, n_bank, d), dtype=dtype)
    if levels.low == levels.high:
        noise *= np.dtype(dtype).type(levels.low)
        variance = np.broadcast_to(np.asarray(levels.low**2, dtype), (n_copies, n_bank))
    else:
        quantile = np.arange(n_copies)[:, None] + rng.random((n_copies, n_bank))
        level = levels.at(quantile / n_copies).astype(dtype)
        noise *= level[:, :, None]
        variance = level**2
    return Corruption(noise, variance, seed)
