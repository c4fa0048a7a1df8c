"""Gaussian corruption of rows, from a bank of noise of bounded size."""

from typing import NamedTuple

import numpy as np

__all__ = ["FEWEST_BANK_ROWS", "Corruption", "NoiseLevels", "draw_corruption"]

# a bank has at most this many elements, or this many rows if they are so long
_BANK_ELEMENTS = 2**22
FEWEST_BANK_ROWS = 4096


class NoiseLevels(NamedTuple):
    """Range of noise levels; each corrupted row has one, log-uniform in the range.

    Attributes
    ----------
    low : float
        Smallest level, in units of the data.
    high : float
        Largest level; equal to `low` for a single one.
    """

    low: float
    high: float

    @property
    def mean_square(self):
        """Expected squared level.

        Returns
        -------
        float
            ``E s^2``, in squared units of the data.
        """
        if self.low == self.high:
            return self.low**2
        width = self.high - self.low  # without cancellation for a narrow range
        return width * (self.high + self.low) / (2 * np.log1p(width / self.low))

    def at(self, quantile):
        """Level at a quantile of the log-uniform distribution.

        Parameters
        ----------
        quantile : float or ndarray
            In [0, 1].

        Returns
        -------
        float or ndarray
            Levels, in units of the data.
        """
        return self.low * (self.high / self.low) ** quantile


class Corruption(NamedTuple):
    """One draw of noise for some rows, each corrupted several times.

    Drawing a normal number takes longer than the arithmetic that a small model does on
    it, and keeping them all takes several times the memory of the data. So the noise
    comes from a bank of bounded size. As long as the bank has a row for each row of the
    data, all noise is independent. Beyond that, blocks of rows read it from random
    places on, under random signs: each row's noise is still N(0, s^2 I), and any two
    rows' noise is uncorrelated.

    Attributes
    ----------
    noise : ndarray of shape (n_copies, n_bank, d)
        Noise, each row times its level.
    variance : ndarray of shape (n_copies, n_bank)
        Squared level of each row of noise.
    seed : tuple of int
        Names the draw.
    """

    noise: np.ndarray
    variance: np.ndarray
    seed: tuple

    @property
    def n_copies(self):
        """Number of corrupted copies of each row.

        Returns
        -------
        int
            The number.
        """
        return len(self.noise)

    def place(self, n_rows, blocks):
        """Say where in the bank each block of rows finds its noise.

        Parameters
        ----------
        n_rows : int
            Number of rows in all.
        blocks : list of slice
            Blocks that the rows are corrupted in.

        Returns
        -------
        starts : ndarray of shape (n_blocks, n_copies), int
            First row of the noise of each block and copy.
        signs : ndarray of shape (n_blocks, n_copies), bool
            Whether to subtract it.
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
        """Corrupt a block of rows.

        Parameters
        ----------
        X : ndarray of shape (n_samples, d)
            Clean rows.
        copy : int
            Which copy.
        start : int
            First row of its noise in the bank.
        negative : bool
            Whether to subtract the noise.
        out : ndarray of shape (n_samples, d), optional
            Where to put the corrupted rows.

        Returns
        -------
        X_noisy : ndarray of shape (n_samples, d)
            Corrupted rows, in the type of X.
        variance : ndarray of shape (n_samples,)
            Squared noise level of each.
        """
        rows = slice(start, start + len(X))
        operation = np.subtract if negative else np.add
        return operation(X, self.noise[copy, rows], out=out), self.variance[copy, rows]


def draw_corruption(shape, levels, n_copies, seed, dtype, bank_elements=None):
    """Draw the noise for some rows.

    Parameters
    ----------
    shape : tuple of int
        Number of rows and of features, (n, d).
    levels : NoiseLevels
        Noise levels. They are stratified over the copies: each of the `n_copies` equal
        parts of the (logarithmic) range is used in one of them.
    n_copies : int
        Number of corrupted copies of each row.
    seed : tuple of int
        Names the draw: the same seed gives the same noise.
    dtype : dtype
        Either float32 or float64.
    bank_elements : int, optional
        Normal numbers to draw, at most; where that leaves room for the smallest bank.

    Returns
    -------
    Corruption
        The draw.
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
