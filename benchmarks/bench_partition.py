"""Estimates of the partition function against exact values, and on fitted models.

Four tables. Random models that are finite mixtures: the error of annealing against the
sum over all components, in nats and in its own standard errors; and on which side of
log Z plain chains are, forward and backward. Models fitted to the data sets that ship
with scikit-learn: log Z from starts of very different width, which should agree, and
what is left of it near the data. A ring of eight narrow modes: the chi-square statistic
of the modes' counts over its degrees of freedom, which is one for independent rows.
"""

import argparse
import time
import warnings

import numpy as np
from common import describe_machine
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from threadpoolctl import threadpool_limits

from skdsm import DenoisingScoreMatcher
from skdsm.density.annealing import anneal, anneal_back, annealed_draws
from skdsm.density.bridge import gaussian_path
from skdsm.density.ladder import pilot_run
from skdsm.density.log_partition import log_partition, model_moments
from skdsm.density.mixture import exact_mixture
from skdsm.density.target import model_target
from skdsm.density.tempering import tempered_draws
from skdsm.mcmc.hmc import Target
from skdsm.model.energy import EnergyModel
from skdsm.model.parameters import Parameters

FITS = {
    "unit, 0.5": {"gains": "unit", "sigma": 0.5},
    "learned, 0.5": {"gains": "learned", "sigma": 0.5},
    "learned, (0.1, 1)": {"gains": "learned", "sigma": (0.1, 1.0)},
    "unit, 1.0": {"gains": "unit", "sigma": 1.0},
}
SETS = {"wine": load_wine, "cancer": load_breast_cancer, "digits": load_digits}


def random_model(seed, m, d, sigma):
    rng = np.random.default_rng(seed)
    W = 1.5 * rng.standard_normal((m, d))
    b, c = rng.standard_normal(m), rng.standard_normal(d)
    return EnergyModel(Parameters(W, b, c, np.ones(m)), sigma)


def against_exact_values(args):
    print(
        f"\nrandom models, m={args.components}, d={args.features}, {args.seeds} seeds "
        'each, errors in nats; "default" stops\nat a standard error of 0.015\n'
        "sigma  islands     used   within 5 s.e.  |error|<=0.05   mean error   "
        "rms error   largest   rms z   bounds hold   cpu s (worst)"
    )
    for sigma in args.sigmas:
        for islands in args.islands:
            options = {}
            if islands != "default":
                n_islands, island_size = map(int, islands.split("x"))
                options = {
                    "n_islands": n_islands,
                    "max_islands": n_islands,
                    "island_size": island_size,
                }
            rows = []
            for seed in range(args.seeds):
                model = random_model(seed, args.components, args.features, sigma)
                exact = exact_mixture(model).log_partition
                start = time.process_time()
                result = log_partition(
                    model, np.random.default_rng(seed), method="annealing", **options
                )
                seconds = time.process_time() - start
                holds = result.lower_bound < exact < result.upper_bound
                error = result.value - exact
                z = error / result.standard_error
                rows.append((error, z, result.n_islands, holds, seconds))
            error, z, used, holds, seconds = np.transpose(rows)
            print(
                f"{sigma:5}  {islands:9s}{used.mean():7.0f}"
                f"{np.mean(np.abs(z) < 5):16.2f}{np.mean(np.abs(error) <= 0.05):15.2f}"
                f"{error.mean():13.4f}{np.sqrt(np.mean(error**2)):12.4f}"
                f"{np.abs(error).max():10.4f}{np.sqrt(np.mean(z**2)):8.2f}"
                f"{holds.mean():14.2f}{seconds.mean():10.2f} ({seconds.max():.2f})",
                flush=True,
            )


def either_side(args):
    print(
        "\nmean log-weight minus log Z, of 64 plain chains: below zero forward, above "
        "backward\nsigma   forward: mean  seeds below   backward: mean  seeds above"
    )
    for sigma in args.sigmas:
        forward, backward = [], []
        for seed in range(args.seeds):
            model = random_model(seed, args.components, args.features, sigma)
            mixture = exact_mixture(model)
            rng = np.random.default_rng(seed)
            path = gaussian_path(model_target(model), *model_moments(model))
            ladder = pilot_run(rng, path).ladder
            ahead = anneal(rng, path, ladder, 64)
            back = anneal_back(rng, path, ladder, mixture.sample(rng, 64))
            forward.append(ahead.log_weights.mean() - mixture.log_partition)
            backward.append(back.log_weights.mean() - mixture.log_partition)
        forward, backward = np.array(forward), np.array(backward)
        print(
            f"{sigma:5} {forward.mean():15.3f} {np.mean(forward < 0):12.2f}"
            f"{backward.mean():17.3f} {np.mean(backward > 0):12.2f}",
            flush=True,
        )


