"""Threads over blocks of rows, with results that do not depend on their number.

The state that results could depend on is fixed while the package computes: BLAS has one
thread, and NumPy's handling of floating-point errors is the default.
"""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache

import numpy as np
from threadpoolctl import OpenBLASController, ThreadpoolController

__all__ = [
    "aligned_copy",
    "aligned_empty",
    "block_map",
    "default_float_errors",
    "row_blocks",
    "single_threaded_blas",
]


def default_float_errors() -> np.errstate:
    """NumPy's default handling of floating-point errors, whatever the caller has set.

    Underflow and the like are part of the arithmetic here; a context or a decorator.
    """
    return np.errstate(divide="warn", over="warn", under="ignore", invalid="warn")


class _BlasLimit:
    """Limit of one thread, which the first user sets and the last lifts.

    A limit is a property of the process, so that concurrent users share it, and they
    may be different threads. threadpoolctl lets one thread at a time control OpenBLAS;
    nobody keeps that control here.
    """

    def __init__(self):
        # reentrant, as a signal handler may fork while this thread is inside
        self._lock = threading.RLock()
        self._n_users = 0
        self._limits = None
        self._n_forks = 0  # between the first process and this one

    def enter(self):
        """Become a user; the result is for `leave`."""
        with self._lock:
            if self._n_users == 0:
                _release_control()
                self._limits = _controller().limit(limits=1, user_api="blas")
            self._n_users += 1
            _release_control()
            return self._n_forks

    def leave(self, n_forks):
        with self._lock:
            if n_forks != self._n_forks:  # a child leaves what its parent entered
                return
            self._n_users -= 1
            if self._n_users == 0:
                self._lift()

    def before_fork(self):
        """Wait until no other thread changes the limit: a child gets free locks."""
        self._lock.acquire()
        _control_lock().acquire()

    def after_fork_in_parent(self):
        _control_lock().release()
        self._lock.release()

    def after_fork_in_child(self):
        """Give BLAS back: a child has none of the threads that were users.

        Nor does the thread that forked stay one: children seldom return from there.
        """
        self.after_fork_in_parent()
        self._n_forks += 1
        if self._n_users:
            self._n_users = 0
            self._lift()

    def _lift(self):
        _release_control()
        self._limits.restore_original_limits()
        self._limits = None
        _release_control()


@cache
def _controller():
    """Finding the loaded libraries takes a millisecond: once is enough."""
    return ThreadpoolController()


def _release_control():
    """Let the next thread that asks set the limits of OpenBLAS (threadpoolctl 3.8)."""
    release = getattr(OpenBLASController, "clear_controlling_thread", None)
    if release is not None:
        release(force=True)


@cache
def _control_lock():
    """threadpoolctl's own lock, which its other users may hold during a fork."""
    state = getattr(OpenBLASController, "_SHARED_STATE", None)
    return getattr(state, "lock", None) or threading.Lock()


_blas_limit = _BlasLimit()
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(
        before=_blas_limit.before_fork,
        after_in_parent=_blas_limit.after_fork_in_parent,
        after_in_child=_blas_limit.after_fork_in_child,
    )


@contextmanager
def single_threaded_blas():
    """Hold BLAS to one thread while any thread is inside, with NumPy's default errors.

    How BLAS splits a product over its threads can change the last bit. One thread per
    product, and threads over fixed blocks instead, makes results reproducible.
    """
    n_forks = _blas_limit.enter()
    try:
        with default_float_errors():
            yield
    finally:
        _blas_limit.leave(n_forks)


@contextmanager
def block_map(n_threads):
    """Make an ordered ``map(function, *iterables)``, on threads if several."""
    with single_threaded_blas():
        if n_threads == 1:
            yield map
        else:
            with ThreadPoolExecutor(n_threads) as pool:
                yield pool.map


def row_blocks(n_rows, size):
    """Split ``range(n_rows)`` into consecutive slices of at most `size` rows."""
    return [slice(i, min(i + size, n_rows)) for i in range(0, n_rows, size)]


def aligned_empty(shape, dtype):
    """Allocate an array that starts on a cache line: other stores cost double."""
    n_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.empty(n_bytes + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + n_bytes].view(dtype).reshape(shape)


def aligned_copy(array, dtype):
    """Copy an array to one that starts on a cache line, rounded to a type."""
    out = aligned_empty(array.shape, dtype)
    out[:] = array
    return out
