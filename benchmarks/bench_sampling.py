"""Effective samples per second of `sample_chains`, beside BlackJAX and NumPyro.

One density for all: the model fitted on four overlapping Gaussian clusters, whose
chains pass from cluster to cluster. (Where they do not, the effective sample size
measures the starting positions.) All run the same number of chains at once, from
positions that have the density already, with the dense metric of the same covariance.
Compilation and warm-up are not timed. The peers get the best of several step sizes and
trajectory lengths, found by trial; `sample_chains` gets what its own warm-up finds.
BlackJAX is also given the gradient by hand, in the arithmetic of `model_target`.

Samples are counted by ArviZ's bulk effective sample size: the smallest over the
coordinates x, and the smallest over their squares. Seconds are the clock's, and the
processors', which other programs on the machine disturb less. Peers need: pip install
blackjax numpyro.
"""

import argparse
import time
from typing import NamedTuple

import numpy as np
from common import describe_machine, standardise
from threadpoolctl import threadpool_limits

from skdsm import DenoisingScoreMatcher
from skdsm.density.target import model_target
from skdsm.mcmc.chains import sample_chains
from skdsm.mcmc.diagnostics import convergence
from skdsm.mcmc.hmc import hmc_step, initial_state
from skdsm.mcmc.mass_matrix import identity_metric
from skdsm.model.activations import tanh
from skdsm.model.energy import EnergyModel
from skdsm.model.parameters import Parameters

try:
    import jax
    import jax.numpy as jnp
except ImportError:
    jax = None
try:
    import blackjax
except ImportError:
    blackjax = None
try:
    import numpyro
    from numpyro.infer import HMC, MCMC, NUTS
except ImportError:
    numpyro = None


class Sampler(NamedTuple):
    """To be timed: `run(i)` returns draws (n_chains, n_draws, d) and gradients."""

    name: str
    settings: str
    run: callable


class Rate(NamedTuple):
    """Effective samples per second, and the processors' time for a gradient."""

    of_x: float
    of_square: float
    of_x_cpu: float
    gradient: float
    rhat: float


def overlapping_mixture(n, d, rng, n_clusters=4):
    """Clusters of general shape, about as wide as they are apart."""
    label = rng.integers(n_clusters, size=n)
    X = rng.standard_normal((n_clusters, d))[label]
    for k in range(n_clusters):
        factor = rng.standard_normal((d, d)) / np.sqrt(d)
        rows = label == k
        X[rows] += rng.standard_normal((rows.sum(), d)) @ factor
    return standardise(X)


def fitted_model(n, d, m):
    """The model, and the rows it was fitted on."""
    X = overlapping_mixture(n, d, np.random.default_rng(0))
    dsm = DenoisingScoreMatcher(m, sigma=0.5, gains="unit", random_state=0).fit(X)
    parameters = Parameters(
        dsm.components_,
        dsm.intercept_hidden_,
        dsm.intercept_visible_,
        dsm.gains_,
    )
    return EnergyModel(parameters, float(dsm.sigma_)), X


def measure(sampler, i):
    """Time a run and count its samples."""
    start, cpu_start = time.perf_counter(), time.process_time()
    draws, n_gradients = sampler.run(i)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu_start
    draws = np.asarray(draws, np.float64)
    of_x, of_square = convergence(draws), convergence(draws**2)
    return Rate(
        of_x.ess_bulk.min() / seconds,
        of_square.ess_bulk.min() / seconds,
        of_x.ess_bulk.min() / cpu,
        cpu / n_gradients,
        of_x.rhat.max(),
    )


def best(samplers):
    """The one of the settings of a sampler that has the most samples of x a second."""
    for sampler in samplers:
        sampler.run(0)  # compiles
    return max(samplers, key=lambda sampler: measure(sampler, 1).of_x_cpu)


def ours(target, position, n_draws, n_threads, metric="dense"):
    """`sample_chains` with its own tuning, and where its warm-up ended."""
    options = {"n_threads": n_threads}
    first = sample_chains(
        np.random.default_rng(0), target, position, 1, metric=metric, **options
    )
    position = first.positions[:, -1]

    def run(i):
        rng = np.random.default_rng(i)
        chains = sample_chains(
            rng, target, position, n_draws, n_warmup=0, tuning=first.tuning, **options
        )
        return chains.positions, chains.num_integration_steps.sum()

    step, length = first.tuning.step_size, first.tuning.trajectory_length
    settings = f"step {step:.2f}, {length / step:.1f} steps"
    plural = "s" if n_threads > 1 else ""
    name = f"sample_chains, {n_threads} thread{plural}"
    return Sampler(name, settings, run), position, first.tuning.metric


