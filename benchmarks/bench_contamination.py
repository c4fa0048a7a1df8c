"""Anomalies among the training rows: rankings and screening, by their share.

One-class protocol, on a folder of NAME.npz files that hold X and y, with y = 1 for
anomalies: half of the normal rows train, standardised, and a share of them is replaced
by anomalies, at most half of all; the rest is ranked. Nearest neighbours, for
comparison, leave no row out.
"""

import argparse
import sys

import numpy as np
from bench_thresholds import contaminate
from common import describe_machine, folder_given, load_folder
from joblib import Parallel, delayed
from ranking.adapters import Neighbours
from ranking.protocols import one_class_rows
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from skdsm import DenoisingScoreMatcher


def evaluate(split, share, seed):
    n = round(share * len(split[0]))
    train, test, y = contaminate(*split, n, np.random.default_rng(seed))
    scaler = StandardScaler().fit(train)
    train, test = scaler.transform(train), scaler.transform(test)
    results = {}
    with threadpool_limits(1):
        for screening in (True, False):
            # of one fit both rankings can be had
            matcher = DenoisingScoreMatcher(
                ranking="combined", screening=screening, random_state=seed
            ).fit(train.astype(np.float32))
            rows = test.astype(np.float32)
            name = f"energy, screening={screening}"
            results[name] = roc_auc_score(y, matcher.energy(rows))
            if screening:
                results["combined"] = roc_auc_score(y, -matcher.score_samples(rows))
        neighbours = Neighbours().fit(train)
        results["kNN"] = roc_auc_score(y, -neighbours.score_samples(test))
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", help="with NAME.npz files")
    parser.add_argument("--rows", type=int, default=1000, help="training rows at most")
    parser.add_argument(
        "--shares", type=float, nargs="*", default=[0, 0.01, 0.05, 0.1, 0.2]
    )
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    args = parser.parse_args()
    if not folder_given(args):
        return
    splits = [
        (one_class_rows(X, y, seed, args.rows), seed)
        for _, X, y in load_folder(args.folder)
        for seed in range(args.seeds)
    ]
    describe_machine()
    print(f"mean ROC AUC of {len(splits)} data sets and seeds, by share of anomalies")
    table = {}
    for share in args.shares:
        runs = Parallel(args.jobs)(
            delayed(evaluate)(split, share, seed) for split, seed in splits
        )
        for name in runs[0]:
            mean = np.mean([run[name] for run in runs])
            table.setdefault(name, []).append(mean)
        print(f"{share:.0%} done", file=sys.stderr, flush=True)
    print(" " * 34 + "".join(f"{share:8.0%}" for share in args.shares))
    for name, means in table.items():
        print(f"{name:34}" + "".join(f"{mean:8.3f}" for mean in means))


if __name__ == "__main__":
    main()
