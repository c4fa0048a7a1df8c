"""Time to a given held-out denoising loss: skdsm against other ways to train the model.

All train the same tied-weight denoising autoencoder at the same noise level. Adam
(PyTorch) is swept over learning rates and batch sizes, the best third of the runs goes
on for longer; its best held-out loss defines the target, 1 % above it, and the sweep's
fastest run to the target is what is compared. Evaluations of the held-out loss are not
counted. Ratios are times divided by skdsm's in the same run of this script.
"""

import argparse
from functools import partial

import numpy as np
from clock import Clock, Points, denoising_loss
from common import DATA_SETS, describe_machine, load_folder, standardise
from scipy.optimize import minimize

from skdsm import DenoisingScoreMatcher
from skdsm._blocks import block_map
from skdsm.model.parameters import Parameters
from skdsm.rows.in_memory import InMemoryRows, prepare_rows
from skdsm.training.corruption import NoiseLevels
from skdsm.training.fit import Settings, fit_energy_model

try:
    import torch
except ImportError:
    torch = None


def data_sets(folder):
    """Yield the name of each data set and a function of a generator that makes it."""
    yield from DATA_SETS.items()
    for name, X, _ in load_folder(folder) if folder else ():
        n, d = X.shape
        if n >= 20_000 and d >= 10:
            yield f"{name} {n:,} x {d}", lambda rng, X=X: rng.permutation(X)


def skdsm_run(X, held_out_loss, args):
    """Train by skdsm, as its estimator does, with a point every five iterations."""
    defaults = DenoisingScoreMatcher()
    settings = Settings(
        n_components=args.n_components,
        levels=NoiseLevels(args.sigma, args.sigma),
        learn_gains=False,
        objective=defaults.objective,
        n_corruptions=defaults.n_corruptions,
        alpha=0.0,
        max_iter=defaults.max_iter,
        tol=args.tol,
    )
    clock = Clock(held_out_loss)

    with block_map(args.n_jobs) as map:
        rows = prepare_rows(X, None, args.seed)
        model, _ = fit_energy_model(
            rows,
            settings,
            args.seed,
            monitor=Points(clock, rows.mean, args.budget),
            map=map,
        )
    clock.point(model.parameters)
    return clock


def plain_lbfgs_run(X, held_out_loss, args):
    """Train by SciPy's L-BFGS on one draw of noise, from small random weights."""
    rng = np.random.default_rng(args.seed)
    m, d = args.n_components, X.shape[1]
    settings = Settings(
        m, NoiseLevels(args.sigma, args.sigma), False, "dsm", 4, 0.0, 0, 0.0
    )
    clock = Clock(held_out_loss)
    with block_map(args.n_jobs) as map:
        rows = InMemoryRows(X, None, np.zeros(d))
        risk = rows.risk(settings, (args.seed,), map=map)
        start = Parameters(
            rng.standard_normal((m, d)) / np.sqrt(d),
            np.zeros(m),
            np.zeros(d),
            np.ones(m),
        ).pack()

        def objective(x):
            full = np.concatenate([x, np.ones(m)])
            value, gradient = risk(Parameters.unpack(full, m, d))
            return value, gradient.pack()[:-m]

        def callback(intermediate_result):
            callback.n_iter += 1
            if callback.n_iter % 5 == 0:
                full = np.concatenate([intermediate_result.x, np.ones(m)])
                clock.point(Parameters.unpack(full, m, d))
            if clock.elapsed() > args.slow_budget:
                raise StopIteration

        callback.n_iter = 0
        minimize(
            objective,
            start[:-m],
            jac=True,
            method="L-BFGS-B",
            callback=callback,
            options={"maxiter": 100_000, "maxfun": 100_000},
        )
    return clock


def torch_model(X, args, generator):
    m, d = args.n_components, X.shape[1]
    W = (torch.randn(m, d, generator=generator) / np.sqrt(d)).requires_grad_()
    b = torch.zeros(m, requires_grad=True)
    c = torch.zeros(d, requires_grad=True)
    return [W, b, c]


def torch_loss(weights, clean, noisy):
    W, b, c = weights
    reconstruction = torch.sigmoid(noisy @ W.T + b) @ W + c
    return 0.5 * ((reconstruction - clean) ** 2).sum(1).mean()


def torch_parameters(weights):
    W, b, c = (w.detach().numpy().astype(np.float64) for w in weights)
    return Parameters(W, b, c, np.ones(len(b)))


