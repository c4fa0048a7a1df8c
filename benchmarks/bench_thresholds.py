"""Rules for the threshold: false alarms on fresh normal rows, and anomalies detected.

One-class protocol, on a folder of NAME.npz files that hold X and y, with y = 1 for
anomalies; and the same with one training row in ten replaced by an anomaly. The rules
that need nothing but the training scores are compared with a conformal threshold, for
which half of the training rows are held out.
"""

import argparse
import sys

import numpy as np
from common import describe_machine, folder_given, load_folder
from ranking.protocols import one_class_rows
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from skdsm import DenoisingScoreMatcher
from skdsm.detection.conformal import conformal_threshold

CONTAMINATION = 0.1


def tukey(scores):
    q1, q3 = np.quantile(scores, [0.25, 0.75])
    return q1 - 1.5 * (q3 - q1)


def lower_half(scores):
    """Kimber (1990): as Tukey's for symmetric scores, but from the lower half only."""
    q1, q2 = np.quantile(scores, [0.25, 0.5])
    return q2 - 4 * (q2 - q1)


def medcouple(scores):
    """Robust skewness in [-1, 1] (Brys, Hubert and Struyf 2004), brute force."""
    centred = np.sort(scores) - np.median(scores)
    above, below = centred[centred > 0][:, None], centred[centred < 0]
    return np.median((above + below) / (above - below))


def adjusted(scores):
    """Lower fence of the adjusted box plot (Hubert and Vandervieren 2008)."""
    q1, q3 = np.quantile(scores, [0.25, 0.75])
    skewness = medcouple(scores)
    rate = -4 if skewness >= 0 else -3
    return q1 - 1.5 * np.exp(rate * skewness) * (q3 - q1)


RULES = {
    "contamination=0.1": lambda scores: np.quantile(scores, 0.1),
    "Tukey": tukey,
    "lower half": lower_half,
    "adjusted box plot": adjusted,
}


def rates(scores, y, threshold):
    below = scores < threshold
    return below[y == 0].mean(), below[y == 1].mean()


def evaluate(train, test, y, model):
    """False alarms and detections, by rule."""
    fitted = model().fit(train)
    seen, scores = fitted.score_samples(train), fitted.score_samples(test)
    results = {name: rates(scores, y, rule(seen)) for name, rule in RULES.items()}
    half = len(train) // 2
    fitted = model().fit(train[:half])
    threshold = conformal_threshold(fitted.score_samples(train[half:]), 0.05)
    results["conformal, alpha=0.05"] = rates(fitted.score_samples(test), y, threshold)
    return results


def contaminate(train, test, y, n, rng):
    """Replace n training rows by anomalies, at most half of all, not tested then."""
    anomalies = np.flatnonzero(y == 1)
    n = min(n, len(anomalies) // 2)
    moved = rng.permutation(anomalies)[:n]
    kept = np.setdiff1d(np.arange(len(y)), moved)
    train = rng.permutation(np.concatenate([train[n:], test[moved]]))
    return train, test[kept], y[kept]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", help="with NAME.npz files")
    parser.add_argument("--rows", type=int, default=2000, help="training rows at most")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tol", type=float, default=3e-3, help="of training")
    args = parser.parse_args()
    if not folder_given(args):
        return
    describe_machine()
    tables = {"normal training rows": [], "one anomaly in ten": []}
    for name, X, y in load_folder(args.folder):
        for seed in range(args.seeds):

            def model(seed=seed):
                matcher = DenoisingScoreMatcher(
                    sigma=0.5, gains="unit", tol=args.tol, random_state=seed
                )
                return make_pipeline(StandardScaler(), matcher)

            clean = one_class_rows(X, y, seed, args.rows)
            n = int(CONTAMINATION * len(clean[0]))
            dirty = contaminate(*clean, n, np.random.default_rng(seed))
            with threadpool_limits(1):
                for table, rows in zip(tables.values(), (clean, dirty), strict=True):
                    table.append(evaluate(*rows, model))
        print(f"{name} done", file=sys.stderr)
    for title, table in tables.items():
        print(f"\n{title}, {len(table)} data sets and seeds")
        print(f"{'':24}false alarms: mean  10 %  90 %   detected   difference")
        for rule in table[0]:
            alarms, detected = np.array([row[rule] for row in table]).T
            low, high = np.quantile(alarms, [0.1, 0.9])
            print(
                f"{rule:24}{alarms.mean():18.3f} {low:5.3f} {high:5.3f} "
                f"{detected.mean():10.3f} {np.mean(detected - alarms):12.3f}"
            )


if __name__ == "__main__":
    main()
