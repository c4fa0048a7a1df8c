"""What is asked of dask: tasks on single blocks, and their results."""

from functools import partial

__all__ = ["compute", "literal", "task"]


def task(function, **constants):
    """Make a function whose calls are tasks.

    Parameters
    ----------
    function : callable
        ``function(*blocks, **constants)``.
    **constants
        Arguments that travel with each call.

    Returns
    -------
    callable
        ``task(*blocks)`` returns a :class:`dask.delayed.Delayed`.
    """
    import dask

    # named anew at each call, without a look at what it is called with
    return dask.delayed(partial(function, **constants), pure=False, traverse=False)


def literal(value):
    """Send a value once, not with every task.

    Parameters
    ----------
    value : object
        The value.

    Returns
    -------
    dask.delayed.Delayed
        What tasks are called with in its place.
    """
    import dask

    return dask.delayed(value, pure=False, traverse=False)


def compute(tasks):
    """Wait for the results of tasks.

    Parameters
    ----------
    tasks : iterable of dask.delayed.Delayed
        The tasks.

    Returns
    -------
    tuple
        Their results, in their order.
    """
    import dask

    # single tasks on blocks: there is nothing to rewrite
    return dask.compute(*tasks, optimize_graph=False)
