"""Rows scored a second: skdsm against scikit-learn's detectors.

All are fitted on the same standardised rows, with their defaults (kNN scores by the
distance to the fifth neighbour), and score the same held-out rows. All that can use
threads have as many as `--n-jobs` says.
"""

import argparse
import warnings

import numpy as np
from common import describe_machine, median_ratios, mixture, standardise
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity, LocalOutlierFactor, NearestNeighbors
from sklearn.svm import OneClassSVM

from skdsm import DenoisingScoreMatcher


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--queries", type=int, default=2_000)
    parser.add_argument("--features", type=int, default=16)
    parser.add_argument("--components", type=int, default=128)
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", nargs="*", help="beginnings of names; default all")
    args = parser.parse_args()
    describe_machine()

    rng = np.random.default_rng(0)
    X = mixture(args.rows + args.queries, args.features, 10, 4, rng)
    X = standardise(X)
    X, queries = X[: args.rows], X[args.rows :]
    jobs = {"n_jobs": args.n_jobs}
    own = {
        f"skdsm, {gains} gains": DenoisingScoreMatcher(
            args.components, gains=gains, max_iter=60, random_state=0, **jobs
        )
        for gains in ("unit", "learned")
    }
    neighbours = NearestNeighbors(n_neighbors=5, **jobs).fit(X)
    models = {
        "IsolationForest": IsolationForest(random_state=0, **jobs),
        "OneClassSVM": OneClassSVM(nu=0.1),
        "LocalOutlierFactor": LocalOutlierFactor(novelty=True, **jobs),
        "KernelDensity": KernelDensity(bandwidth=0.5),
        "GaussianMixture(8)": GaussianMixture(8, random_state=0),
    }
    with warnings.catch_warnings():
        # sixty iterations do not converge; scoring takes as long all the same
        warnings.simplefilter("ignore", ConvergenceWarning)
        for model in (own | models).values():
            model.fit(X)
    timed = {
        name: lambda model=model: model.score_samples(queries)
        for name, model in (own | models).items()
    } | {"kNN": lambda: neighbours.kneighbors(queries)[0][:, -1]}
    if args.only:
        timed = {k: f for k, f in timed.items() if k.startswith(tuple(args.only))}
    ratios = median_ratios(timed, repeats=args.repeats)
    print(
        f"{args.rows} training rows, {args.features} features, {len(queries)} queries, "
        f"n_jobs={args.n_jobs}"
    )
    for name, (seconds, ratio) in ratios.items():
        print(f"  {name:24s} {len(queries) / seconds:12,.0f} rows/s {ratio:10.1f} x")


if __name__ == "__main__":
    main()
