"""What is asked of dask: tasks on single blocks, and their results."""

from functools import partial

__all__ = ["compute", "literal", "persist_results", "task"]


def task(function, **constants):
    """Make ``task(*blocks)``, a delayed call of ``function(*blocks, **constants)``."""
    import dask

    # named anew at each call, without a look at what it is called with
    return dask.delayed(partial(function, **constants), pure=False, traverse=False)


def literal(value):
    """Wrap an argument so that it is sent once, not with every task."""
    import dask

    return dask.delayed(value, pure=False, traverse=False)


def compute(tasks):
    """Wait for the results of tasks, a tuple in their order."""
    import dask

    # single tasks on blocks: there is nothing to rewrite
    return dask.compute(*tasks, optimize_graph=False)


def persist_results(tasks):
    """Start tasks whose results stay where they are, a tuple in their order."""
    import dask

    return dask.persist(*tasks, optimize_graph=False)
