"""Estimates of the partition function against exact values, and on fitted models.

Four tables. Random models that are finite mixtures: the error of annealing against the
sum over all components, in nats and in its own standard errors; and how far below log Z
the mean log-weight of plain chains is. Models fitted to the data sets that ship with
scikit-learn: log Z from starts of very different width, which should agree. A ring of
eight narrow modes: the chi-square statistic of the modes' counts over its degrees of
freedom, which is one for independent rows.
"""

import argparse
import time
import warnings

import numpy as np
from common import describe_machine
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from threadpoolctl import threadpool_limits

from skdsm import DenoisingScoreMatcher
from skdsm.density.annealing import anneal
from skdsm.density.ladder import pilot_run
from skdsm.density.log_partition import annealed_log_partition, model_moments
from skdsm.density.mixture import exact_mixture
from skdsm.density.path import geometric_path
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


def annealed(model, seed, moments=None, **options):
    """The estimate, also where the value is exact, from the model's own moments."""
    moments = model_moments(model) if moments is None else moments
    rng = np.random.default_rng(seed)
    return annealed_log_partition(rng, model_target(model), *moments, **options)


def against_exact_values(args):
    print(
        f"\nrandom models, m={args.components}, d={args.features}, {args.seeds} seeds "
        'each, errors in nats; "default" stops\nat a standard error of 0.015\n'
        "sigma  islands     used   within 5 s.e.  |error|<=0.05   mean error   "
        "rms error   largest   rms z   bound holds   cpu s (worst)"
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
                result = annealed(model, seed, **options)
                seconds = time.process_time() - start
                holds = result.lower_bound < exact
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


def of_plain_chains(args):
    print(
        "\nmean log-weight minus log Z, of 64 plain chains: below zero, by Jensen's "
        "inequality\nsigma     mean  seeds below"
    )
    for sigma in args.sigmas:
        below = []
        for seed in range(args.seeds):
            model = random_model(seed, args.components, args.features, sigma)
            rng = np.random.default_rng(seed)
            path = geometric_path(model_target(model), *model_moments(model))
            log_weights = anneal(rng, path, pilot_run(rng, path).ladder, 64)
            below.append(log_weights.mean() - exact_mixture(model).log_partition)
        print(
            f"{sigma:5} {np.mean(below):8.3f} {np.mean(np.less(below, 0)):12.2f}",
            flush=True,
        )


def on_fitted_models(args):
    print(
        "\nfitted models: log Z +- s.e. (effective of 64 islands; seconds), from the "
        "model's own\nmoments, and from the data's, their covariance inflated\n"
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


def show(label, model, **options):
    start = time.perf_counter()
    result = annealed(model, 0, max_islands=64, **options)
    print(
        f"    {label:10s} {result.value:10.2f} +- {result.standard_error:.2f} "
        f"({result.effective_sample_size:.0f}; {time.perf_counter() - start:.1f} s)",
        flush=True,
    )


def on_a_ring(args):
    print("\nring of eight modes, 800 rows\nmodes' width  weights   chi2/7   s")
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

            def both(X, terms=terms, score=score):
                return np.logaddexp.reduce(terms(X), axis=1), score(X)

            statistics, begin = [], time.perf_counter()
            for seed in range(args.repeats):
                rng = np.random.default_rng(seed)
                start = np.zeros(2), 8 * np.eye(2)
                X = tempered_draws(rng, Target(score, both), *start, 50).draws
                square = ((X.reshape(-1, 1, 2) - means) ** 2).sum(axis=-1)
                counts = np.bincount(square.argmin(axis=1), minlength=8)
                statistics.append(((counts - expected) ** 2 / expected).sum() / 7)
            seconds = (time.perf_counter() - begin) / args.repeats
            print(
                f"{sigma:12} {label:>8s} {np.mean(statistics):8.2f} {seconds:5.2f}",
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
        default=["exact", "plain", "fitted", "ring"],
        choices=["exact", "plain", "fitted", "ring"],
    )
    args = parser.parse_args()
    describe_machine()
    print("one thread")
    tables = {
        "exact": against_exact_values,
        "plain": of_plain_chains,
        "fitted": on_fitted_models,
        "ring": on_a_ring,
    }
    with threadpool_limits(1):
        for name in args.only:
            tables[name](args)


if __name__ == "__main__":
    main()
