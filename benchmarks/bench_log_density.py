"""Held-out log-density: skdsm against kernel density estimates and Gaussian mixtures.

Each data set is standardised, columns of at most ten values are dropped, and half of
the rows (at most `--rows`) are held out. The bandwidth of KernelDensity is chosen by
cross-validation, the size of GaussianMixture (full covariances) by BIC, the number of
units and sigma of skdsm by the log-density of a fifth of the training rows. "Whitened"
is behind a PCA that makes the covariance of the training rows the identity; the density
of the standardised rows follows from the logarithm of the determinant. A
single Gaussian is in the table as what a density estimate should beat. The unit is nats
per row; higher is better.

The second table is about choosing among the same models without labels: the log-density
that is lost, of held-out rows, where `score` (minus the implicit score matching loss)
or mean log-density on a fifth of the training rows choose, instead of the test rows
themselves. Both judge the same fits. The rank correlation is between the two criteria.

Data sets are those that ship with scikit-learn and, if a folder is given, the normal
rows of its NAME.npz files with arrays X and y.
"""

import argparse
import itertools
import time
import warnings
from typing import NamedTuple

import numpy as np
from common import describe_machine, load_folder
from joblib import Parallel, delayed
from scipy.stats import spearmanr
from sklearn import datasets
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neighbors import KernelDensity
from sklearn.preprocessing import StandardScaler

from skdsm import DenoisingScoreMatcher

SHIPPED = {
    "iris": datasets.load_iris,
    "diabetes": datasets.load_diabetes,
    "wine": datasets.load_wine,
    "breast cancer": datasets.load_breast_cancer,
}
UNITS = (4, 16, 64)
LEVELS = (0.5, (0.5, 3.0), (0.7, 2.0))


class Fitted(NamedTuple):
    """A density of standardised rows, and what was chosen for it."""

    log_density: callable
    chosen: str
    losses: tuple = ()  # of choosing by score, by log-density, and their correlation


def gaussian(X, held_out):
    model = GaussianMixture(1, random_state=0, reg_covar=1e-4).fit(X)
    return Fitted(model.score_samples, "")


def kernel_density(X, held_out):
    search = GridSearchCV(
        KernelDensity(), {"bandwidth": np.geomspace(0.05, 1.5, 15)}
    ).fit(X)
    model = search.best_estimator_
    return Fitted(model.score_samples, f"{model.bandwidth:.2g}")


def gaussian_mixture(X, held_out):
    fits = [
        GaussianMixture(k, random_state=0, reg_covar=1e-4).fit(X)
        for k in (1, 2, 3, 4, 6, 8, 12, 16)
    ]
    best = min(fits, key=lambda mixture: mixture.bic(X))
    return Fitted(best.score_samples, f"{best.n_components}")


def matcher(n_components, sigma):
    return DenoisingScoreMatcher(
        n_components, sigma=sigma, gains="learned", random_state=0
    )


def denoising_score_matcher(X, held_out):
    fitting, choosing = train_test_split(X, test_size=0.2, random_state=0)
    candidates = list(itertools.product(UNITS, LEVELS))
    models = [matcher(*candidate).fit(fitting) for candidate in candidates]
    for model in models:
        model.log_partition(max_islands=8)  # to a tenth of a nat, and kept
    by_score = [model.score(choosing) for model in models]
    by_density = [model.log_density(choosing).mean() for model in models]
    truth = np.array([model.log_density(held_out).mean() for model in models])
    losses = [truth.max() - truth[np.argmax(by)] for by in (by_score, by_density)]
    best = candidates[int(np.argmax(by_density))]
    model = matcher(*best).fit(X)
    model.log_partition(tolerance=0.1)
    agreement = spearmanr(by_score, by_density).statistic
    return Fitted(model.log_density, f"{best[0]}, {best[1]}", (*losses, agreement))


def whitened(fit):
    """The same method, on rows whose covariance is made the identity."""

    def fit_whitened(X, held_out):
        pca = PCA(whiten=True).fit(X)
        fitted = fit(pca.transform(X), pca.transform(held_out))
        log_determinant = -0.5 * np.log(pca.explained_variance_).sum()
        return fitted._replace(
            log_density=lambda X: fitted.log_density(pca.transform(X)) + log_determinant
        )

    return fit_whitened


METHODS = {
    "one Gaussian": gaussian,
    "KernelDensity": kernel_density,
    "whitened": whitened(kernel_density),
    "GaussianMixture": gaussian_mixture,
    "skdsm": denoising_score_matcher,
    "skdsm whitened": whitened(denoising_score_matcher),
}


def data_sets(args):
    for name, load in SHIPPED.items():
        yield name, load().data
    if args.folder:
        for name, X, y in load_folder(args.folder):
            yield name, X[y == 0]


def split(X, n_rows, seed):
    """Standardised rows to train on and to judge by, without the discrete columns."""
    train, test = train_test_split(X, test_size=0.5, random_state=seed)
    train, test = train[:n_rows], test[:n_rows]
    varied = np.array([len(np.unique(column)) > 10 for column in train.T])
    scaler = StandardScaler().fit(train[:, varied])
    return (scaler.transform(part[:, varied]) for part in (train, test))


class Judged(NamedTuple):
    """What the methods made of one split, in their order."""

    shape: tuple
    scores: list
    seconds: list
    fitted: Fitted  # of the last


def judge(X, n_rows, seed):
    warnings.simplefilter("ignore")  # mixtures that do not converge
    train, test = split(X, n_rows, seed)
    scores, seconds = [], []
    for fit in METHODS.values():
        start = time.process_time()
        fitted = fit(train, test)
        seconds.append(time.process_time() - start)
        scores.append(fitted.log_density(test).mean())
    return Judged(train.shape, scores, seconds, fitted._replace(log_density=None))


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
    lines = []
    for name, X in data_sets(args):
        if args.data and name not in args.data:
            continue
        splits = Parallel(args.jobs)(
            delayed(judge)(X, args.rows, seed) for seed in range(args.seeds)
        )
        shapes, scores, seconds, fitted = zip(*splits, strict=True)
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
        by_score, by_density, agreement = np.mean([f.losses for f in fitted], axis=0)
        lines.append(
            f"{name:14s}{by_score:12.2f}{by_density:18.2f}{agreement:18.2f}   "
            + " | ".join(f.chosen for f in fitted)
        )
    print(
        "\nskdsm whitened: nats lost where it is chosen by\n"
        f"{'':14s}{'score':>12s}{'log-density':>18s}{'rank correlation':>18s}   "
        "chosen by log-density: units, sigma"
    )
    print("\n".join(lines))


if __name__ == "__main__":
    main()
