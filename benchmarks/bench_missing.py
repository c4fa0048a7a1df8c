"""Rows in which cells are missing: ranking anomalies, and filling the cells.

Ranking: cells of the data sets of a folder (NAME.npz with X and y, y = 1 for anomalies)
are removed at random, in training rows and new rows alike. skdsm and IsolationForest
take such rows; nearest neighbours and a Gaussian mixture come behind an imputer that is
fitted to the training rows. "log-density" ranks by the log-density of the observed
cells, which does not allow for their number. Protocols as in bench_ranking.py. Means
over data sets of the ROC AUC, a column for each share of missing cells.

Filling: cells of tables that ship with scikit-learn or are generated, and of the folder
if there is one, are removed at random ("random"), or in every other column more often
the larger the neighbouring column is ("depending"). Root mean square error over the
missing cells in standard deviations of their column; by "mode", which is impute of a
default fit, and by "imputer", which is DenoisingImputer. Then the share of the cells
that lie in the central 90 % of 100 draws, the mode's and the imputer's. Cells are
filled in the rows that are fitted to.
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
from common import describe_machine, heavy_tails, load_file, manifold
from joblib import Parallel, delayed
from ranking.adapters import Mixture, Neighbours
from ranking.measure import evaluate
from ranking.protocols import PROTOCOLS
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.ensemble import IsolationForest
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from threadpoolctl import threadpool_limits

from skdsm import DenoisingScoreMatcher
from skdsm.imputation import DenoisingImputer

NATIVE = {
    "skdsm": lambda seed: DenoisingScoreMatcher(random_state=seed),
    "combined": lambda seed: DenoisingScoreMatcher(
        ranking="combined", random_state=seed
    ),
    "IForest": lambda seed: IsolationForest(random_state=seed),
}


class LogDensity:
    """What log_density of the default model says, up to log Z."""

    def __init__(self, seed):
        self.matcher = DenoisingScoreMatcher(random_state=seed)

    def fit(self, X):
        self.matcher.fit(X)

    def score_samples(self, X):
        per_cell = 0.5 * np.log(2 * np.pi * np.e * self.matcher.sigma_**2)
        return self.matcher.score_samples(X) + np.isnan(X).sum(axis=1) * per_cell


# With more columns, regressions of all on all others take most of the time.
IMPUTERS = {
    "simple": lambda seed: SimpleImputer(),
    "kNN": lambda seed: KNNImputer(),
    "iterative": lambda seed: IterativeImputer(
        n_nearest_features=30, random_state=seed
    ),
}
BEHIND = {
    "kNN": lambda seed: Neighbours(),
    "GMM": lambda seed: Mixture(random_state=seed),
}
N_DRAWS = 100


# --- Ranking ---


def split(path, protocol, share, seed, max_rows):
    """Training rows and rows to rank, both standardised and with holes, and labels."""
    X, y = load_file(path)
    train, test = PROTOCOLS[protocol](y, seed, max_rows)
    rng = np.random.default_rng((seed, round(100 * share)))
    if test is not train:
        test = rng.permutation(test)[: 2 * max_rows]
    X = np.where(rng.random(X.shape) < share, np.nan, X)
    X = X[:, ~np.isnan(X[train]).all(axis=0)]
    mean, deviation = np.nanmean(X[train], axis=0), np.nanstd(X[train], axis=0)
    X = (X - mean) / np.where(deviation > 0, deviation, 1.0)
    return X[train], X[test], y[test], test is train


def scores_of(detector, X, X_test, in_training):
    detector.fit(X)
    if in_training and hasattr(detector, "training_scores"):
        return detector.training_scores()
    return detector.score_samples(X_test)


def rank(path, protocol, share, seed, max_rows):
    """ROC AUC by name of the detector."""
    X, X_test, y, in_training = split(path, protocol, share, seed, max_rows)
    results = {}

    def add(name, detector, X, X_test):
        results[name] = evaluate(y, scores_of(detector, X, X_test, in_training))[0]

    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, make in NATIVE.items():
            add(name, make(seed), X, X_test)
        add("log-density", LogDensity(seed), X, X_test)
        for imputer, make_imputer in IMPUTERS.items():
            impute = make_imputer(seed).fit(X)
            filled = impute.transform(X), impute.transform(X_test)
            for name, make in BEHIND.items():
                add(f"{imputer}, {name}", make(seed), *filled)
    return results


def ranking(paths, args):
    for protocol in args.protocols:
        table = {}
        for share in args.shares:
            results = Parallel(args.jobs)(
                delayed(rank)(path, protocol, share, seed, args.rows)
                for path in paths
                for seed in range(args.seeds)
            )
            table[share] = results
        print(f"\n{protocol}: mean ROC AUC of {len(paths)} sets, {args.seeds} seeds\n")
        print(f"{'':16s}" + "".join(f" {share:6.0%}" for share in table))
        for name in results[0]:
            means = [np.mean([r[name] for r in results]) for results in table.values()]
            print(f"{name:16s}" + "".join(f" {mean:6.4f}" for mean in means))
        print(f"\n{protocol}: by data set, mean over seeds and shares\n")
        columns = list(results[0])
        print(f"{'':12s}" + "".join(f" {name:>15s}" for name in columns))
        for i, path in enumerate(paths):
            few = slice(i * args.seeds, (i + 1) * args.seeds)
            own = [result for part in table.values() for result in part[few]]
            values = [np.mean([result[name] for result in own]) for name in columns]
            cells = "".join(f" {value:15.3f}" for value in values)
            print(f"{path.stem[:12]:12s}{cells}", flush=True)


# --- Filling ---


def tables(paths, max_rows):
    """Yield (name, X) with standardised columns that vary."""
    rng = np.random.default_rng(0)
    yield "iris", load_iris().data
    yield "wine", load_wine().data
    yield "cancer", load_breast_cancer().data
    yield "diabetes", load_diabetes().data
    yield "manifold", manifold(max_rows, 10, rng)
    yield "heavy tails", heavy_tails(max_rows, 16, rng)
    for path in paths:
        yield path.stem, load_file(path)[0]


def holes(X, share, kind, rng):
    """Where cells go missing; every row and column keeps some."""
    if kind == "random":
        chance = np.full(X.shape, share)
    else:
        # of every other column, by the rank of the column before it
        order = X.argsort(axis=0).argsort(axis=0) / len(X)
        chance = np.zeros(X.shape)
        odd = chance[:, 1::2]
        odd[:] = np.minimum(1, 2 * share * order[:, ::2][:, : odd.shape[1]])
    return rng.random(X.shape) < chance


def fill(X, share, kind, seed):
    """Errors and seconds by name, and the coverage of draws by name."""
    rng = np.random.default_rng((seed, round(100 * share)))
    missing = holes(X, share, kind, rng)
    given = np.where(missing, np.nan, X)
    kept = ~np.isnan(given).all(axis=0)
    X, given, missing = X[:, kept], given[:, kept], missing[:, kept]
    mean, deviation = np.nanmean(given, axis=0), np.nanstd(given, axis=0)
    deviation = np.where(deviation > 0, deviation, 1.0)
    X, given = (X - mean) / deviation, (given - mean) / deviation
    errors, seconds = {}, {}

    def add(name, function):
        start = time.process_time()
        filled = function()
        seconds[name] = time.process_time() - start
        errors[name] = np.sqrt(np.mean((filled - X)[missing] ** 2))
        return filled

    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        matcher = DenoisingScoreMatcher(random_state=seed)
        add("mode", lambda: matcher.fit(given).impute(given))
        narrow = DenoisingScoreMatcher(ranking="combined", random_state=seed)
        imputer = DenoisingImputer(narrow)
        add("imputer", lambda: imputer.fit_transform(given))
        draws = {
            "mode": matcher.impute(given, n_draws=N_DRAWS, random_state=seed),
            "imputer": imputer.draw(given, N_DRAWS, random_state=seed),
        }
        for name, make in IMPUTERS.items():
            add(name, lambda make=make: make(seed).fit_transform(given))
    covered = {}
    for name, values in draws.items():
        low, high = np.quantile(values, [0.05, 0.95], axis=0)
        covered[name] = ((low <= X) & (high >= X))[missing].mean()
    return errors, seconds, covered


def mean_of(dictionaries):
    return {k: np.mean([one[k] for one in dictionaries]) for k in dictionaries[0]}


def filling(paths, args):
    for kind in ("random", "depending"):
        print(f"\nfilling, {kind}: error (seconds), and coverage of 90 % intervals\n")
        for share in args.shares:
            won = dict.fromkeys(("mode", "imputer"), 0)
            right = dict.fromkeys(won, 0)
            for name, X in tables(paths, args.rows):
                rows = np.random.default_rng(0).permutation(len(X))[: args.rows]
                X = X[rows][:, X[rows].std(axis=0) > 0]
                results = Parallel(args.jobs)(
                    delayed(fill)(X, share, kind, seed) for seed in range(args.seeds)
                )
                errors, seconds, covered = map(mean_of, zip(*results, strict=True))
                best = min(errors[name] for name in IMPUTERS)
                won = {x: n + int(errors[x] <= best) for x, n in won.items()}
                right = {
                    x: n + int(0.85 <= covered[x] <= 0.95) for x, n in right.items()
                }
                cells = "  ".join(
                    f"{key} {errors[key]:.3f} ({seconds[key]:.1f})" for key in errors
                )
                print(
                    f"{share:4.0%} {name[:11]:11s} {cells}  "
                    f"covered {covered['mode']:.0%}, {covered['imputer']:.0%}",
                    flush=True,
                )
            print(f"{share:4.0%} tables on which none of the three is better: {won}")
            print(f"{share:4.0%} tables on which 85 to 95 % are covered: {right}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="holds NAME.npz files")
    parser.add_argument("--data", nargs="+", help="names of data sets; default all")
    parser.add_argument("--fill-data", nargs="*", default=[], help="to fill as well")
    parser.add_argument("--shares", nargs="+", type=float, default=[0.1, 0.3, 0.5])
    parser.add_argument(
        "--protocols", nargs="+", choices=PROTOCOLS, default=list(PROTOCOLS)
    )
    parser.add_argument("--parts", nargs="+", default=["ranking", "filling"])
    parser.add_argument("--rows", type=int, default=2000, help="to fit to, at most")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="processes, a core each")
    args = parser.parse_args()
    describe_machine()
    paths = sorted(args.folder.glob("*.npz")) if args.folder else []
    chosen = [path for path in paths if not args.data or path.stem in args.data]
    if "ranking" in args.parts and chosen:
        ranking(chosen, args)
    if "filling" in args.parts:
        filling([path for path in paths if path.stem in args.fill_data], args)


if __name__ == "__main__":
    main()
