"""Held-out log-density: skdsm against kernel density estimates and Gaussian mixtures.

Each data set is standardised, columns of at most ten values are dropped, and half of
the rows (at most `--rows`) are held out. The bandwidth of KernelDensity is chosen by
cross-validation, the size of GaussianMixture (full covariances) by BIC; nothing is
chosen for skdsm's ScoreMatchingDensity. "Whitened" is behind a PCA that makes the
covariance of the training rows the identity; the density is of the standardised rows
all the same, by the logarithm of the determinant. A single Gaussian is in the table as
what a density estimate should beat. The unit is nats per row; higher is better.

Data sets are those that ship with scikit-learn and, if a folder is given, the normal
rows of its NAME.npz files with arrays X and y.
"""

import argparse
import time
import warnings

import numpy as np
from common import describe_machine, load_folder
from joblib import Parallel, delayed
from sklearn import datasets
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neighbors import KernelDensity
from sklearn.preprocessing import StandardScaler

from skdsm.density_estimator import ScoreMatchingDensity

SHIPPED = {
    "iris": datasets.load_iris,
    "diabetes": datasets.load_diabetes,
    "wine": datasets.load_wine,
    "breast cancer": datasets.load_breast_cancer,
}
# A method takes the rows to fit to, and returns the function of the log-density.


def gaussian(X):
    return GaussianMixture(1, random_state=0, reg_covar=1e-4).fit(X).score_samples


def kernel_density(X):
    grid = {"bandwidth": np.geomspace(0.05, 1.5, 15)}
    return GridSearchCV(KernelDensity(), grid).fit(X).best_estimator_.score_samples


def gaussian_mixture(X):
    fits = [
        GaussianMixture(k, random_state=0, reg_covar=1e-4).fit(X)
        for k in (1, 2, 3, 4, 6, 8, 12, 16)
    ]
    return min(fits, key=lambda mixture: mixture.bic(X)).score_samples


def score_matching_density(X):
    return ScoreMatchingDensity(random_state=0, n_jobs=1).fit(X).score_samples


def whitened(fit):
    """The same method, on rows whose covariance is made the identity."""

    def fit_whitened(X):
        pca = PCA(whiten=True).fit(X)
        log_density = fit(pca.transform(X))
        log_determinant = -0.5 * np.log(pca.explained_variance_).sum()
        return lambda X: log_density(pca.transform(X)) + log_determinant

    return fit_whitened


METHODS = {
    "one Gaussian": gaussian,
    "KernelDensity": kernel_density,
    "whitened": whitened(kernel_density),
    "GaussianMixture": gaussian_mixture,
    "skdsm": score_matching_density,
}


def data_sets(args):
    for name, load in SHIPPED.items():
        yield name, load().data
    if args.folder:
        for name, X, y in load_folder(args.folder):
            yield name, X[y == 0]


def is_continuous(X):
    """For each column of rows (n, d): does it have more than ten values?"""
    return np.array([len(np.unique(column)) > 10 for column in X.T])


def split(X, n_rows, seed):
    """Standardised rows to train on and to judge by, without the discrete columns."""
    train, test = train_test_split(X, test_size=0.5, random_state=seed)
    train, test = train[:n_rows], test[:n_rows]
    kept = is_continuous(train)
    scaler = StandardScaler().fit(train[:, kept])
    return (scaler.transform(part[:, kept]) for part in (train, test))


def judge(X, n_rows, seed):
    """Shape of the training rows; log-density and seconds of each method."""
    warnings.simplefilter("ignore")  # mixtures that do not converge
    train, test = split(X, n_rows, seed)
    scores, seconds = [], []
    for fit in METHODS.values():
        start = time.process_time()
        scores.append(fit(train)(test).mean())
        seconds.append(time.process_time() - start)
    return train.shape, scores, seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", help="holds NAME.npz files")
    parser.add_argument("--data", nargs="*", help="names; default all")
    parser.add_argument("--rows", type=int, default=1000, help="of each half, at most")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2, help="splits at a time")
    args = parser.parse_args()
    describe_machine()
    print(
        f"mean and standard deviation over {args.seeds} splits; seconds of the "
        "processor for all of them\n"
        f"{'':14s}{'rows':>5s}{'d':>4s}" + "".join(f"{m:>20s}" for m in METHODS)
    )
    for name, X in data_sets(args):
        if args.data and name not in args.data:
            continue
        if not is_continuous(X).any():
            print(f"{name:14s}left out: all columns are discrete")
            continue
        splits = Parallel(args.jobs)(
            delayed(judge)(X, args.rows, seed) for seed in range(args.seeds)
        )
        shapes, scores, seconds = zip(*splits, strict=True)
        n_rows, d = shapes[0]
        print(
            f"{name:14s}{n_rows:5d}{d:4d}"
            + "".join(
                f"{mean:9.2f} +-{deviation:5.2f}{total:4.0f}"
                for mean, deviation, total in zip(
                    np.mean(scores, axis=0),
                    np.std(scores, axis=0),
                    np.sum(seconds, axis=0),
                    strict=True,
                )
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
