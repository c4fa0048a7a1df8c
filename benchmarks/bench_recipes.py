"""Seconds to fit models that rank anomalies, and how fast they then score.

Generated clusters, standardised; wall time, medians of --repeats. The configurations
are in ranking/detectors.py.
"""

import argparse
import time
import warnings

import numpy as np
from common import describe_machine, median_ratios, mixture, standardise
from ranking.detectors import CONFIGURATIONS
from sklearn.exceptions import ConvergenceWarning

from skdsm import DenoisingScoreMatcher


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="*", default=[2000])
    parser.add_argument("--features", type=int, nargs="*", default=[10, 32, 64, 100])
    parser.add_argument(
        "--configurations",
        nargs="*",
        default=["skdsm", "combined", "fixed"],
        choices=CONFIGURATIONS,
    )
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=1)
    args = parser.parse_args()
    describe_machine()
    warnings.simplefilter("ignore", ConvergenceWarning)
    print(f"n_jobs={args.n_jobs}\n")
    print(f"{'':36s} {'fit, seconds':>18s} {'scores, rows per second':>24s}")
    print(
        f"{'rows x features':18s}{'':18s}"
        + " float64  float32"
        + "     float64   float32"
    )
    for n in args.rows:
        for d in args.features:
            rng = np.random.default_rng(0)
            X = standardise(mixture(n, d, 8, max(1, d // 4), rng))
            for name in args.configurations:
                matcher = DenoisingScoreMatcher(
                    **CONFIGURATIONS[name], random_state=0, n_jobs=args.n_jobs
                )
                report(f"{n} x {d}", name, matcher, X, args.repeats)


def report(size, name, matcher, X, repeats):
    """Print a line: both precisions, fit and score."""
    fits, speeds = [], []
    for dtype in (np.float64, np.float32):
        rows = X.astype(dtype)
        seconds = []
        for _ in range(repeats):
            start = time.perf_counter()
            matcher.fit(rows)
            seconds.append(time.perf_counter() - start)
        fits.append(np.median(seconds))
        score = median_ratios({name: lambda rows=rows: matcher.score_samples(rows)})
        speeds.append(len(rows) / score[name][0])
    print(
        f"{size:18s}{name:18s}"
        + "".join(f"{seconds:8.2f} " for seconds in fits)
        + " "
        + "".join(f"{speed:10,.0f}" for speed in speeds),
        flush=True,
    )


if __name__ == "__main__":
    main()