class Adam:
    """Training by Adam, fresh noise for each batch; it can be continued."""

    def __init__(self, X, held_out_loss, args, learning_rate, batch_size):
        self.name = f"Adam, rate {learning_rate:g}, batch {batch_size}"
        self._args, self._batch_size = args, batch_size
        self._generator = torch.Generator().manual_seed(args.seed)
        self._data = torch.from_numpy(X)
        self._weights = torch_model(X, args, self._generator)
        self._optimiser = torch.optim.Adam(self._weights, lr=learning_rate)
        self._diverged = False
        self.clock = Clock(held_out_loss)

    def advance(self, seconds):
        """Train until that many seconds have been spent in all."""
        self.clock.go_on()
        next_point = max(0.1, 1.1 * self.clock.elapsed())
        while self.clock.elapsed() < seconds and not self._diverged:
            self._step()
            if self.clock.elapsed() > next_point:
                loss = self.clock.point(torch_parameters(self._weights))
                self._diverged = not loss < 1e3 * self._args.scale
                next_point = self.clock.elapsed() * 1.1
        self.clock.point(torch_parameters(self._weights))

    def _step(self):
        index = torch.randint(
            len(self._data), (self._batch_size,), generator=self._generator
        )
        clean = self._data[index]
        noise = torch.randn(clean.shape, generator=self._generator)
        self._optimiser.zero_grad()
        torch_loss(self._weights, clean, clean + self._args.sigma * noise).backward()
        self._optimiser.step()


