"""The plan of training: which sample of corrupted rows comes after which.

Sample sizes that grow with the progress of the optimiser follow [1]_: far from the
minimum, a small sample tells the way as well as a large one. Nor need a sample grow to
all rows: its size is enough where a larger one would not pay, see `growth`.

References
----------
.. [1] R. Byrd, G. Chin, J. Nocedal and Y. Wu, "Sample size selection in optimization
   methods for machine learning", Mathematical Programming 134, 2012.
"""

from typing import NamedTuple

__all__ = ["UNQUESTIONED_ROWS", "UNQUESTIONED_SIZE", "Schedule", "Stage"]

# A model overfits a sample of few rows, and under fresh noise much of a run goes into
# undoing that: slow directions need a second run on the same draw.
_RUNS_ON_PART = 2
# Growth up to so many rows goes on unasked, at a price of seconds: a group of a
# thousandth of the rows has a hundred rows then.
UNQUESTIONED_ROWS = 2**17
# Corrupted rows, fewer than UNQUESTIONED_ROWS: from here on, more copies of all rows
# must pay as well.
UNQUESTIONED_SIZE = 2**15


class Stage(NamedTuple):
    """One stage of training.

    It sees the first `n_rows` of the randomly ordered rows, with `n_copies` corrupted
    copies of each, in `n_runs` runs of L-BFGS on the same noise. Each run has a change
    of variables of its own.
    """

    n_rows: int
    n_copies: int
    n_runs: int = 1

    @property
    def size(self):
        """Number of corrupted rows."""
        return self.n_rows * self.n_copies


class Schedule(NamedTuple):
    """How the sample of corrupted rows grows from stage to stage.

    A stage that has improved the loss by much is followed by one like it under fresh
    noise; any other by a larger one. First the rows grow to `n_rows`, by factors of
    four, then the copies of each to `n_copies`, by factors of two; then training ends.
    No stage has fewer than `smallest` corrupted rows, if there are that many. Where
    there are more rows than `unquestioned`, training goes first as on so many rows in
    all, with one copy of each; from there on, the sample grows only as long as that
    pays. So it is with more copies of fewer rows, if these are many. A stage on part of
    the rows is two runs of L-BFGS on the same noise, one on all rows is one run.
    """

    n_rows: int
    n_copies: int
    smallest: int

    @property
    def unquestioned(self):
        """Rows that the sample grows to unasked."""
        return min(self.n_rows, max(UNQUESTIONED_ROWS, self.smallest))

    def first(self):
        """First stage of a fit from scratch: a sample."""
        n_rows = self.unquestioned
        while n_rows // 4 >= self.smallest:
            n_rows //= 4
        return self._stage(n_rows, min(self.n_copies, -(-self.smallest // n_rows)))

    def warm(self):
        """First stage of a warm start: all that is unquestioned."""
        all_rows = self.unquestioned == self.n_rows
        return self._stage(self.unquestioned, self.n_copies if all_rows else 1)

    def last(self):
        """The largest stage: all rows, and all copies."""
        return self._stage(self.n_rows, self.n_copies)

    def after(self, stage, improved, pays=lambda: True):
        """Stage after one that has improved the loss by much, or not; None ends.

        ``pays()`` says, if asked, whether a larger sample would pay.
        """
        if improved:
            return stage
        asked = stage.n_rows >= self.unquestioned and stage.size >= UNQUESTIONED_SIZE
        if asked and not (stage.size < self.last().size and pays()):
            return None
        for bound in (self.unquestioned, self.n_rows):
            if stage.n_rows < bound:
                n_rows = 4 * stage.n_rows
                return self._stage(n_rows if 2 * n_rows <= bound else bound, 1)
        if stage.n_copies < self.n_copies:
            return self._stage(self.n_rows, min(2 * stage.n_copies, self.n_copies))
        return None

    def _stage(self, n_rows, n_copies):
        n_runs = _RUNS_ON_PART if n_rows < self.n_rows else 1
        return Stage(n_rows, n_copies, n_runs)
