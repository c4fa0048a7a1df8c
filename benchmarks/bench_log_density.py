"""Held-out log-density: skdsm against kernel density estimates and Gaussian mixtures.

Each data set is standardised, columns that hardly vary are dropped, and half of the
rows (at most `--rows`) are held out. The bandwidth of KernelDensity is chosen by
cross-validation, the size of GaussianMixture by BIC, and sigma of skdsm by the
log-density of a fifth of the training rows. The unit is nats a row; higher is better.
Data sets are those that ship with scikit-learn and, if a folder is given, the normal
rows of its NAME.npz files with arrays X and y.
"""

import argparse
import time
import warnings

import numpy as np
from common import describe_machine, load_folder
from sklearn import datasets
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
    "digits": datasets.load_digits,
}
LEVELS = [(low, 3.0) for low in (0.1, 0.2, 0.3, 0.5, 0.7)]


def kernel_density(X):
    search = GridSearchCV(
        KernelDensity(), {"bandwidth": np.geomspace(0.05, 1.5, 15)}, n_jobs=2
    ).fit(X)
    return search.best_estimator_.score_samples, search.best_params_["bandwidth"]


def gaussian_mixture(X):
    fits = [
        GaussianMixture(k, random_state=0, reg_covar=1e-4).fit(X)
        for k in (1, 2, 3, 4, 6, 8, 12, 16)
    ]
    best = min(fits, key=lambda mixture: mixture.bic(X))
    return best.score_samples, best.n_components


def matcher(levels):
    return DenoisingScoreMatcher(
        sigma=levels, gains="learned", n_jobs=2, random_state=0
    )


def denoising_score_matcher(X):
    fitting, choosing = train_test_split(X, test_size=0.2, random_state=0)
    means = [
        matcher(levels).fit(fitting).log_density(choosing).mean() for levels in LEVELS
    ]
    best = LEVELS[int(np.argmax(means))]
    model = matcher(best).fit(X)
    return model.log_density, f"{best[0]:g} (log Z to {model.log_partition()[1]:.2f})"


METHODS = {
    "KernelDensity": kernel_density,
    "GaussianMixture": gaussian_mixture,
    "skdsm": denoising_score_matcher,
}


def data_sets(args):
    for name, load in SHIPPED.items():
        yield name, load().data
    if args.folder:
        for name, X, y in load_folder(args.folder):
            yield name, X[y == 0]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", help="holds NAME.npz files")
    parser.add_argument("--data", nargs="*", help="names; default all")
    parser.add_argument("--rows", type=int, default=2000, help="of each half")
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    describe_machine()
    warnings.simplefilter("ignore")  # mixtures that do not converge
    print(f"{'':16s} {'rows':>5s} {'d':>3s} " + " ".join(f"{m:>24s}" for m in METHODS))
    for name, X in data_sets(args):
        if args.data and name not in args.data:
            continue
        scores = {method: [] for method in METHODS}
        seconds, chosen = dict.fromkeys(METHODS, 0.0), {}
        for seed in range(args.seeds):
            train, test = train_test_split(X, test_size=0.5, random_state=seed)
            train, test = train[: args.rows], test[: args.rows]
            varied = np.array([len(np.unique(column)) > 10 for column in train.T])
            scaler = StandardScaler().fit(train[:, varied])
            train, test = (scaler.transform(part[:, varied]) for part in (train, test))
            for method, fit in METHODS.items():
                start = time.perf_counter()
                log_density, chosen[method] = fit(train)
                seconds[method] += time.perf_counter() - start
                scores[method].append(log_density(test).mean())
        print(
            f"{name:16s} {len(train):5d} {train.shape[1]:3d} "
            + " ".join(
                f"{np.mean(x):9.2f} +- {np.std(x):4.2f} {seconds[m]:5.0f} s"
                for m, x in scores.items()
            )
            + f"   {chosen}",
            flush=True,
        )


if __name__ == "__main__":
    main()