def jax_log_density(model, dtype):
    """The model's log-density, as one would write it, and with its gradient."""
    W, b, c, g = (jnp.asarray(block, dtype) for block in model.parameters)
    variance = model.sigma**2

    def log_density(x):
        z = x - c
        return (g @ jax.nn.softplus(W @ x + b) - 0.5 * z @ z) / variance

    @jax.custom_vjp
    def with_gradient(x):
        return log_density(x)

    half_W, half_b = 0.5 * W, 0.5 * (b + W @ c)

    def forward(x):
        z = x - c
        v = half_W @ z + half_b
        t = jnp.tanh(v)
        softplus = v + jnp.abs(v) - jnp.log1p(jnp.abs(t)) + np.log(2)
        score = (half_W.T @ (g * (1 + t)) - z) / variance
        return (g @ softplus - 0.5 * z @ z) / variance, score

    with_gradient.defvjp(forward, lambda score, cotangent: (cotangent * score,))
    return log_density, with_gradient


def blackjax_chains(make_kernel, log_density, n_draws):
    """Draws of many chains: a scan over the draws, mapped over the chains, jitted."""

    @jax.jit
    def chains(keys, positions, step_size):
        kernel = make_kernel(log_density, step_size)

        def step(state, key):
            state, info = kernel.step(key, state)
            return state, (state.position, info.num_integration_steps)

        def chain(key, position):
            keys = jax.random.split(key, n_draws)
            return jax.lax.scan(step, kernel.init(position), keys)[1]

        return jax.vmap(chain)(keys, positions)

    return chains


def blackjax_sampler(name, chains, position, step_size, settings=""):
    """BlackJAX at one step size."""

    def run(i):
        keys = jax.random.split(jax.random.key(i), len(position))
        draws, n_steps = jax.block_until_ready(chains(keys, position, step_size))
        return draws, float(np.sum(n_steps))

    return Sampler(name, f"step {step_size:.2f}{settings}", run)


def blackjax_samplers(model, position, inverse_mass, args):
    """HMC at its best settings, with either gradient, and NUTS."""
    inverse_mass = jnp.asarray(inverse_mass, position.dtype)
    position = jnp.asarray(position)
    plain, by_hand = jax_log_density(model, position.dtype)
    for name, function in (
        ("BlackJAX HMC", plain),
        ("BlackJAX HMC, gradient by hand", by_hand),
    ):
        candidates = []
        for n_steps in args.steps:

            def hmc(log_density, step_size, n_steps=n_steps):
                return blackjax.hmc(log_density, step_size, inverse_mass, n_steps)

            chains = blackjax_chains(hmc, function, args.draws)
            candidates += [
                blackjax_sampler(name, chains, position, step, f", {n_steps} steps")
                for step in args.step_sizes
            ]
        yield best(candidates)

    def nuts(log_density, step_size):
        return blackjax.nuts(log_density, step_size, inverse_mass)

    chains = blackjax_chains(nuts, plain, args.draws)
    yield best(
        [
            blackjax_sampler("BlackJAX NUTS", chains, position, step)
            for step in args.step_sizes
        ]
    )


def numpyro_samplers(model, position, n_draws, args):
    """HMC and NUTS of NumPyro, which warms up by itself."""
    log_density, _ = jax_log_density(model, position.dtype)

    def sampler(name, make_kernel, settings):
        kernel = make_kernel(potential_fn=lambda x: -log_density(x), dense_mass=True)
        mcmc = MCMC(
            kernel,
            num_warmup=300,
            num_samples=n_draws,
            num_chains=len(position),
            chain_method="vectorized",
            progress_bar=False,
        )
        mcmc.warmup(jax.random.key(0), init_params=jnp.asarray(position))

        @jax.jit
        def chains(state):
            def step(state, _):
                state = kernel.sample(state, (), {})
                return state, (state.z, state.num_steps)

            return jax.lax.scan(step, state, length=n_draws)[1]

        # not `mcmc.run`, which compiles at each call
        def run(i):
            keys = jax.random.split(jax.random.key(i), len(position))
            state = mcmc.last_state._replace(rng_key=jax.random.key_data(keys))
            draws, n_steps = jax.block_until_ready(chains(state))
            return draws.swapaxes(0, 1), float(np.sum(n_steps))

        return Sampler(name, settings, run)

    def hmc(length):
        return lambda **options: HMC(trajectory_length=length, **options)

    yield best(
        [
            sampler("NumPyro HMC", hmc(length), f"length {length:.1f}")
            for length in args.lengths
        ]
    )
    yield sampler("NumPyro NUTS", NUTS, "")


