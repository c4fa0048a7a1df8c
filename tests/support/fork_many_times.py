"""Fork while other threads fit and score; every child has to answer within seconds.

Run as a script, as a child would be a copy of pytest otherwise. It prints "N answered".
"""

import os
import random
import signal
import sys
import threading
import time
import warnings

import numpy as np
from threadpoolctl import ThreadpoolController, threadpool_limits

from skdsm import DenoisingScoreMatcher
from skdsm._blocks import single_threaded_blas

warnings.simplefilter("ignore")
X = np.random.default_rng(0).standard_normal((300, 3))
controller = ThreadpoolController()


def blas_threads():
    libraries = controller.info()
    return {lib["num_threads"] for lib in libraries if lib["user_api"] == "blas"}


def fitted(n_jobs=1):
    return DenoisingScoreMatcher(
        4, random_state=0, max_iter=20, tol=1e-2, n_jobs=n_jobs
    ).fit(X)


def for_ever(function):
    def work():
        while True:
            function()

    threading.Thread(target=work, daemon=True).start()


def answers(child, patience=30):
    """Whether a child process ends by itself, and with status zero."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return status == 0
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def fork(work):
    """Fork a child that does some work, which returns whether all is well."""
    pid = os.fork()
    if pid == 0:
        status = 2
        try:
            status = 0 if work() else 1
        finally:
            os._exit(status)
    return pid


def main(n_forks):
    setter = threading.Thread(target=threadpool_limits, args=[2, "blas"])
    setter.start()
    setter.join()
    matcher = fitted()
    expected = matcher.score_samples(X)

    def fits_and_scores(with_fit):
        well = blas_threads() == {2}
        well &= np.array_equal(matcher.score_samples(X), expected)
        if with_fit:
            well &= np.array_equal(fitted(n_jobs=2).score_samples(X), expected)
        return well and blas_threads() == {2}

    def child_of_a_user(with_fit):
        with single_threaded_blas():
            child = fork(lambda: fits_and_scores(with_fit))
        return answers(child)

    def child_that_returns():
        # out of what its parent entered
        with single_threaded_blas():
            if pid := os.fork():
                return answers(pid)
        os._exit(0 if fits_and_scores(with_fit=True) else 1)

    n_answers = sum(child_of_a_user(with_fit) for with_fit in (False, True))
    n_answers += child_that_returns()
    for_ever(lambda: fitted(n_jobs=2))
    for _ in range(2):
        for_ever(lambda: matcher.score_samples(X[:5]))
    for index in range(n_forks):
        time.sleep(0.01 * random.random())
        n_answers += answers(fork(lambda n=index: fits_and_scores(n % 5 == 0)))
        if n_answers < index + 4:  # rather than wait for others
            break
    print(n_answers, "answered")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
