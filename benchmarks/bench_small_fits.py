"""Time of a fit on few rows, which a grid search does often, and IsolationForest's."""

import argparse

import numpy as np
from common import describe_machine, median_ratios
from sklearn.ensemble import IsolationForest

from skdsm import DenoisingScoreMatcher


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="*", default=[100, 500, 2000])
    parser.add_argument("--features", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    describe_machine()
    for n in args.rows:
        X = np.random.default_rng(0).standard_normal((n, args.features))
        X_single = X.astype(np.float32)
        ratios = median_ratios(
            {
                "IsolationForest": lambda X=X: IsolationForest(random_state=0).fit(X),
                "DenoisingScoreMatcher": (
                    lambda X=X: DenoisingScoreMatcher(random_state=0).fit(X)
                ),
                "DenoisingScoreMatcher, float32": (
                    lambda X=X_single: DenoisingScoreMatcher(random_state=0).fit(X)
                ),
            },
            repeats=args.repeats,
        )
        for name, (seconds, ratio) in ratios.items():
            print(
                f"{n:6d} x {args.features} {name:32s} {seconds:7.3f} s {ratio:6.1f} x"
            )


if __name__ == "__main__":
    main()
