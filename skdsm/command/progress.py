"""Lines on stderr that tell what the command is doing."""

import sys
import time
from contextlib import contextmanager

__all__ = ["Progress"]


class Progress:
    """Steps of the command, and the stages of a fit as one of scikit-learn's callbacks.

    On a terminal the line of a step grows while it runs.
    """

    def __init__(self, is_quiet=False):
        self._is_quiet = is_quiet
        self._n_stages = 0

    @contextmanager
    def step(self, name):
        """Announce a step, and how long it took."""
        self._name, self._start = name, time.perf_counter()
        self._write(f"{name} ...")
        try:
            yield
        except BaseException:
            self._write("")  # the error has a line of its own
            raise
        self._write(f"{name}: {time.perf_counter() - self._start:.1f} s", "\n")

    def note(self, text):
        """Write a line."""
        self._write(f"note: {text}", "\n")

    def _write(self, text, end=""):
        if self._is_quiet:
            return
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\x1b[K{text}{end}")
        elif end:
            sys.stderr.write(f"{text}{end}")
        sys.stderr.flush()

    def setup(self, estimator, context):
        """Begin to follow a fit."""
        self._n_stages = 0

    def teardown(self, estimator, context):
        """Cease to follow a fit."""

    def on_fit_task_begin(self, estimator, context):
        """Take note of a task of a fit."""

    def on_fit_task_end(self, estimator, context):
        """Say how many stages are done."""
        if context.task_name == "stage":
            self._n_stages += 1
            seconds = time.perf_counter() - self._start
            self._write(f"{self._name} ... {self._n_stages} stages, {seconds:.0f} s")
