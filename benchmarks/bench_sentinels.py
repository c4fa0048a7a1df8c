"""Sentinel values among the training rows: are these rows the lowest of all?

Rows are standard normal, except a few of which one column holds a value such as 999999:
a code for "missing", or an error of transmission. Columns are then scaled. Kinds:

- one: a single row;
- equal: a group of equal rows, three or a five-hundredth of all;
- column: as many rows that share the value in one column, and differ in the others;
- spread: ten rows, at values that differ by up to half;
- two: two rows, in two columns and of two signs.

A trial is passed if each of these rows scores below each other row. `new` is the same
without the rows in training: they come when rows are scored. The table counts trials
that are passed, and those in which a sentinel is among the most normal tenth.
"""

import argparse
import itertools
import time
import warnings

import numpy as np
from common import describe_machine
from joblib import Parallel, delayed
from ranking.adapters import LocalFactor, Neighbours
from sklearn.ensemble import IsolationForest
from sklearn.preprocessing import RobustScaler, StandardScaler
from threadpoolctl import threadpool_limits

from skdsm import DenoisingScoreMatcher

SCALERS = {"standard": StandardScaler, "robust": RobustScaler}
KINDS = ("one", "equal", "column", "spread", "two")
RANKINGS = ("energy", "score_norm")  # of one fit


DETECTORS = {
    "skdsm": lambda seed: DenoisingScoreMatcher(random_state=seed),
    "combined": lambda seed: DenoisingScoreMatcher(
        ranking="combined", random_state=seed
    ),
    "IForest": lambda seed: IsolationForest(random_state=seed),
    "kNN": lambda seed: Neighbours(),
    "LOF": lambda seed: LocalFactor(novelty=True),
}


def sentinel_rows(n, d, value, kind, rng):
    """Normal rows of which the first few are sentinels, and how many of them are."""
    X = rng.standard_normal((n, d))
    group = max(3, n // 500)
    if kind == "one":
        count = 1
        X[0, 0] = value
    elif kind == "equal":
        count = group
        X[:count] = X[0]
        X[:count, 0] = value
    elif kind == "column":
        count = group
        X[:count, 0] = value
    elif kind == "spread":
        count = 10
        X[:count, 0] = value * rng.uniform(0.5, 1.5, count)
    else:
        count = 2
        X[0, 0], X[1, min(1, d - 1)] = value, -value
    return X, count


def scores_of(detector, X, in_training):
    """Scores of rows X by ranking; of the training rows as the detector ranks these."""
    if isinstance(detector, IsolationForest | Neighbours | LocalFactor):
        if in_training and hasattr(detector, "training_scores"):
            return {"": detector.training_scores()}
        return {"": detector.score_samples(X)}
    if detector.ranking == "combined":
        return {"": detector.score_samples(X)}
    scores = {}
    for ranking in RANKINGS:
        detector.ranking = ranking
        scores[ranking] = detector.score_samples(X)
    return scores


def trial(name, n, d, scaler, value, kind, seed, new):
    """Passed, and most normal, by name of the detector and its ranking."""
    X, count = sentinel_rows(n, d, value, kind, np.random.default_rng(seed))
    training = X[count:] if new else X
    scale = SCALERS[scaler]().fit(training)
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        detector = DETECTORS[name](seed).fit(scale.transform(training))
        scores = scores_of(detector, scale.transform(X), not new)
    results = {}
    for ranking, score in scores.items():
        lowest = score[:count].max() < score[count:].min()
        normal = (score[:count] > np.quantile(score[count:], 0.9)).any()
        results[f"{name} {ranking}".strip()] = bool(lowest), bool(normal)
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", nargs="+", type=int, default=[500, 5000, 50_000])
    parser.add_argument("--columns", nargs="+", type=int, default=[1, 4, 20])
    parser.add_argument("--scalers", nargs="+", choices=SCALERS, default=list(SCALERS))
    parser.add_argument(
        "--values", nargs="+", type=float, default=[999, 99999, 1e9, -1e6]
    )
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument(
        "--detectors", nargs="+", choices=DETECTORS, default=list(DETECTORS)
    )
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--new", action="store_true", help="sentinels come later")
    parser.add_argument("--failures", action="store_true", help="name each of them")
    parser.add_argument("--jobs", type=int, default=1, help="fits at a time")
    args = parser.parse_args()
    describe_machine()
    print("trials in which the sentinels are lowest / among the most normal tenth")
    for n, d, name in itertools.product(args.rows, args.columns, args.detectors):
        begin = time.perf_counter()
        settings = [
            (scaler, value, kind, seed)
            for scaler in args.scalers
            for value in args.values
            for kind in args.kinds
            for seed in range(args.seeds)
        ]
        results = Parallel(args.jobs)(
            delayed(trial)(name, n, d, *setting, args.new) for setting in settings
        )
        for ranking in results[0]:
            lowest, normal = np.sum([result[ranking] for result in results], axis=0)
            print(
                f"{n:7d} x {d:<3d} {ranking:18s} {lowest:4d} /{normal:4d} of "
                f"{len(results)}",
                flush=True,
            )
            if args.failures:
                for setting, result in zip(settings, results, strict=True):
                    if not result[ranking][0]:
                        print(f"{'':14s}failed: {setting}")
        print(f"{'':14s}{time.perf_counter() - begin:.0f} s", flush=True)


if __name__ == "__main__":
    main()
