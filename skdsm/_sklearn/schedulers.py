"""Where work runs: threads of this process, and the scheduler of dask."""

from joblib import cpu_count, effective_n_jobs

__all__ = ["check_dask_scheduler", "local_threads"]


def local_threads(n_jobs):
    """Number of threads that `n_jobs` asks for, none of which can be elsewhere.

    joblib's backend for dask counts the cores of a cluster, whatever `n_jobs` says.
    """
    n_threads = effective_n_jobs(n_jobs)
    if n_threads == 1:  # the count below takes a tenth of a millisecond
        return 1
    is_count = n_jobs is not None and n_jobs > 0
    return min(n_threads, n_jobs if is_count else cpu_count())


def check_dask_scheduler():
    """Refuse to train where every evaluation would start new processes."""
    import dask.base
    import dask.multiprocessing

    if dask.base.get_scheduler() is dask.multiprocessing.get:
        raise ValueError(
            "X is a dask collection, and dask's scheduler is 'processes', which takes "
            "seconds for each of the many evaluations of a fit. Please call "
            "dask.config.set(scheduler='threads'), or start a distributed client."
        )
