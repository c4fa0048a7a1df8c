"""What each of the four ideas of training brings: time to a loss without it.

The ideas: samples of rows that grow, under fresh noise; a change of variables as
preconditioner; a start from the data; a kernel that works on chunks of rows in cache.
Each run leaves out one of them, and the last run leaves out all. The target is the
final held-out loss of the complete method, plus 1 % (or `--within`) of what training
moved it by; times are divided by the complete method's in the same run of this script.
"""

import argparse
from functools import partial
from typing import NamedTuple

import numpy as np
from clock import Clock, Points, denoising_loss
from common import DATA_SETS, describe_machine, standardise
from scipy.special import expit

from skdsm import DenoisingScoreMatcher
from skdsm.corruption import NoiseLevels
from skdsm.energy import Parameters
from skdsm.fitting import Settings
from skdsm.initialization import data_dependent_start, linear_denoiser
from skdsm.preconditioning import ChangeOfVariables, curvature_scaling
from skdsm.risk import EmpiricalRisk
from skdsm.schedule import Schedule
from skdsm.threads import block_map
from skdsm.training import train
from skdsm.training_rows import prepare_rows


class Ideas(NamedTuple):
    """Which of the ideas a run uses."""

    fresh_noise: bool = True
    growing_samples: bool = True
    change_of_variables: bool = True
    start_from_data: bool = True
    lean_kernel: bool = True


RUNS = {
    "all ideas": Ideas(),
    "all rows from the first stage": Ideas(growing_samples=False),
    "one draw of noise, all rows": Ideas(fresh_noise=False, growing_samples=False),
    "no change of variables": Ideas(change_of_variables=False),
    "random start": Ideas(start_from_data=False),
    "kernel without chunks": Ideas(lean_kernel=False),
    "none": Ideas(*5 * [False]),
}


class PlainRisk:
    """The same loss as one would first write it: all rows at once."""

    def __init__(self, rows, settings, seed):
        rng = np.random.default_rng(seed)
        self.sigma = settings.levels.low
        self.clean = np.tile(rows.X, (settings.n_corruptions, 1))
        noise = rng.standard_normal(self.clean.shape, dtype=np.float32)
        self.noisy = self.clean + self.sigma * noise

    def __call__(self, parameters):
        W, b, c, g = (block.astype(np.float32) for block in parameters)
        H = expit(self.noisy @ W.T + b)
        residual = (H * g) @ W + c - self.clean
        back = (residual @ W.T) * g * H * (1 - H)
        n = len(self.clean)
        gradient = Parameters(
            ((H * g).T @ residual + back.T @ self.noisy) / n,
            back.sum(0) / n,
            residual.sum(0) / n,
            ((residual @ W.T) * H).sum(0) / n,
        )
        value = 0.5 * np.mean(np.einsum("ij,ij->i", residual, residual))
        return float(value), Parameters(*(x.astype(float) for x in gradient))

    def sample(self, n_rows):
        X = self.noisy[:n_rows].astype(float)
        return X, np.ones(len(X))


def random_start(X, m, rng):
    d = X.shape[1]
    W = rng.standard_normal((m, d)) / np.sqrt(d)
    return Parameters(W, np.zeros(m), np.zeros(d), np.ones(m))


def fit(X, ideas, args, held_out_loss):
    defaults = DenoisingScoreMatcher()
    m = args.n_components
    settings = Settings(
        n_components=m,
        levels=NoiseLevels(args.sigma, args.sigma),
        learn_gains=False,
        objective="dsm",
        n_corruptions=defaults.n_corruptions,
        alpha=0.0,
        max_iter=args.max_iter,
        tol=defaults.tol,
    )
    clock = Clock(held_out_loss)

    with block_map(args.n_jobs) as map:
        rows = prepare_rows(X, None, args.seed)
        make = partial(EmpiricalRisk, map=map) if ideas.lean_kernel else PlainRisk

        def draw(n_rows, n_copies, *key):
            sample = rows.head(n_rows)
            return make(
                sample, settings._replace(n_corruptions=n_copies), (args.seed, *key)
            )

        linear = linear_denoiser(rows.X, None, args.sigma**2)
        rng = np.random.default_rng(args.seed)
        if ideas.start_from_data:
            start = data_dependent_start(rows.X, None, linear, m, rng)
        else:
            start = random_start(rows.X, m, rng)
        d = rows.X.shape[1]
        unit = ChangeOfVariables(
            np.eye(m), np.eye(m), np.eye(d), np.ones((m, d)), np.ones(m), np.ones(m)
        )
        plan = Schedule(len(rows.X), defaults.n_corruptions, max(1024, m * d))
        validation = draw(4096, defaults.n_corruptions, 1)
        clock.point(start.translate(rows.mean))
        train(
            start,
            plan.first() if ideas.growing_samples else plan.last(),
            plan.after,
            lambda index, stage: draw(*stage, 2, index if ideas.fresh_noise else 0),
            lambda parameters, risk: (
                curvature_scaling(parameters, *risk.sample(4 * m))
                if ideas.change_of_variables
                else unit
            ),
            validation_risk=lambda parameters: validation(parameters)[0],
            scale=linear.loss,
            idle_loss=0.5 * args.sigma**2 * d,
            max_iter=args.max_iter,
            tol=0.0 if ideas != Ideas() else defaults.tol,
            monitor=Points(clock, rows.mean, args.budget),
        )
    return clock


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="*", help="names begin with; default all")
    parser.add_argument("--n-components", type=int, default=128)
    parser.add_argument("--sigma", type=float, default=0.5)
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--budget", type=float, default=60, help="seconds a run")
    parser.add_argument("--max-iter", type=int, default=10_000)
    parser.add_argument("--within", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    describe_machine()
    for name, make in DATA_SETS.items():
        if args.data and not any(name.startswith(start) for start in args.data):
            continue
        X = standardise(make(np.random.default_rng(0)))
        n_test = min(20_000, len(X) // 5)
        X, X_test = X[n_test:], X[:n_test]
        noise = np.random.default_rng(1).standard_normal(X_test.shape, np.float32)
        held_out_loss = partial(denoising_loss, X_test, X_test + args.sigma * noise)
        print(f"\n{name}")
        target = own = None
        for run, ideas in RUNS.items():
            clock = fit(X, ideas, args, held_out_loss)
            if target is None:
                first, last = clock.record[0][1], clock.best()
                target = last + args.within * (first - last)
                own = clock.time_to(target)
            seconds, total = clock.time_to(target), clock.record[-1][0]
            reached = np.isfinite(seconds)
            print(
                f"  {run:32s} {'  ' if reached else '> '}"
                f"{seconds if reached else total:6.1f} s {'  ' if reached else '> '}"
                f"{(seconds if reached else total) / own:6.1f} x   "
                f"best loss {clock.best():.5g}",
                flush=True,
            )


if __name__ == "__main__":
    main()
