"""One gross outlier among the training rows: how often is it found?

The rows are standard normal except one, which some of its features put far out;
columns are then standardised. Found: it is among the two per cent with the lowest
scores.
"""

import argparse

import numpy as np
from common import describe_machine
from joblib import Parallel, delayed
from ranking.detectors import DETECTORS
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from skdsm import DenoisingScoreMatcher

# rows, features, and how many of these are how large in the outlier
CASES = [
    (2000, 8, 8, 6.0),
    (400, 8, 8, 6.0),
    (500, 20, 5, 8.0),
    (2000, 3, 2, 8.0),
]
LEVELS = (0.5, (0.5, 1.0), (0.05, 1.0), (0.05, 3.0))
# noise of one level and of ranges, both kinds of gains, few units; without matching
KINDS = {
    "128 units, unit": {"gains": "unit"},
    "128 units, unmatched": {"energy_matching": 0.0},
    "128 units": {},
    "32 units": {"n_components": 32},
}
MATCHERS = {
    f"{kind}, sigma={sigma}": {**parameters, "sigma": sigma}
    for kind, parameters in KINDS.items()
    for sigma in LEVELS
}
OTHERS = ["combined", "IForest", "kNN", "KDE"]


def is_found(detector, case, seed):
    n, d, n_moved, size = case
    X = np.random.default_rng(seed).standard_normal((n, d))
    X[0, :n_moved], X[0, n_moved:] = size, 0
    X = StandardScaler().fit_transform(X).astype(np.float32)
    with threadpool_limits(1):
        scores = detector.fit(X).score_samples(X)
    return (scores < scores[0]).mean() <= 0.02


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--n-jobs", type=int, default=2, help="fits at a time")
    args = parser.parse_args()
    describe_machine()
    detectors = {
        name: lambda seed, arguments=arguments: DenoisingScoreMatcher(
            **arguments, random_state=seed
        )
        for name, arguments in MATCHERS.items()
    } | {name: DETECTORS[name].make for name in OTHERS}
    print(f"\nfound, of {args.seeds} trials each\n")
    heads = "".join(f"{f'{n} x {d}, {k} at {size:g}':>19s}" for n, d, k, size in CASES)
    print(f"{'':38s}{heads}")
    parallel = Parallel(args.n_jobs)
    for name, make in detectors.items():
        found = parallel(
            delayed(is_found)(make(seed), case, seed)
            for case in CASES
            for seed in range(args.seeds)
        )
        counts = np.reshape(found, (len(CASES), args.seeds)).sum(axis=1)
        print(f"{name:38s}" + "".join(f"{count:19d}" for count in counts), flush=True)


if __name__ == "__main__":
    main()
