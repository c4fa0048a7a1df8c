"""The plan of training: which sample of corrupted rows comes after which.

Sample sizes that grow with the progress of the optimiser follow [1]_: far from the
minimum, a small sample tells the way as well as a large one.

References
----------
.. [1] R. Byrd, G. Chin, J. Nocedal and Y. Wu, "Sample size selection in optimization
   methods for machine learning", Mathematical Programming 134, 2012.
"""

from typing import NamedTuple

__all__ = ["Schedule", "Stage"]

# a sample of few rows is partly learned by heart, and under fresh noise much of a run
# goes into forgetting: slow directions need a second run on the same draw
_RUNS_ON_PART = 2


class Stage(NamedTuple):
    """One stage of training.

    Attributes
    ----------
    n_rows : int
        How many of the (randomly ordered) rows it sees.
    n_copies : int
        Corrupted copies of each of them.
    n_runs : int
        Runs of L-BFGS on the same noise, each with a change of variables of its own.
    """

    n_rows: int
    n_copies: int
    n_runs: int = 1


class Schedule(NamedTuple):
    """How the sample of corrupted rows grows from stage to stage.

    A stage that has brought much is followed by one like it under fresh noise; one that
    has brought little, by a larger one. First the rows grow, by factors of four, then
    the corrupted copies of each, by factors of two; then training ends. A stage on part
    of the rows is two runs of L-BFGS on the same noise, one on all rows is one run.

    Attributes
    ----------
    n_rows : int
        All rows.
    n_copies : int
        Corrupted copies of each row, at most.
    smallest : int
        Corrupted rows of a stage, at least, as far as `n_rows` and `n_copies` allow.
    """

    n_rows: int
    n_copies: int
    smallest: int

    def first(self):
        """Begin with a sample.

        Returns
        -------
        Stage
            The first stage of a fit from scratch.
        """
        n_rows = self.n_rows
        while n_rows // 4 >= self.smallest:
            n_rows //= 4
        return self._stage(n_rows, min(self.n_copies, -(-self.smallest // n_rows)))

    def last(self):
        """Begin at the end.

        Returns
        -------
        Stage
            All rows, and all copies: the only stage of a warm start.
        """
        return self._stage(self.n_rows, self.n_copies)

    def after(self, stage, improved):
        """Go on from a stage.

        Parameters
        ----------
        stage : Stage
            The stage that has ended.
        improved : bool
            Whether it has brought much.

        Returns
        -------
        Stage or None
            The next one; None at the end.
        """
        if improved:
            return stage
        if stage.n_rows < self.n_rows:
            n_rows = 4 * stage.n_rows
            return self._stage(n_rows if 2 * n_rows <= self.n_rows else self.n_rows, 1)
        if stage.n_copies < self.n_copies:
            return self._stage(self.n_rows, min(2 * stage.n_copies, self.n_copies))
        return None

    def _stage(self, n_rows, n_copies):
        n_runs = _RUNS_ON_PART if n_rows < self.n_rows else 1
        return Stage(n_rows, n_copies, n_runs)
