"""Which results are asked for, and those of them that are not cached yet."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from common import load_file
from joblib import Parallel, delayed

from ranking.cache import ResultFile, content_hash, fingerprint
from ranking.measure import measure

__all__ = ["Plan", "Task", "progress", "results_of"]


class Task(NamedTuple):
    """One result that is asked for."""

    path: Path
    protocol: str
    seed: int
    max_rows: int
    detector: str


class Plan(NamedTuple):
    """Everything that is asked for of one protocol.

    `detectors` maps names to functions that make a detector from a seed; `seeds` has
    the number of seeds of each.
    """

    paths: list
    protocol: str
    max_rows: int
    detectors: Mapping
    seeds: Mapping

    def tasks(self):
        """Yield (key, task), data set by data set; the key tells results apart."""
        for path in self.paths:
            content = content_hash(*load_file(path))
            for seed in range(max(self.seeds.values(), default=0)):
                for name, make in self.detectors.items():
                    if seed < self.seeds[name]:
                        task = Task(path, self.protocol, seed, self.max_rows, name)
                        version = fingerprint(make(seed))
                        parts = path.stem, content, seed, self.max_rows, name, version
                        yield " ".join(map(str, parts)), task


def results_of(plan, folder, *, n_jobs=1, cached_only=False):
    """Results of a plan: those cached, and then those measured now.

    Parameters
    ----------
    plan : Plan
        What is asked for.
    folder : path-like
        Of the cache; each result is in it as soon as it is there. It does not know
        when protocols or measures change: delete it then.
    n_jobs : int
        Processes, of one core each.
    cached_only : bool
        Whether to measure nothing.

    Returns
    -------
    list of dict
        In the order of the plan. What failed is printed, and neither returned nor
        cached: the next run tries again.
    """
    known = ResultFile(Path(folder) / f"{plan.protocol}.jsonl")
    asked = dict(plan.tasks())
    missing = [key for key in asked if known.get(key) is None]
    if missing and not cached_only:
        progress(
            f"{plan.protocol}: {len(asked) - len(missing)} results are cached, "
            f"{len(missing)} to measure"
        )
        pending = Parallel(n_jobs, return_as="generator_unordered")(
            delayed(_run)(key, asked[key], plan.detectors[asked[key].detector])
            for key in missing
        )
        for count, (key, result) in enumerate(pending, 1):
            progress(f"{plan.protocol} {count}/{len(missing)} {_described(result)}")
            if "error" not in result:
                known.add(key, result)
    return [result for key in asked if (result := known.get(key)) is not None]


def progress(line):
    """Print a line to the standard error: the standard output is for tables."""
    print(line, file=sys.stderr, flush=True)


def _run(key, task, make):
    labels = {"data": task.path.stem, "seed": task.seed, "detector": task.detector}
    arguments = *load_file(task.path), task.protocol, task.seed, task.max_rows
    try:
        result = measure(make(task.seed), *arguments)
    except Exception as error:  # of one detector on one data set: the others go on
        result = {"error": f"{type(error).__name__}: {error}"}
    return key, labels | result


def _described(result):
    head = f"{result['data']:12s} seed {result['seed']} {result['detector']:8s}"
    if "error" in result:
        return f"{head} failed: {result['error']}"
    return (
        f"{head} ROC AUC {result['roc_auc']:.3f}  "
        f"average precision {result['average_precision']:.3f}  "
        f"fit {result['fit_seconds']:.2f} s  {' '.join(result['warnings'])}"
    )
