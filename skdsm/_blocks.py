"""Threads over blocks of rows, with results that do not depend on their number."""

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
    "row_blocks",
    "single_threaded_blas",
]

_lock = threading.Lock()
_users = 0
_limits = None


@cache
def _controller():
    """Finding the loaded libraries takes a millisecond: once is enough."""
    return ThreadpoolController()


def _release_control():
    """Let the next thread that asks set the limits of OpenBLAS.

    Since threadpoolctl 3.8 the first thread to set them is the only one that can.
    """
    release = getattr(OpenBLASController, "clear_controlling_thread", None)
    if release is not None:
        release(force=True)


@contextmanager
def single_threaded_blas():
    """Hold the BLAS library to one thread, in this process, while any caller is inside.

    How a library splits a product over its threads can change the last bit; one thread
    a product, and threads over fixed blocks instead, makes results reproducible. The
    limit is a property of the process: it is set by the first caller to come in and
    lifted by the last to go, so that concurrent fits do not lift each other's. These
    may be different threads, so that neither keeps threadpoolctl's control over
    OpenBLAS, which belongs to one thread at a time.

    Yields
    ------
    None
        Nothing.
    """
    global _users, _limits
    with _lock:
        if _users == 0:
            _release_control()
            _limits = _controller().limit(limits=1, user_api="blas")
        _users += 1
        _release_control()
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                _release_control()
                _limits.restore_original_limits()
                _limits = None
            _release_control()


@contextmanager
def block_map(n_threads):
    """Make a ``map`` over independent blocks, on threads if there are several.

    Parameters
    ----------
    n_threads : int
        Number of threads; one needs none.

    Yields
    ------
    callable
        ``map(function, *iterables)``, with results in order.
    """
    with single_threaded_blas():
        if n_threads == 1:
            yield map
        else:
            with ThreadPoolExecutor(n_threads) as pool:
                yield pool.map


def row_blocks(n_rows, size):
    """Split a range of rows into consecutive blocks.

    Parameters
    ----------
    n_rows : int
        Number of rows.
    size : int
        Rows in each block but the last.

    Returns
    -------
    list of slice
        Blocks that cover ``range(n_rows)`` in order.
    """
    return [slice(i, min(i + size, n_rows)) for i in range(0, n_rows, size)]


def aligned_empty(shape, dtype):
    """Allocate an array that starts on a cache line: other stores cost double.

    Parameters
    ----------
    shape : tuple of int
        Its shape.
    dtype : dtype
        Its type.

    Returns
    -------
    ndarray
        Uninitialised, C-contiguous.
    """
    n_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.empty(n_bytes + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + n_bytes].view(dtype).reshape(shape)


def aligned_copy(array, dtype):
    """Copy an array to one that starts on a cache line.

    Parameters
    ----------
    array : ndarray
        What to copy.
    dtype : dtype
        Type to round it to.

    Returns
    -------
    ndarray
        The copy, C-contiguous.
    """
    out = aligned_empty(array.shape, dtype)
    out[:] = array
    return out
