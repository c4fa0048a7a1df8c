"""What each of the four ideas of training brings: time to a loss without it.

The ideas: samples of rows that grow, under fresh noise; a change of variables as
preconditioner; a start from the data; a kernel that works on chunks of rows in cache.
Each run leaves out one of them, and the last run leaves out all. The target is the
best held-out loss of the complete method, plus 1 % (or `--within`) of its distance from
the loss of doing nothing; times are divided by the complete method's in the same run of
this script.
"""

import argparse
from functools import partial

import numpy as np
from clock import Clock, Points, denoising_loss
from common import DATA_SETS, describe_machine, standardise
from scipy.special import expit

from skdsm import DenoisingScoreMatcher
from skdsm._blocks import block_map
from skdsm.model.parameters import Parameters
from skdsm.rows.in_memory import InMemoryRows, prepare_rows
from skdsm.training.corruption import NoiseLevels
from skdsm.training.fit import Parts, Settings, fit_energy_model
from skdsm.training.preconditioner import ChangeOfVariables
from skdsm.training.protocols import Risk
from skdsm.training.schedule import Schedule


class PlainRisk(Risk):
    """The same loss as one would first write it: all rows at once."""

    def __init__(self, rows, settings, seed):
        rng = np.random.default_rng(seed)
        self.sigma = settings.levels.low
        self.clean = np.tile(rows.centred(), (settings.n_corruptions, 1))
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


class AllRowsAtOnce(Schedule):
    """All rows and all corrupted copies from the first stage."""

    unquestioned = property(lambda self: self.n_rows)

    def first(self):
        return self.last()


class OneDraw(InMemoryRows):
    """The same noise in every stage; stages are told apart by the last of the seed."""

    def risk(self, settings, seed, map=map):
        return super().risk(settings, seed[:2], map)


class PlainRows(InMemoryRows):
    """Rows whose risk is plain."""

    def risk(self, settings, seed, map=map):
        return PlainRisk(self, settings, seed)


class OnePlainDraw(OneDraw, PlainRows):
    """Both."""


def random_start(X, sample_weight, linear, settings, rng):
    m, d = settings.n_components, X.shape[1]
    W = rng.standard_normal((m, d)) / np.sqrt(d)
    return Parameters(W, np.zeros(m), np.zeros(d), np.ones(m))


def no_scaling(parameters, X_noisy, sample_weight):
    m, d = parameters.components.shape
    return ChangeOfVariables(
        np.eye(m), np.eye(m), np.eye(d), np.ones((m, d)), np.ones(m), np.ones(m)
    )


RUNS = {  # the kind of rows, which makes the risk, and the other parts
    "all ideas": (InMemoryRows, Parts()),
    "all rows from the first stage": (InMemoryRows, Parts(schedule=AllRowsAtOnce)),
    "one draw of noise, all rows": (OneDraw, Parts(schedule=AllRowsAtOnce)),
    "no change of variables": (InMemoryRows, Parts(scaling=no_scaling)),
    "random start": (InMemoryRows, Parts(start=random_start)),
    "kernel without chunks": (PlainRows, Parts()),
    "none": (OnePlainDraw, Parts(AllRowsAtOnce, random_start, no_scaling)),
}


def fit(X, kind, parts, args, held_out_loss):
    settings = Settings(
        n_components=args.n_components,
        levels=NoiseLevels(args.sigma, args.sigma),
        learn_gains=False,
        objective="dsm",
        n_corruptions=DenoisingScoreMatcher().n_corruptions,
        alpha=0.0,
        max_iter=args.max_iter,
        tol=0.0,  # until time is up
    )
    clock = Clock(held_out_loss)
    with block_map(args.n_jobs) as map:
        rows = prepare_rows(X, None, args.seed)
        monitor = Points(clock, rows.mean, args.budget)
        rows = kind(rows.centred(), rows.weight, rows.mean)
        model, _ = fit_energy_model(
            rows, settings, args.seed, monitor=monitor, map=map, parts=parts
        )
    clock.point(model.parameters)
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
        idle = 0.5 * X.shape[1] * args.sigma**2
        for run, (kind, parts) in RUNS.items():
            clock = fit(X, kind, parts, args, held_out_loss)
            if target is None:
                target = clock.best() + args.within * (idle - clock.best())
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