def adam_runs(X, held_out_loss, args):
    """Sweep learning rate and batch size; the best third goes on."""
    runs = [
        Adam(X, held_out_loss, args, rate, size)
        for rate in args.learning_rates
        for size in args.batch_sizes
    ]
    finalists = runs
    for seconds in (args.sweep_budget, args.budget):
        for run in finalists:
            run.advance(seconds)
        finalists = sorted(runs, key=lambda run: run.clock.best())
        finalists = finalists[: -(-len(runs) // 3)]
    return {run.name: run.clock for run in runs}


def torch_lbfgs_run(X, held_out_loss, args):
    """Train by PyTorch's L-BFGS, fresh noise for every closure of 20 iterations."""
    generator = torch.Generator().manual_seed(args.seed)
    data = torch.from_numpy(X)
    weights = torch_model(X, args, generator)
    optimiser = torch.optim.LBFGS(weights, max_iter=20, line_search_fn="strong_wolfe")
    clock = Clock(held_out_loss)
    while clock.elapsed() < args.slow_budget:
        noisy = data + args.sigma * torch.randn(data.shape, generator=generator)

        def closure(noisy=noisy):
            optimiser.zero_grad()
            loss = torch_loss(weights, data, noisy)
            loss.backward()
            return loss

        optimiser.step(closure)
        clock.point(torch_parameters(weights))
    return clock


def mlp_run(X, held_out_rows, args):
    """Train scikit-learn's MLPRegressor (untied weights) as a denoiser."""
    from sklearn.neural_network import MLPRegressor

    clean, noisy = held_out_rows
    rng = np.random.default_rng(args.seed)
    model = MLPRegressor(
        hidden_layer_sizes=(args.n_components,),
        activation="logistic",
        batch_size=512,
        random_state=0,
    )
    clock = Clock(
        lambda model: 0.5 * float(((model.predict(noisy) - clean) ** 2).sum(1).mean())
    )
    while clock.elapsed() < args.slow_budget:
        noise = args.sigma * rng.standard_normal(X.shape, dtype=np.float32)
        model.partial_fit(X + noise, X)
        clock.point(model)
    return clock


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "folder", nargs="?", help="of NAME.npz files; of those, 20,000 x 10 or more"
    )
    parser.add_argument("--data", nargs="*", help="names begin with; default all")
    parser.add_argument("--n-components", type=int, default=128)
    parser.add_argument("--sigma", type=float, default=0.5)
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument(
        "--tol", type=float, default=DenoisingScoreMatcher().tol, help="of skdsm"
    )
    parser.add_argument("--budget", type=float, default=60, help="seconds a run")
    parser.add_argument("--sweep-budget", type=float, default=10)
    parser.add_argument("--slow-budget", type=float, default=60)
    parser.add_argument(
        "--learning-rates", type=float, nargs="*", default=[3e-3, 1e-2, 3e-2]
    )
    parser.add_argument("--batch-sizes", type=int, nargs="*", default=[256, 1024, 4096])
    parser.add_argument("--only", nargs="*", help="skdsm adam lbfgs torch-lbfgs mlp")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plot", metavar="FILE", help="draw loss against time")
    args = parser.parse_args()
    describe_machine()
    if torch is None:
        print("PyTorch is not installed: Adam and its L-BFGS are left out.")
    else:
        torch.set_num_threads(args.n_jobs)

    def wanted(name):
        return not args.only or name in args.only

    all_runs = {}
    for data_name, make in data_sets(args.folder):
        if args.data and not any(data_name.startswith(name) for name in args.data):
            continue
        X = standardise(make(np.random.default_rng(0)))
        n_test = min(20_000, len(X) // 5)
        X, X_test = X[n_test:], X[:n_test]
        rng = np.random.default_rng(1)
        noise = args.sigma * rng.standard_normal(X_test.shape, dtype=np.float32)
        noisy = X_test + noise

        held_out_loss = partial(denoising_loss, X_test, noisy)
        args.scale = 0.5 * X.shape[1] * args.sigma**2
        runs = {}
        if wanted("skdsm"):
            runs["skdsm"] = skdsm_run(X, held_out_loss, args)
        if torch is not None and wanted("adam"):
            runs |= adam_runs(X, held_out_loss, args)
        if wanted("lbfgs"):
            runs["plain L-BFGS"] = plain_lbfgs_run(X, held_out_loss, args)
        if torch is not None and wanted("torch-lbfgs"):
            runs["PyTorch L-BFGS"] = torch_lbfgs_run(X, held_out_loss, args)
        if wanted("mlp"):
            runs["MLPRegressor"] = mlp_run(X, (X_test, noisy), args)
        all_runs[data_name] = report(data_name, runs)
    if args.plot:
        draw(all_runs, args.plot)


def draw(all_runs, path):
    """Held-out loss above the least of any run, against time; a panel a data set."""
    import matplotlib.pyplot as plt

    columns = min(3, len(all_runs))
    rows = -(-len(all_runs) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(3 * columns, 2.7 * rows), squeeze=False
    )
    for ax in axes.flat[len(all_runs) :]:
        ax.set_axis_off()
    for ax, (name, runs) in zip(axes.flat, all_runs.items(), strict=False):
        least = min(run.best() for run in runs.values())
        for label, run in runs.items():
            seconds, loss = np.array(run.record).T
            family = label.split(",")[0]  # one colour for Adam, whatever its settings
            ax.plot(seconds, loss / least - 1, label=family)
        ax.axhline(0.01, color="0.7", linewidth=0.8)
        ax.set(xscale="log", yscale="log", ylim=(1e-4, 1), title=name)
    for ax in axes[:, 0]:
        ax.set_ylabel("held-out loss above the best")
    for ax in axes[-1]:
        ax.set_xlabel("seconds")
    for ax in axes.flat:
        ax.xaxis.set_minor_formatter(plt.NullFormatter())
    axes[0, 0].legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    print(f"\nsaved {path}")


def report(data_name, runs):
    """Print a table; return the runs with the fastest of Adam's."""
    adam = {name: run for name, run in runs.items() if name.startswith("Adam")}
    reference = adam or runs
    target = 1.01 * min(run.best() for run in reference.values())
    print(f"\n{data_name}: target loss {target:.5g}")
    own = runs["skdsm"].time_to(target) if "skdsm" in runs else np.nan
    if adam:
        fastest = min(adam, key=lambda name: adam[name].time_to(target))
        runs = {k: v for k, v in runs.items() if k not in adam or k == fastest}
    for name, run in runs.items():
        seconds, total = run.time_to(target), run.record[-1][0]
        when = f"{seconds:8.2f} s" if np.isfinite(seconds) else f" > {total:6.1f} s"
        least = seconds if np.isfinite(seconds) else total
        mark = "" if np.isfinite(seconds) else "> "
        ratio = f"{least / own:6.2f} x" if np.isfinite(own) else "     -  "
        print(
            f"  {name:32s} {when}   {mark}{ratio}   "
            f"best {run.best():.5g} (after {total:.1f} s)",
            flush=True,
        )
    return runs


if __name__ == "__main__":
    main()
