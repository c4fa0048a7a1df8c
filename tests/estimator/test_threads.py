"""n_jobs counts threads of this process, whatever backend of joblib is active."""

import joblib
import pytest
from joblib._parallel_backends import ThreadingBackend
from joblib.parallel import register_parallel_backend
from support.quick_fits import normal_rows, quick

from skdsm import _blocks
from skdsm._sklearn.schedulers import local_threads


class Cluster(ThreadingBackend):
    """Answers as joblib's backend for dask does: by the cores of all workers."""

    def effective_n_jobs(self, n_jobs):
        return 10_000


register_parallel_backend("cluster of this test", Cluster)


@pytest.fixture
def cluster():
    with joblib.parallel_config("cluster of this test"):
        yield


def test_threads_are_as_many_as_are_asked_for():
    assert local_threads(None) == local_threads(1) == 1
    assert local_threads(3) == 3
    assert local_threads(-1) == joblib.cpu_count()
    with joblib.parallel_config("threading", n_jobs=2):
        assert local_threads(None) == min(2, joblib.cpu_count())


@pytest.mark.usefixtures("cluster")
def test_threads_are_not_as_many_as_a_cluster_has():
    assert joblib.effective_n_jobs(None) == 10_000
    assert local_threads(None) == local_threads(-1) == joblib.cpu_count()
    assert local_threads(1) == 1
    assert local_threads(2) == 2


@pytest.mark.usefixtures("cluster")
def test_a_fit_beside_a_cluster_opens_no_more_threads(monkeypatch):
    opened = []

    class Pool(_blocks.ThreadPoolExecutor):
        def __init__(self, max_workers):
            opened.append(max_workers)
            super().__init__(max_workers)

    monkeypatch.setattr(_blocks, "ThreadPoolExecutor", Pool)
    X = normal_rows()
    matcher = quick(12).fit(X).fit_threshold(X)
    matcher.score_samples(X)
    matcher.log_partition(max_islands=2, tolerance=1.0)
    quick(n_jobs=2).fit(X)
    assert opened
    assert opened[-1] == 2
    assert max(opened) <= max(2, joblib.cpu_count())
