"""A clock that records the held-out loss along a run of training."""

import time

import numpy as np

from skdsm.training.stages import Monitor

__all__ = ["Clock", "Points", "denoising_loss"]


def denoising_loss(X, X_noisy, parameters):
    """Mean of ``|r(x~) - x|^2 / 2`` in single precision."""
    W, b, c, g = (block.astype(np.float32) for block in parameters)
    H = 0.5 + 0.5 * np.tanh(0.5 * (X_noisy @ W.T + b))
    residual = (H * g) @ W + c - X
    return 0.5 * float(np.einsum("ij,ij->", residual, residual)) / len(X)


class Clock:
    """Records (seconds of training, held-out loss); evaluation stops the clock."""

    def __init__(self, held_out_loss):
        self._loss = held_out_loss
        self.record = []
        self._start = time.perf_counter()

    def go_on(self):
        """Forget the time since the last point."""
        spent = self.record[-1][0] if self.record else 0.0
        self._start = time.perf_counter() - spent

    def elapsed(self):
        return time.perf_counter() - self._start

    def point(self, parameters):
        pause = time.perf_counter()
        self.record.append((pause - self._start, self._loss(parameters)))
        self._start += time.perf_counter() - pause
        return self.record[-1][1]

    def time_to(self, target):
        """First time at which the loss was at most the target."""
        return next((t for t, loss in self.record if loss <= target), np.inf)

    def best(self):
        return min(loss for _, loss in self.record)


class Points(Monitor):
    """Gives the clock a point every five iterations, and stops when time is up."""

    def __init__(self, clock, mean, budget):
        self._clock, self._mean, self._budget = clock, mean, budget
        self._n_iter = 0

    def end_iteration(self, parameters, loss):
        self._n_iter += 1
        if self._n_iter % 5 == 0:
            self._clock.point(parameters.translate(self._mean))
        return self._clock.elapsed() > self._budget
