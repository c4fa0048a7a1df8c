"""The empirical risk of a stage of training: one frozen draw of noise on some rows."""

import numpy as np

from skdsm._blocks import row_blocks
from skdsm.model.parameters import Parameters
from skdsm.training.corruption import FEWEST_BANK_ROWS, draw_corruption
from skdsm.training.loss_kernel import LossKernel, product_rows
from skdsm.training.protocols import Risk

__all__ = ["EmpiricalRisk", "chunk_rows"]

_CHUNK_BYTES = 2**19  # of the widest scratch array of a chunk: it stays in cache
_PARTIAL_SUMS = 8  # at most; threads must not change the order of summation


def chunk_rows(n_components, n_features, dtype):
    """Choose how many rows are evaluated at a time.

    The number depends on nothing else, or the last bits would.
    """
    row = max(n_components, n_features) * np.dtype(dtype).itemsize
    n_rows = min(max(1, _CHUNK_BYTES // row), FEWEST_BANK_ROWS)  # fits in the bank
    step = product_rows(n_rows, n_components, n_features)
    return n_rows // step * step


class EmpiricalRisk(Risk):
    """The risk of rows that this process can read, chunk by chunk on threads.

    `bank_elements` bounds the noise, see `draw_corruption`; `total` is the weight of
    all corrupted rows.
    """

    def __init__(self, rows, settings, seed, map=map, bank_elements=None):
        self._rows = rows
        self._map = map
        self._implicit = settings.objective == "ism"
        self._alpha = settings.alpha
        m, d = settings.n_components, rows.n_features
        n_chunk = chunk_rows(m, d, rows.dtype)
        blocks = rows.blocks(n_chunk)
        n_rows = sum(block.stop - block.start for block in blocks)
        self._corruption = draw_corruption(
            (n_rows, d),
            settings.levels,
            settings.n_corruptions,
            seed,
            rows.dtype,
            bank_elements,
        )
        starts, signs = self._corruption.place(n_rows, blocks)
        chunks = [
            (block, copy, int(starts[i, copy]), bool(signs[i, copy]))
            for i, block in enumerate(blocks)
            for copy in range(settings.n_corruptions)
        ]
        n_groups = min(_PARTIAL_SUMS, max(1, len(chunks) // 4))  # each costs something
        size = -(-len(chunks) // n_groups)
        self._groups = [chunks[part] for part in row_blocks(len(chunks), size)]
        if rows.weight is None:
            self.total = n_rows * settings.n_corruptions
        else:
            self.total = settings.n_corruptions * sum(
                rows.weight[block].sum() for block in blocks
            )
        self._kernel_shape = min(n_chunk, n_rows), m, d, rows.dtype
        self._kernels = []  # not in use; at most as many as threads are made
        self._constant = self._trace_constant() if self._implicit else 0.0

    def __call__(self, parameters):
        sums = self._map(lambda group: self._sum(parameters, group), self._groups)
        (value, gradient), *others = sums
        for other, part in others:
            value += other
            for block, addend in zip(gradient, part, strict=True):
                block += addend
        gradient = Parameters(*(block / self.total for block in gradient))
        W = parameters.components
        gradient.components[:] += self._alpha * W
        value = value / self.total + self._constant
        return value + 0.5 * self._alpha * np.vdot(W, W), gradient

    def _sum(self, parameters, group):
        """Loss and gradient, summed over a group of chunks."""
        try:  # in one step: between a look and a pop another thread may come
            kernel = self._kernels.pop()
        except IndexError:
            kernel = LossKernel(*self._kernel_shape)
        kernel.begin(parameters)
        noisy = kernel.noisy
        weight = trace_weight = None
        for chunk in group:
            X, X_noisy, variance = self._corrupted(chunk, noisy)
            if self._rows.weight is not None:
                weight = self._rows.weight[chunk[0]]
            if self._implicit:
                X, trace_weight = X_noisy, variance
            kernel.add(X_noisy, X, trace_weight, weight)
        result = kernel.end()
        self._kernels.append(kernel)
        return result

    def _corrupted(self, chunk, out=None):
        block, *noise = chunk
        X = self._rows.centred(block)
        out = None if out is None else out[: len(X)]
        return X, *self._corruption.apply(X, *noise, out=out)

    def _trace_constant(self):
        """What the implicit form lacks: ``-d E s^2 / 2``, over this draw."""
        total = 0.0
        for group in self._groups:
            for block, copy, start, _ in group:
                rows = slice(start, start + block.stop - block.start)
                variance = self._corruption.variance[copy, rows].astype(np.float64)
                w = self._rows.weight
                total += variance.sum() if w is None else variance @ w[block]
        return -0.5 * self._rows.n_features * total / self.total

    def sample(self, n_rows):
        X_noisy, weight, n_missing = [], [], n_rows
        for chunk in (chunk for group in self._groups for chunk in group):
            if n_missing <= 0:
                break
            noisy = self._corrupted(chunk)[1]
            w = self._rows.weight
            X_noisy.append(noisy)
            weight.append(np.ones(len(noisy)) if w is None else w[chunk[0]])
            n_missing -= len(noisy)
        return np.concatenate(X_noisy, dtype=np.float64), np.concatenate(weight)