def print_profile(model, X, dtype, n_chains, n_steps=4):
    """Print where the time of a transition goes, in ns a chain, on one thread."""
    target = model_target(model, dtype)
    rows = X[:n_chains].astype(dtype)
    metric = identity_metric(rows.shape[1], rows.dtype)
    rng = np.random.default_rng(0)
    state = initial_state(target, rows)
    W = model.parameters.components.astype(dtype)
    codes = rows @ W.T
    pieces = {
        "products": lambda: (np.matmul(rows, W.T, out=codes), codes @ W),
        "tanh": lambda: tanh(codes, out=codes),
        "score": lambda: target.score(rows),
        "score and log-density": lambda: target.log_density_and_score(rows),
        "momenta": lambda: metric.draw(rng, n_chains, rows.dtype),
        "transition": lambda: hmc_step(rng, state, target, 0.1, n_steps, metric),
    }
    with threadpool_limits(1):
        ns = {name: 1e9 * least_seconds(run) / n_chains for name, run in pieces.items()}
    print(
        f"\nns a chain and transition of {n_steps} steps, {dtype}, one thread: "
        f"{ns['transition']:.0f}, of which"
    )
    n = n_steps
    shares = {
        "matrix products of the scores": n * ns["products"],
        "hyperbolic tangents": n * ns["tanh"],
        "other work in the scores": n * (ns["score"] - ns["products"] - ns["tanh"]),
        "log-density, once": ns["score and log-density"] - ns["score"],
        "momenta": ns["momenta"],
    }
    shares["leapfrog, Metropolis test"] = ns["transition"] - sum(shares.values())
    for name, value in shares.items():
        print(f"{name:32}{value:6.0f}{value / ns['transition']:7.0%}")


def least_seconds(run, repeats=200):
    run()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000, help="to fit on")
    parser.add_argument("--features", type=int, default=16)
    parser.add_argument("--components", type=int, default=128)
    parser.add_argument("--chains", type=int, default=512)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--dtypes", nargs="*", default=["float32", "float64"])
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--steps", type=int, nargs="*", default=[2, 3, 4, 5, 6, 8])
    parser.add_argument(
        "--step-sizes", type=float, nargs="*", default=[0.45, 0.52, 0.6]
    )
    parser.add_argument("--lengths", type=float, nargs="*", default=[1.6, 2.1, 3.1])
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    describe_machine()
    for module, pip in ((blackjax, "blackjax"), (numpyro, "numpyro")):
        if jax is None or module is None:
            print(f"{pip} is not installed (pip install {pip}): it is left out.")
        else:
            print(f"{pip} {module.__version__}, JAX {jax.__version__}")
    model, X = fitted_model(args.rows, args.features, args.components)
    for dtype in args.dtypes:
        compare(model, X, dtype, args)
        print_profile(model, X, dtype, args.chains)


def compare(model, X, dtype, args):
    """Print the table of one arithmetic."""
    position = X[: args.chains].astype(dtype)
    target = model_target(model, dtype)
    samplers = []
    for n_threads in args.threads:
        sampler, start, metric = ours(target, position, args.draws, n_threads)
        samplers.append(sampler)
    if jax is not None:
        jax.config.update("jax_enable_x64", dtype == "float64")
    if jax is not None and blackjax is not None:
        found = blackjax_samplers(model, start, metric.inverse_mass, args)
        samplers.extend(found)
    if jax is not None and numpyro is not None:
        samplers.extend(numpyro_samplers(model, start, args.draws, args))
    rates = {sampler.name: [] for sampler in samplers}
    for sampler in samplers:
        sampler.run(0)
    for i in range(args.repeats):
        for sampler in samplers:  # in turn, so that drift hits all alike
            rates[sampler.name].append(measure(sampler, i + 1))
    print(
        f"\nd={args.features}, m={args.components}, {args.chains} chains of "
        f"{args.draws} draws, {dtype}; medians of {args.repeats} rounds. The last "
        f"columns are {samplers[0].name} over this.\n"
        f"{'':31s}{'settings':>22s}  ns/gradient  R-hat    ESS/s    of x^2  ratio  "
        "ESS/cpu s  ratio"
    )
    first = rates[samplers[0].name]
    for sampler in samplers:
        own = rates[sampler.name]
        rate = Rate(*np.median(own, axis=0))
        ratio, _, cpu_ratio, *_ = np.median(np.divide(first, own), axis=0)
        print(
            f"{sampler.name:31s}{sampler.settings:>22s}{1e9 * rate.gradient:13.0f}"
            f"{rate.rhat:7.3f}{rate.of_x:9,.0f} {rate.of_square:9,.0f}{ratio:7.2f} "
            f"{rate.of_x_cpu:10,.0f}{cpu_ratio:7.2f}"
        )


if __name__ == "__main__":
    main()