def on_fitted_models(args):
    print(
        "\nfitted models: log Z +- s.e. (effective of 64 islands; seconds), from the "
        "model's own\nmoments, and from the data's, their covariance inflated; last, "
        "confined to where nine\nrows in ten are, with the mean log-density of those "
        "that this makes, and a Gaussian's\n"
    )
    for name in args.sets:
        X = SETS[name]().data
        X = X[:, X.std(axis=0) > 0]
        X = (X - X.mean(axis=0)) / X.std(axis=0)
        for fit, parameters in FITS.items():
            estimator = DenoisingScoreMatcher(random_state=0, **parameters)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model = estimator.fit(X)._model()
            mean = X.mean(axis=0)
            covariance = np.cov(X.T) + model.sigma**2 * np.eye(X.shape[1])
            print(f"{name} {X.shape}, {fit}: mean -E {-model.energy(X).mean():.1f}")
            starts = {"model": None, "data x 9": 9, "data x 100": 100}
            for label, inflation in starts.items():
                moments = None
                if inflation is not None:
                    moments = mean, inflation * covariance
                show(label, model, moments=moments)
            Z = X - mean
            distance = np.sqrt((Z * np.linalg.solve(covariance, Z.T).T).sum(axis=1))
            radius = np.quantile(distance, 0.9)
            near = show("confined", model, moments=(mean, covariance), radius=radius)
            inside = distance <= radius
            log_volume = np.linalg.slogdet(2 * np.pi * covariance)[1]
            gaussian = -0.5 * (np.mean(distance[inside] ** 2) + log_volume)
            density = -model.energy(X[inside]).mean() - near
            print(
                f"    log-density of rows inside: {density:.2f}, "
                f"Gaussian {gaussian:.2f}",
                flush=True,
            )


def show(label, model, **options):
    start = time.perf_counter()
    result = log_partition(
        model, np.random.default_rng(0), method="annealing", max_islands=64, **options
    )
    print(
        f"    {label:10s} {result.value:10.2f} +- {result.standard_error:.2f} "
        f"({result.effective_sample_size:.0f}; {time.perf_counter() - start:.1f} s)",
        flush=True,
    )
    return result.value


def on_a_ring(args):
    print(
        "\nring of eight modes, 800 rows\n"
        "modes' width  weights   method      chi2/7   s"
    )
    angle = 2 * np.pi * np.arange(8) / 8
    means = 2 * np.column_stack([np.cos(angle), np.sin(angle)])
    for sigma in (0.2, 0.05, 0.02):
        for label, weights in (("equal", np.ones(8)), ("1 to 8", np.arange(1, 9))):
            expected = 800 * weights / weights.sum()

            def terms(X, sigma=sigma, weights=weights):
                square = ((X[:, None] - means) ** 2).sum(axis=-1)
                return np.log(weights) - square / (2 * sigma**2)

            def score(X, sigma=sigma, terms=terms):
                T = terms(X)
                P = np.exp(T - T.max(axis=1, keepdims=True))
                return (P @ means / P.sum(axis=1, keepdims=True) - X) / sigma**2

            target = Target(lambda X, t=terms: np.logaddexp.reduce(t(X), axis=1), score)
            start = np.zeros(2), 8 * np.eye(2)

            def tempering(rng, target=target, start=start):
                return tempered_draws(rng, target, *start, 50).draws.reshape(-1, 2)

            def annealing(rng, target=target, start=start):
                return annealed_draws(rng, target, *start, 800)

            for method in (tempering, annealing):
                statistics, begin = [], time.perf_counter()
                for seed in range(args.repeats):
                    X = method(np.random.default_rng(seed))
                    mode = ((X[:, None] - means) ** 2).sum(axis=-1).argmin(axis=1)
                    counts = np.bincount(mode, minlength=8)
                    statistics.append(((counts - expected) ** 2 / expected).sum() / 7)
                seconds = (time.perf_counter() - begin) / args.repeats
                print(
                    f"{sigma:12} {label:>8s}   {method.__name__:10s} "
                    f"{np.mean(statistics):7.2f} {seconds:5.2f}",
                    flush=True,
                )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--components", type=int, default=8)
    parser.add_argument("--features", type=int, default=10)
    parser.add_argument("--sigmas", type=float, nargs="*", default=[0.5, 1.0])
    parser.add_argument(
        "--islands",
        nargs="*",
        default=["default", "64x64", "256x64", "4096x1"],
        metavar="NxSIZE",
    )
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=list(SETS))
    parser.add_argument("--repeats", type=int, default=20, help="on the ring")
    parser.add_argument(
        "--only",
        nargs="*",
        default=["exact", "sides", "fitted", "ring"],
        choices=["exact", "sides", "fitted", "ring"],
    )
    args = parser.parse_args()
    describe_machine()
    print("one thread")
    tables = {
        "exact": against_exact_values,
        "sides": either_side,
        "fitted": on_fitted_models,
        "ring": on_a_ring,
    }
    with threadpool_limits(1):
        for name in args.only:
            tables[name](args)


if __name__ == "__main__":
    main()
