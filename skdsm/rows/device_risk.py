"""The empirical risk of rows on a device, evaluated there.

Parameters travel to the device, and a few sums of the size of a gradient travel back.
The noise is the noise of `EmpiricalRisk`: drawn on the host, copied once per stage.
"""

import numpy as np

from skdsm._blocks import row_blocks
from skdsm.training.corruption import draw_corruption
from skdsm.training.empirical_risk import chunk_rows
from skdsm.training.loss_kernel import KernelSums
from skdsm.training.protocols import Risk

__all__ = ["DeviceRisk"]


class DeviceRisk(Risk):
    """`EmpiricalRisk` of the same rows in the same order, except for rounding.

    Arithmetic is in the type of the rows, sums over blocks are in double precision, if
    the device has that. `total` is the weight of all corrupted rows.
    """

    def __init__(self, rows, settings, seed, bank_elements=None):
        self._rows, self._settings = rows, settings
        device, n, d = rows.device, rows.n_rows, rows.n_features
        dtype = self._dtype = rows.centred().dtype  # of the library
        self._step = chunk_rows(settings.n_components, d, rows.dtype)
        self._chunks = row_blocks(n, self._step)
        corruption = draw_corruption(
            (n, d),
            settings.levels,
            settings.n_corruptions,
            seed,
            rows.dtype,
            bank_elements,
        )
        starts, signs = corruption.place(n, self._chunks)
        self._starts = device.put_index(starts)
        self._signs = device.put(np.where(signs, -1.0, 1.0), dtype)
        self._noise = [device.put(one, dtype) for one in corruption.noise]
        self._variance = [device.put(one, dtype) for one in corruption.variance]
        total = n if rows.weight is None else float(device.xp.sum(rows.weight))
        self.total = settings.n_corruptions * total

    def __call__(self, parameters):
        device, xp = self._rows.device, self._rows.device.xp
        m, d = parameters.components.shape
        packed = device.put(parameters.pack())
        W, rest = xp.reshape(packed[: m * d], (m, d)), packed[m * d :]
        b, c, g = rest[:m], rest[m : m + d], rest[m + d :]
        width, n_chunks = max(m, d) * self._step, len(self._chunks)
        factors = [
            xp.astype(factor, self._dtype, copy=False)
            for factor in (
                W,
                0.5 * W,
                0.5 * b,
                0.5 * g[:, None] * W,
                c + 0.5 * (g @ W),
                xp.sum(W * W, axis=1),
            )
        ]
        sums = None
        for chunks in device.blocks(n_chunks, width):
            for copy in range(self._settings.n_corruptions):
                part = device.widen(self._sum(factors, chunks, copy))
                sums = part if sums is None else sums + part
        sums = device.to_numpy(sums).astype(np.float64)
        return self._finish(sums / self.total, parameters)

    def _sum(self, factors, chunks, copy):
        """Sums over the corrupted rows of some chunks, in one vector.

        With ``t = tanh(u / 2)`` in place of h, as in `skdsm.training.loss_kernel`.
        """
        W, half_W, half_b, decoder, visible, square_norm = factors
        device, xp = self._rows.device, self._rows.device.xp
        first, last = self._chunks[chunks.start], self._chunks[chunks.stop - 1]
        rows = slice(first.start, last.stop)
        X_noisy, variance = self._corrupted(rows, chunks, copy)
        T = xp.tanh(X_noisy @ half_W.T + half_b)
        implicit = self._settings.objective == "ism"
        target = X_noisy if implicit else self._rows.centred(rows)
        R = T @ decoder + (visible - target)
        square = xp.sum(R * R, axis=1, dtype=device.wide)
        weight = None
        if self._rows.weight is not None:
            weight = self._rows.weight[rows]
            square = weight * square
            weight = xp.astype(weight, R.dtype, copy=False)
            R = weight[:, None] * R
        slope = 1 - T * T  # 4 h (1 - h)
        back = R @ W.T
        curvature = xp.zeros_like(half_b)
        value = 0.5 * xp.sum(square)
        if implicit:
            tau = variance if weight is None else variance * weight
            curvature = tau @ slope
            back = back - tau[:, None] * square_norm * T
            # the divergence of -x
            value = value - 0.5 * X_noisy.shape[1] * xp.sum(tau, dtype=device.wide)
        slope = slope * back
        return xp.concat(
            [
                device.widen(xp.reshape(one, (-1,)))
                for one in (
                    value,
                    T.T @ R,
                    slope.T @ X_noisy,
                    xp.sum(slope, axis=0),
                    xp.sum(R, axis=0),
                    curvature,
                )
            ]
        )

    def _corrupted(self, rows, chunks, copy):
        """Corrupted rows of some chunks, and the variance of their noise."""
        device, xp = self._rows.device, self._rows.device.xp
        n, n_chunks = rows.stop - rows.start, chunks.stop - chunks.start
        within = xp.arange(self._step, device=device.device)
        start = self._starts[chunks, copy][:, None] + within
        sign = xp.broadcast_to(
            self._signs[chunks, copy][:, None], (n_chunks, self._step)
        )
        place = xp.reshape(start, (-1,))[:n]  # the last chunk may be shorter
        sign = xp.reshape(sign, (-1,))[:n]
        noise = xp.take(self._noise[copy], place, axis=0)
        X_noisy = self._rows.centred(rows) + sign[:, None] * noise
        return X_noisy, xp.take(self._variance[copy], place)

    def _finish(self, means, parameters):
        """Value and gradient from the sums, divided by the weight; on the host."""
        W, alpha = parameters.components, self._settings.alpha
        m, d = W.shape
        sizes = [1, m * d, m * d, m, d, m]
        value, tanh_residual, slope_x, *vectors = np.split(means, np.cumsum(sizes)[:-1])
        matrices = tanh_residual.reshape(m, d), slope_x.reshape(m, d)
        value, gradient = KernelSums(value[0], *matrices, *vectors).loss_and_gradient(
            parameters, np.einsum("ij,ij->i", W, W)
        )
        gradient.components[:] += alpha * W
        return float(value + 0.5 * alpha * np.vdot(W, W)), gradient

    def sample(self, n_rows):
        to_numpy = self._rows.device.to_numpy
        X_noisy, weight, n_missing = [], [], n_rows
        for chunk, rows in enumerate(self._chunks):
            for copy in range(self._settings.n_corruptions):
                if n_missing <= 0:
                    break
                noisy, _ = self._corrupted(rows, slice(chunk, chunk + 1), copy)
                X_noisy.append(to_numpy(noisy))
                w = self._rows.weight
                n = len(X_noisy[-1])
                weight.append(np.ones(n) if w is None else to_numpy(w[rows]))
                n_missing -= n
        return (
            np.concatenate(X_noisy, dtype=np.float64),
            np.concatenate(weight, dtype=np.float64),
        )
