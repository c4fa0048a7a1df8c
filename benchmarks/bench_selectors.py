"""Choosing sigma and n_components without labels, judged by the ROC AUC of the choice.

One-class protocol, on a folder of NAME.npz files that hold X and y, with y = 1 for
anomalies, as ADBench has them: half of the normal rows train, standardised; the others
and all anomalies are ranked. Each criterion sees the training rows only: models of the
grid are fitted to two thirds of them, and the last third is held out. The model it
selects is fitted to all training rows, and its ROC AUC is what counts.

Results are kept in --cache: a run that was stopped goes on where it was.
"""

import argparse
import warnings
from itertools import product

import numpy as np
from common import describe_machine, folder_given, load_folder
from joblib import Memory, Parallel, delayed
from level_sets import subsampled_criteria
from ranking.protocols import one_class_rows
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from skdsm import DenoisingScoreMatcher
from skdsm.exceptions import SamplingWarning

SIGMAS = [0.125, 0.25, 0.5, 1.0, 2.0]
DEFAULT_SIGMA = 0.5
LEVELS = [0.25, 0.5, 1.0]  # of reference, for the denoising loss
CRITERIA = [
    "score",
    *(f"denoising loss at {level:g}" for level in LEVELS),
    "log_density",
    "mass-volume",
    "excess-mass",
]


def denoising_loss(matcher, X, level, n_copies=8):
    """Mean of ``|r(x~) - x|^2 / 2`` over one draw of noise of a given level.

    The denoiser for that level is ``x + level^2 psi(x)``, whatever the model's sigma.
    """
    rng = np.random.default_rng(0)
    clean = np.tile(X, (n_copies, 1))
    noisy = clean + level * rng.standard_normal(clean.shape)
    residual = noisy + level**2 * matcher.score_function(noisy) - clean
    return 0.5 * float(np.mean(np.einsum("ij,ij->i", residual, residual)))


def evaluate(X, X_test, y_test, sigma, size, tol, seed):
    """ROC AUC of a point of the grid, and what each criterion says of it."""

    def model():
        return DenoisingScoreMatcher(
            size, sigma=sigma, gains="unit", tol=tol, random_state=seed
        )

    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", SamplingWarning)
        auc = roc_auc_score(y_test, -model().fit(X).score_samples(X_test))
        split = 2 * len(X) // 3
        fitted, held_out = X[:split], X[split:]
        matcher = model().fit(fitted)
        log_z = matcher.log_partition(max_islands=8).value
        rng = np.random.default_rng(seed)
        mv, em = subsampled_criteria(model(), fitted, held_out, rng)
        values = [
            matcher.score(held_out),
            *(-denoising_loss(matcher, held_out, level) for level in LEVELS),
            -float(matcher.energy(held_out).mean()) - log_z,
            -mv,
            em,
        ]
    return auc, values


def selected(grid, auc, values):
    """ROC AUC of each way to choose from the grid, for one data set and seed."""
    best = {name: np.argmax(values[:, i]) for i, name in enumerate(CRITERIA)}
    default = grid.index((DEFAULT_SIGMA, max(size for _, size in grid)))
    row = {"default": auc[default], "oracle": auc.max(), "random": auc.mean()}
    row |= {name: auc[i] for name, i in best.items()}
    return row, {name: grid[i] for name, i in best.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", help="with NAME.npz files")
    parser.add_argument("--rows", type=int, default=2000, help="training rows at most")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="*", default=[32, 128])
    parser.add_argument("--tol", type=float, default=1e-2, help="of training")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--cache", default=".cache/selectors")
    args = parser.parse_args()
    if not folder_given(args):
        return
    describe_machine()
    cached = Memory(args.cache, verbose=0).cache(evaluate)
    grid = list(product(SIGMAS, args.sizes))
    tables = []
    with Parallel(n_jobs=args.jobs, return_as="generator") as parallel:
        for seed in range(args.seeds):
            for name, X, y in load_folder(args.folder):
                train, test, labels = one_class_rows(X, y, seed, args.rows)
                results = parallel(
                    delayed(cached)(train, test, labels, sigma, size, args.tol, seed)
                    for sigma, size in grid
                )
                auc, values = map(np.array, zip(*results, strict=True))
                row, choice = selected(grid, auc, values)
                tables.append(row)
                chosen = "  ".join(f"{choice[c][0]:g}/{choice[c][1]}" for c in CRITERIA)
                print(
                    f"{name:12} seed {seed}  default {row['default']:.3f}  "
                    f"oracle {row['oracle']:.3f}  chosen {chosen}",
                    flush=True,
                )
    names = list(tables[0])
    table = np.array([[row[name] for name in names] for row in tables])
    gain = table - table[:, [names.index("default")]]
    print(f"\n{len(table)} data sets and seeds; difference to the default:")
    print(f"{'':36}ROC AUC   mean   s.e.  worst  better  worse")
    for name, mean, column in zip(names, table.mean(axis=0), gain.T, strict=True):
        error = column.std(ddof=1) / np.sqrt(len(column)) if len(column) > 1 else 0
        print(
            f"{name:36}{mean:7.3f} {column.mean():+6.3f} {error:6.3f} "
            f"{column.min():+6.3f} {np.sum(column > 0.005):7d} "
            f"{np.sum(column < -0.005):6d}"
        )


if __name__ == "__main__":
    main()
