"""Fits on workers in processes of their own: one model, whoever does what, or dies."""

import os
import signal

import dask
import dask.array as da
import numpy as np
import pytest
from distributed import Client, LocalCluster, default_client
from support.quick_fits import assert_same_model, quick

from skdsm._sklearn.dask_backend import has_cluster
from skdsm.rows import base, dask_risk

SHAPE, N_BLOCKS = (6000, 3), 6

# which is meant
pytestmark = pytest.mark.filterwarnings("ignore:Training did not converge")


@pytest.fixture(scope="module")
def cluster():
    """Two workers, of one thread each."""
    with (
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            dashboard_address=":0",
            silence_logs="CRITICAL",
        ) as cluster,
        # not as the default client of other test files
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture
def client(cluster):
    cluster.wait_for_workers(2)
    with cluster.as_current():
        yield cluster


@pytest.fixture(autouse=True)
def small_limits(monkeypatch):
    """So that all stages are evaluated where the blocks are, and sums are trees."""
    set_limits(monkeypatch)


def set_limits(patch):
    patch.setattr(base, "_GATHERED_BYTES", 2**12)
    patch.setattr(dask_risk, "_FAN_IN", 2)


def rows():
    """Six blocks, which are drawn where they are needed."""
    rng = da.random.default_rng(0)
    noise = rng.standard_normal(SHAPE, chunks=(SHAPE[0] // N_BLOCKS, -1))
    return 0.3 * noise + np.sign(noise[:, :1])


def fit(X, callback=None):
    matcher = quick(max_iter=33)  # a stage of 30 iterations, and the next
    if callback is not None:
        matcher.set_callbacks(callback)
    return matcher.fit(X)


@pytest.fixture(scope="module")
def here():
    """The model that this process fits alone."""
    with pytest.MonkeyPatch.context() as patch, dask.config.set(scheduler="sync"):
        set_limits(patch)
        return fit(rows())


class AtIteration:
    """Does something at the end of an iteration."""

    def __init__(self, number, action):
        self.number, self.action, self.count = number, action, 0

    def setup(self, estimator, context):
        pass

    teardown = setup

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        self.count += context.task_name == "lbfgs-iter"
        if self.count == self.number:
            self.count += 1
            self.action()


def test_workers_fit_the_model_of_one_process(client, here):
    assert has_cluster()
    counted = AtIteration(-1, None)
    assert_same_model(fit(rows(), counted), here)
    assert counted.count == here.n_iter_ == 33


def test_where_blocks_run_changes_no_bit(client, here):
    """All on one worker, or dealt out to both by turns."""
    workers = list(client.scheduler_info()["workers"])
    with dask.annotate(workers=workers[:1], allow_other_workers=False):
        alone = rows().persist(optimize_graph=False)
    assert_same_model(fit(alone), here)
    dealt = [
        client.persist(rows().blocks[i], workers=workers[i % 2])
        for i in range(N_BLOCKS)
    ]
    assert_same_model(fit(da.concatenate(dealt)), here)


def test_errors_of_workers_reach_the_client(client):
    with pytest.raises(ValueError, match="Input X contains NaN"):
        fit(rows().map_blocks(np.sqrt))
    with pytest.raises(ValueError, match="rescale"):
        fit(rows() * 1e200)


def test_queries_are_evaluated_by_workers(client, here):
    given = rows()
    in_memory = given.compute()
    for query in ("score_samples", "predict", "transform", "reconstruct"):
        result = getattr(here, query)(given)
        np.testing.assert_allclose(
            result.compute(), getattr(here, query)(in_memory), rtol=1e-12, atol=1e-12
        )


def test_a_killed_worker_does_not_change_the_fit(client, here):
    """Its rows are drawn again; its share of an evaluation is done by the other.

    The last test of the cluster, which need not have two workers again.
    """
    pids = client.run(os.getpid).values()
    assert len(pids) == 2
    victim = min(pids)
    killer = AtIteration(20, lambda: os.kill(victim, signal.SIGKILL))
    assert_same_model(fit(rows(), killer), here)
    assert killer.count > 20
    assert victim not in client.run(os.getpid).values()


def test_other_files_see_no_client():
    with pytest.raises(ValueError, match="No client"):
        default_client()
