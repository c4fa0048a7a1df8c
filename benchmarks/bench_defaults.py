"""Settings of training, one changed at a time: what each costs, and what it buys.

Generated data of many sizes, noise levels and both kinds of gains: every size at every
level, with families of data and kinds of gains that take turns (`--all`: every
combination of the four). A case's loss is the
denoising loss of rows that were held out; what a setting loses is its loss minus the
best of all settings on that case, relative to what training can move (the loss itself,
or its distance from the loss of doing nothing, whichever is less). Time is processor
time. Ratios are to the defaults, in one run.
"""

import argparse
import time
from contextlib import ExitStack
from itertools import islice, product
from unittest.mock import patch

import numpy as np
from common import describe_machine, heavy_tails, manifold, mixture, standardise
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

from skdsm import DenoisingScoreMatcher
from skdsm.exceptions import NonFiniteError

DATA = {
    "mixture": lambda n, d, rng: mixture(n, d, 8, max(1, d // 4), rng),
    "manifold": manifold,
    "heavy tails": heavy_tails,
}
SHAPES = [(100, 2), (500, 10), (2_000, 30), (10_000, 5)]
LARGE_SHAPES = [(2_000, 500), (20_000, 100), (200_000, 20), (1_000_000, 10)]
SIGMAS = [0.05, 0.3, 2.0]
# what is passed to the estimator, and which constants are replaced
VARIANTS = {
    "defaults": ({}, {}),
    "tol 1e-4": ({"tol": 1e-4}, {}),
    "tol 1e-3": ({"tol": 1e-3}, {}),
    "tol 1e-2": ({"tol": 1e-2}, {}),
    "runs of 15": ({}, {"skdsm.training.stages._RUN_ITER": 15}),
    "runs of 60": ({}, {"skdsm.training.stages._RUN_ITER": 60}),
    "one run a draw": ({}, {"skdsm.training.schedule._RUNS_ON_PART": 1}),
    "three runs a draw": ({}, {"skdsm.training.schedule._RUNS_ON_PART": 3}),
    "memory 10": ({}, {"skdsm.training.lbfgs._MEMORY": 10}),
    "memory 40": ({}, {"skdsm.training.lbfgs._MEMORY": 40}),
    "ridge 1e-2": ({}, {"skdsm.training.preconditioner._RIDGE": 1e-2}),
    "ridge 1e-4": ({}, {"skdsm.training.preconditioner._RIDGE": 1e-4}),
    "scaling from 16 m rows": ({}, {"skdsm.training.fit._SCALING_ROWS_PER_UNIT": 16}),
    "2 corruptions": ({"n_corruptions": 2}, {}),
    "8 corruptions": ({"n_corruptions": 8}, {}),
    "first sample / 4": ({}, {"skdsm.training.fit._ROWS_PER_PARAMETER": 0.25}),
    "first sample x 4": ({}, {"skdsm.training.fit._ROWS_PER_PARAMETER": 4}),
}


def held_out_loss(estimator, X, sigma):
    """Mean of ``|r(x~) - x|^2 / 2`` on one draw of noise."""
    rng = np.random.default_rng(1)
    noisy = X + sigma * rng.standard_normal(X.shape, dtype=np.float32)
    residual = estimator.reconstruct(noisy) - X
    return 0.5 * float(np.einsum("ij,ij->", residual, residual)) / len(X)


GAINS = ["unit", "learned"]


def combinations(args):
    """Size, noise level, family of data and kind of gains of each case."""
    shapes = LARGE_SHAPES if args.large else SHAPES
    if args.all:
        yield from product(shapes, args.sigmas, args.families, GAINS)
        return
    for i, shape in enumerate(shapes):
        for j, sigma in enumerate(args.sigmas):
            family = args.families[(i + j) % len(args.families)]
            yield shape, sigma, family, GAINS[(i * len(args.sigmas) + j) % 2]


def cases(args):
    for (n, d), sigma, family, gains in islice(combinations(args), args.n_cases):
        X = standardise(DATA[family](n + 5_000, d, np.random.default_rng(0)))
        name = f"{family} {n} x {d}, sigma {sigma:g}, {gains} gains"
        yield name, X[:n], X[n:], {"sigma": sigma, "gains": gains}


def run(X, X_test, settings, variant):
    keywords, constants = VARIANTS[variant]
    with ExitStack() as stack:
        for name, value in constants.items():
            stack.enter_context(patch(name, value))
        stack.enter_context(threadpool_limits(1))
        start = time.process_time()
        estimator = DenoisingScoreMatcher(random_state=0, **settings, **keywords)
        try:
            estimator.fit(X)
        except NonFiniteError:
            return np.inf, np.nan
        seconds = time.process_time() - start
    return held_out_loss(estimator, X_test, settings["sigma"]), seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variants", nargs="*", default=list(VARIANTS))
    parser.add_argument("--families", nargs="*", default=list(DATA), choices=DATA)
    parser.add_argument("--sigmas", type=float, nargs="*", default=SIGMAS)
    parser.add_argument("--all", action="store_true", help="every combination")
    parser.add_argument("--n-cases", type=int, help="stop after so many")
    parser.add_argument("--n-jobs", type=int, default=2, help="settings at a time")
    parser.add_argument("--large", action="store_true", help="larger data only")
    parser.add_argument("--verbose", action="store_true", help="a line for each case")
    args = parser.parse_args()
    describe_machine()
    lost, times = [], []
    parallel = Parallel(n_jobs=args.n_jobs)
    for name, X, X_test, settings in cases(args):
        results = np.array(
            parallel(
                delayed(run)(X, X_test, settings, variant) for variant in args.variants
            )
        )
        loss, seconds = results.T
        idle = 0.5 * X.shape[1] * settings["sigma"] ** 2
        scale = min(loss.min(), abs(idle - loss.min()))
        lost.append((loss - loss.min()) / scale)
        times.append(seconds / seconds[0])
        if args.verbose:
            shown = " ".join(f"{100 * x:.2g}%" for x in lost[-1])
            print(f"{name}: {seconds[0]:.1f} s; {shown}", flush=True)
    lost, times = 100 * np.array(lost), np.array(times)
    print(
        f"\n{len(lost)} cases\n{'':24s} time   median   mean   90 %  (loss, per cent)"
    )
    for i, variant in enumerate(args.variants):
        column = lost[:, i]
        print(
            f"{variant:24s} {np.exp(np.nanmean(np.log(times[:, i]))):4.2f} "
            f"{np.median(column):8.2f} {column.mean():6.2f} "
            f"{np.quantile(column, 0.9):6.2f}"
        )


if __name__ == "__main__":
    main()
