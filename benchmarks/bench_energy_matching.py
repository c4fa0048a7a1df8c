"""What energy matching brings, and what it costs, by its weight.

First two clusters that lie apart, one with four times the rows of the other: how far
the difference of their energies is from log 4. Then, with a folder of NAME.npz files
that hold X and y, y = 1 for anomalies, the defaults on all data sets: mean ROC AUC in
both protocols of bench_ranking.py; and in the one-class protocol, at corrupted normal
rows that were not trained on, the denoising loss, divided by that without matching, and
the squared correlation of the energy with the Parzen log-density of the training rows.
"""

import argparse
import sys

import numpy as np
from common import describe_machine, load_folder
from joblib import Parallel, delayed
from ranking.protocols import PROTOCOLS, standardised
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from skdsm import DenoisingScoreMatcher
from skdsm.model.energy import EnergyModel
from skdsm.model.parzen import parzen_log_density
from skdsm.rows.in_memory import prepare_rows
from skdsm.training.corruption import NoiseLevels, draw_corruption
from skdsm.training.energy_matching import match_energy

STRENGTHS = [0.0, 0.01, 0.03, 0.05, 0.1, 0.3, 1.0]


def noise_levels(matcher):
    return NoiseLevels(*matcher.noise_levels_.tolist())


def matched_models(matcher, X):
    """One fit, matched with each weight; a weight of zero changes nothing."""
    levels, rows = noise_levels(matcher), prepare_rows(X, None, seed=0)
    centred = matcher._model().parameters.translate(-rows.mean)
    for strength in STRENGTHS:
        parameters = match_energy(centred, rows, levels, strength, (0, 0))
        yield EnergyModel(parameters.translate(rows.mean), matcher.sigma_)


def unmatched(X, seed, n_components=128, **parameters):
    return DenoisingScoreMatcher(
        n_components, energy_matching=0.0, random_state=seed, **parameters
    ).fit(X)


def proportion_errors(seed):
    """|E(few) - E(many) - log 4| for each weight."""
    rng = np.random.default_rng(seed)
    side = np.repeat([-3.0, 3.0], [200, 800])
    X = (side + 0.5 * rng.standard_normal(1000))[:, np.newaxis]
    errors = []
    with threadpool_limits(1):
        matcher = unmatched(X, seed, 16, sigma=0.5)
        for model in matched_models(matcher, X):
            few, many = model.energy(np.array([[-3.0], [3.0]]))
            errors.append(abs(few - many - np.log(4)))
    return errors


def held_out_figures(models, matcher, X, normal, seed):
    """Denoising loss and squared correlation with Parzen's log-density."""
    levels, normal = noise_levels(matcher), normal[:2000]
    noise = draw_corruption(normal.shape, levels, 1, (seed, 9), np.float64).noise[0]
    noisy = normal + noise
    log_density = parzen_log_density(noisy, X, levels.low)
    for model in models:
        residual = model.reconstruct(noisy) - normal
        loss = 0.5 * np.einsum("ij,ij->", residual, residual) / len(normal)
        yield loss, np.corrcoef(model.energy(noisy), log_density)[0, 1] ** 2


def evaluate(X, y, protocol, seed, max_rows):
    train, test = PROTOCOLS[protocol](y, seed, max_rows)
    X_train, X_test = standardised(X, train, test)
    with threadpool_limits(1):
        matcher = unmatched(X_train, seed)
        models = list(matched_models(matcher, X_train))
        auc = [roc_auc_score(y[test], model.energy(X_test)) for model in models]
        if protocol != "one-class":
            return {"auc": auc}
        normal = X_test[y[test] == 0]
        figures = held_out_figures(models, matcher, X_train, normal, seed)
        loss, fit = np.transpose(list(figures))
    return {"auc": auc, "loss": loss / loss[0], "fit": fit}


def print_row(name, values, form):
    print(f"{name:44s}" + "".join(f"{value:>8{form}}" for value in values), flush=True)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", help="with NAME.npz files")
    parser.add_argument("--rows", type=int, default=1000, help="training rows at most")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2, help="fits at a time")
    args = parser.parse_args()
    describe_machine()
    parallel = Parallel(args.jobs)
    names = [f"{strength:g}" for strength in STRENGTHS]
    print_row("\nenergy_matching".ljust(45), names, "s")
    errors = parallel(delayed(proportion_errors)(seed) for seed in range(12))
    print_row("two clusters: mean error, nats", np.mean(errors, axis=0), ".2f")
    print_row("two clusters: largest error, nats", np.max(errors, axis=0), ".2f")
    if args.folder is None:
        return
    data = [(X, y) for _, X, y in load_folder(args.folder)]
    for protocol in PROTOCOLS:
        results = parallel(
            delayed(evaluate)(X, y, protocol, seed, args.rows)
            for X, y in data
            for seed in range(args.seeds)
        )
        print(f"{protocol} done", file=sys.stderr, flush=True)
        auc = np.mean([result["auc"] for result in results], axis=0)
        print_row(f"{protocol}: mean ROC AUC", auc, ".4f")
        if protocol == "one-class":
            loss = np.array([result["loss"] for result in results])
            fit = np.mean([result["fit"] for result in results], axis=0)
            print_row("    held-out loss, median ratio", np.median(loss, axis=0), ".3f")
            print_row("    held-out loss, largest ratio", loss.max(axis=0), ".3f")
            print_row("    squared correlation", fit, ".3f")


if __name__ == "__main__":
    main()
