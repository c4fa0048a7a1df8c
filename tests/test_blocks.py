"""Blocks on threads: results in order, BLAS held to one thread meanwhile."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from support import __path__ as support
from threadpoolctl import threadpool_info, threadpool_limits

from skdsm._blocks import block_map, single_threaded_blas


def blas_threads():
    counts = [
        library["num_threads"]
        for library in threadpool_info()
        if library["user_api"] == "blas"
    ]
    assert counts, "no BLAS library is loaded"
    return max(counts)


def in_a_thread_that_ends(function):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result(timeout=30)


@pytest.fixture(autouse=True, params=["nobody", "this thread"])
def _two_blas_threads(request):
    """Else, where one thread is the default, there is nothing to limit.

    Recent versions of threadpoolctl let only one thread set the limit of OpenBLAS and
    ignore the others in silence, until that thread ends or leaves its `with`.
    """
    if request.param == "nobody":
        limits = in_a_thread_that_ends(lambda: threadpool_limits(2, user_api="blas"))
        assert blas_threads() == 2
        yield
        assert blas_threads() == 2
        in_a_thread_that_ends(limits.restore_original_limits)
    else:
        with threadpool_limits(2, user_api="blas"):
            assert blas_threads() == 2
            yield
            assert blas_threads() == 2


@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_results_are_in_order(n_threads):
    first_may_end = threading.Event()

    def work(block, addend):
        if n_threads > 1 and block == 0:
            assert first_may_end.wait(timeout=30)
        if block == 1:
            first_may_end.set()
        return block + addend

    with block_map(n_threads) as map:
        assert list(map(work, range(20), range(0, 200, 10))) == list(range(0, 220, 11))


@pytest.mark.parametrize("n_threads", [1, 3])
def test_blas_has_one_thread_inside(n_threads):
    with block_map(n_threads) as map:
        assert blas_threads() == 1
        assert set(map(lambda _: blas_threads(), range(6))) == {1}
    assert blas_threads() == 2


def test_several_threads_work_at_once():
    barrier = threading.Barrier(3, timeout=30)
    with block_map(3) as map:  # would time out on fewer threads
        assert sorted(map(lambda _: barrier.wait(), range(3))) == [0, 1, 2]


@pytest.mark.parametrize("n_threads", [1, 3])
def test_exception_in_a_block_is_raised_and_lifts_the_limit(n_threads):
    def work(block):
        if block == 3:
            raise KeyError("block 3")
        return block

    with pytest.raises(KeyError, match="block 3"), block_map(n_threads) as map:
        list(map(work, range(6)))
    assert blas_threads() == 2


def test_nested_use_lifts_the_limit_at_the_outermost():
    with single_threaded_blas():
        with single_threaded_blas(), block_map(2):
            assert blas_threads() == 1
        assert blas_threads() == 1
    assert blas_threads() == 2


def test_first_user_to_leave_does_not_lift_the_limit_of_another():
    # the second comes in while the first is inside, and leaves after it
    second_is_in, first_is_out = threading.Event(), threading.Event()

    def second_user():
        with single_threaded_blas():
            second_is_in.set()
            assert first_is_out.wait(timeout=30)
            return blas_threads()

    with ThreadPoolExecutor(1) as pool:
        with single_threaded_blas():
            seen_by_second = pool.submit(second_user)
            assert second_is_in.wait(timeout=30)
        first_is_out.set()
        assert seen_by_second.result(timeout=30) == 1
    assert blas_threads() == 2


def test_many_concurrent_users_leave_the_limits_as_they_were():
    A = np.ones((30, 30))

    def user(index):
        if index % 5 == 0:
            with pytest.raises(ZeroDivisionError), single_threaded_blas():
                raise ZeroDivisionError
            return 1
        with block_map(1 + index % 2) as map:
            list(map(np.matmul, [A] * 3, [A] * 3))
            return blas_threads()

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(user, range(60))) == {1}
    assert blas_threads() == 2


@pytest.mark.parametrize("_two_blas_threads", ["nobody"], indirect=True)
def test_another_thread_may_limit_blas_afterwards():
    with single_threaded_blas():
        pass

    def limited():
        with threadpool_limits(1, user_api="blas"):
            return blas_threads()

    assert in_a_thread_that_ends(limited) == 1
    assert blas_threads() == 2


@pytest.mark.parametrize("_two_blas_threads", ["nobody"], indirect=True)
def test_children_that_are_forked_at_any_moment_fit_and_score():
    """Of threads that fit and score, or inside; with two BLAS threads, as set before.

    Without a word to the operating system about forks, most would hang on a lock that
    was held during the fork, or keep the one thread of others.
    """
    script = Path(*support) / "fork_many_times.py"
    run = subprocess.run(
        [sys.executable, script, "40"], capture_output=True, text=True, timeout=120
    )
    assert run.stdout == "43 answered\n", run.stderr


@pytest.mark.parametrize("state", [{"all": "raise"}, {"all": "ignore"}])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_float_errors_are_handled_as_numpy_does_by_default(n_threads, state):
    default = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}
    with np.errstate(**state):
        before = np.geterr()
        with block_map(n_threads) as map:
            assert np.geterr() == default
            assert list(map(lambda _: np.geterr(), range(3))) == 3 * [default]
        assert np.geterr() == before
