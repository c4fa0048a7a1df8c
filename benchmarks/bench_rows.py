"""Fit time against the number of rows: skdsm, and scikit-learn's detectors.

Rows are a mixture of eight Gaussians in 32 columns, as float64. Sizes grow by factors
of four until a fit would take much longer than `--limit` seconds. For KernelDensity,
whose fit only builds a tree, the time includes the scores of the training rows, as
`LocalOutlierFactor` computes them in its fit. skdsm is fitted `--seeds` times, to
other rows each time, because chance decides how many stages it takes; its line has the
mean time and the range, how many rows were enough, and the mean loss of 20,000 held-out
rows under noise of sigma. Larger sizes are compared with 160,000 rows by their mean
times, with standard errors over the seeds.

The last lines are about a rare cluster: a thousand of a million rows lie six standard
deviations from the mean of all, in one direction. How well are unseen rows of the
cluster denoised, with and without the cluster in training, and where all rows are used?
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
from common import describe_machine
from sklearn.ensemble import IsolationForest
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity, LocalOutlierFactor
from sklearn.svm import OneClassSVM

from skdsm import DenoisingScoreMatcher
from skdsm.training import schedule

D = 32
_COMPARED = 160_000


def rows(n, seed):
    """Eight Gaussians, always the same; the seed chooses the rows."""
    shape = np.random.default_rng(0)
    centres = shape.standard_normal((8, D))
    factors = 0.6 * shape.standard_normal((8, D, D)) / np.sqrt(D)
    rng = np.random.default_rng((1, seed))
    label = rng.integers(8, size=n)
    X = rng.standard_normal((n, D))
    for k in range(8):
        X[label == k] = X[label == k] @ factors[k] + centres[k]
    return X


def matcher(n_jobs, seed=0):
    return DenoisingScoreMatcher(64, sigma=0.5, random_state=seed, n_jobs=n_jobs)


def detectors(n_jobs):
    """Functions of the rows, which fit."""
    return {
        "IsolationForest": lambda X: IsolationForest(random_state=0, n_jobs=n_jobs).fit(
            X
        ),
        "LocalOutlierFactor": lambda X: LocalOutlierFactor(n_jobs=n_jobs).fit(X),
        "KernelDensity": lambda X: KernelDensity(bandwidth=0.5).fit(X).score_samples(X),
        "GaussianMixture(8)": lambda X: GaussianMixture(8, random_state=0).fit(X),
        "OneClassSVM": lambda X: OneClassSVM(nu=0.1).fit(X),
    }


def held_out_loss(model, seed=99):
    X = rows(20_000, seed)
    noise = 0.5 * np.random.default_rng(seed).standard_normal(X.shape)
    return 0.5 * np.mean(np.sum((model.reconstruct(X + noise) - X) ** 2, axis=1))


def timed(fit, X):
    start = time.perf_counter()
    model = fit(X)
    return time.perf_counter() - start, model


def sizes(args, fits):
    """Sizes, and what `fits` returns for them, mean seconds first.

    The next size is left out where it would take more than twice the limit.
    """
    n, previous = args.smallest, 0.0
    while n <= args.largest:
        seconds, *rest = fits(n)
        yield n, seconds, *rest
        slope = seconds / previous if previous else 4
        if seconds * max(slope, 1) > 2 * args.limit:
            break
        n, previous = 4 * n, seconds


def fit_skdsm(args):
    """Print fits over several seeds; returns sizes and mean seconds."""

    def fits(n):
        results = []
        for seed in range(args.seeds):
            X = rows(n, seed)
            seconds, model = timed(matcher(args.n_jobs, seed).fit, X)
            results.append((seconds, model.sample_size_, held_out_loss(model)))
        seconds, enough, loss = np.array(results).T
        return seconds.mean(), seconds, enough, loss.mean()

    times = {}
    for n, mean, seconds, enough, loss in sizes(args, fits):
        times[n] = seconds
        print(
            f"  {'skdsm':20s}{n:9d} rows{mean:9.2f} s "
            f"({seconds.min():.2f} to {seconds.max():.2f})   "
            f"{enough.max():.0f} rows, loss {loss:.4f}",
            flush=True,
        )
    for n in [n for n in times if n > _COMPARED and _COMPARED in times]:
        mean = np.array([times[n].mean(), times[_COMPARED].mean()])
        spread = np.array([times[n].std(ddof=1), times[_COMPARED].std(ddof=1)])
        ratio = mean[0] / mean[1]
        error = ratio * np.hypot(*(spread / mean)) / np.sqrt(args.seeds)
        print(f"  {n} rows over {_COMPARED}: {ratio:.2f} +- {error:.2f}", flush=True)
    return [(n, seconds.mean()) for n, seconds in times.items()]


def rare_cluster(n, n_jobs):
    X, cluster = rows(n, 5), rows(n // 500, 6)
    cluster = 0.3 * (cluster - cluster.mean(axis=0)) + X.mean(axis=0) + 6 / np.sqrt(D)
    seen, unseen = np.array_split(cluster, 2)
    noise = 0.5 * np.random.default_rng(0).standard_normal(unseen.shape)
    both = np.concatenate([X, seen])
    for name, training, enough in (
        ("without the cluster", X, schedule.UNQUESTIONED_ROWS),
        ("with the cluster", both, schedule.UNQUESTIONED_ROWS),
        ("the same, all rows", both, len(both)),
    ):
        schedule.UNQUESTIONED_ROWS = enough
        seconds, model = timed(matcher(n_jobs).fit, training)
        residual = model.reconstruct(unseen + noise) - unseen
        loss = 0.5 * np.mean(np.sum(residual**2, axis=1))
        print(
            f"  {name:20s}{model.sample_size_:9d} rows{seconds:9.2f} s   "
            f"loss of its unseen rows {loss:.2f}",
            flush=True,
        )


def save_picture(path, times):
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots(figsize=(7.5, 4.5), layout="constrained")
    for name, points in times.items():
        ax.loglog(*zip(*points, strict=True), "o-", lw=2.5 if name == "skdsm" else 1.5)
        n, seconds = points[-1]
        ax.annotate(name, (n, seconds), (0, 8), textcoords="offset points", ha="center")
    ax.margins(x=0.12, y=0.1)
    ax.set(xlabel="rows", ylabel="seconds to fit")
    ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smallest", type=int, default=2500)
    parser.add_argument("--largest", type=int, default=2_560_000)
    parser.add_argument("--limit", type=float, default=60.0, help="seconds of a fit")
    parser.add_argument("--seeds", type=int, default=6, help="fits of skdsm")
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--only", nargs="*", help="names; default all")
    parser.add_argument("--rare", type=int, default=1_000_000, help="rows; 0: none")
    parser.add_argument("--plot", type=Path, help="file for a picture")
    args = parser.parse_args()
    describe_machine()
    warnings.simplefilter("ignore")
    times = {}
    if not args.only or "skdsm" in args.only:
        times["skdsm"] = fit_skdsm(args)
    for name, fit in detectors(args.n_jobs).items():
        if args.only and name not in args.only:
            continue
        times[name] = []
        for n, seconds, _ in sizes(args, lambda n, fit=fit: timed(fit, rows(n, 0))):
            times[name].append((n, seconds))
            print(f"  {name:20s}{n:9d} rows{seconds:9.2f} s", flush=True)
    if args.rare:
        rare_cluster(args.rare, args.n_jobs)
    if args.plot:
        save_picture(args.plot, times)


if __name__ == "__main__":
    main()
