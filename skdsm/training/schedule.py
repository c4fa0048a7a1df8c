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

# A model overfits a sample of few rows, and under fresh noise much of a run goes into
# undoing that: slow directions need a second run on the same draw.
_RUNS_ON_PART = 2


class Stage(NamedTuple):
    """One stage of training.

    It sees the first `n_rows` of the randomly ordered rows, with `n_copies` corrupted
    copies of each, in `n_runs` runs of L-BFGS on the same noise. Each run has a change
    of variables of its own.
    """

    n_rows: int
    n_copies: int
    n_runs: int = 1


class Schedule(NamedTuple):
    """How the sample of corrupted rows grows from stage to stage.

    A stage that has improved the loss by much is followed by one like it under fresh
    noise; any other by a larger one. First the rows grow to `n_rows`, by factors of
    four, then the copies of each to `n_copies`, by factors of two; then training ends.
    A stage on part of the rows is two runs of L-BFGS on the same noise, one on all rows
    is one run. No stage has fewer than `smallest` corrupted rows, if there are that
    many.
    """

    n_rows: int
    n_copies: int
    smallest: int

    def first(self):
        """First stage of a fit from scratch: a sample."""
        n_rows = self.n_rows
        while n_rows // 4 >= self.smallest:
            n_rows //= 4
        return self._stage(n_rows, min(self.n_copies, -(-self.smallest // n_rows)))

    def last(self):
        """Only stage of a warm start: all rows, and all copies."""
        return self._stage(self.n_rows, self.n_copies)

    def after(self, stage, improved):
        """Stage after one that has improved the loss by much, or not; None ends."""
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
