"""What the benchmarks share: data sets, the machine's description, fair timing."""

import os
import platform
import sys
import time
from pathlib import Path

import numpy as np
import sklearn
from sklearn.datasets import load_sample_images

__all__ = [
    "DATA_SETS",
    "describe_machine",
    "folder_given",
    "load_file",
    "load_folder",
    "median_ratios",
    "standardise",
]


def describe_machine():
    """Print what a reader needs to judge the figures."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    print(
        f"{cores or os.cpu_count()} cores, {platform.machine()}, "
        f"Python {platform.python_version()}, NumPy {np.__version__}, "
        f"scikit-learn {sklearn.__version__}"
    )


def standardise(X):
    """Centre and scale the columns that vary, drop the others; float32."""
    X = np.asarray(X, dtype=np.float64)
    X = X[:, X.std(axis=0) > 0]
    return ((X - X.mean(axis=0)) / X.std(axis=0)).astype(np.float32)


def mixture(n, d, n_clusters, rank, rng):
    """Gaussian clusters, each spread in a few directions of its own."""
    centres = rng.standard_normal((n_clusters, d))
    factors = 0.4 * rng.standard_normal((n_clusters, rank, d)) / np.sqrt(rank)
    label = rng.integers(n_clusters, size=n)
    X = centres[label] + 0.1 * rng.standard_normal((n, d))
    for k in range(n_clusters):
        rows = label == k
        X[rows] += rng.standard_normal((rows.sum(), rank)) @ factors[k]
    return X


def manifold(n, d, rng):
    """A curved two-dimensional surface, with a little noise."""
    angles = rng.uniform(0, 2 * np.pi, size=(n, 2))
    frequency = rng.integers(1, 4, size=(2, d))
    phase = rng.uniform(0, 2 * np.pi, size=d)
    return np.cos(angles @ frequency + phase) + 0.05 * rng.standard_normal((n, d))


def heavy_tails(n, d, rng):
    """Correlated columns with Student tails of five degrees of freedom."""
    mixing = rng.standard_normal((d, d)) / np.sqrt(d)
    return rng.standard_t(5, size=(n, d)) @ mixing


def patches(n, side, colour, rng):
    """Random square patches of the two photographs that ship with scikit-learn."""
    images = [image / 255.0 for image in load_sample_images().images]
    if not colour:
        images = [image.mean(axis=2, keepdims=True) for image in images]
    height, width, channels = images[0].shape
    X = np.empty((n, side * side * channels), np.float32)
    which = rng.integers(len(images), size=n)
    top = rng.integers(height - side, size=n)
    left = rng.integers(width - side, size=n)
    for i in range(n):
        patch = images[which[i]][top[i] : top[i] + side, left[i] : left[i] + side]
        X[i] = patch.ravel()
    return X


DATA_SETS = {
    "manifold 1,000,000 x 10": lambda rng: manifold(1_000_000, 10, rng),
    "heavy tails 20,000 x 16": lambda rng: heavy_tails(20_000, 16, rng),
    "colour patches 100,000 x 27": lambda rng: patches(100_000, 3, True, rng),
    "mixture 100,000 x 32": lambda rng: mixture(100_000, 32, 20, 8, rng),
    "grey patches 200,000 x 64": lambda rng: patches(200_000, 8, False, rng),
    "mixture 50,000 x 100": lambda rng: mixture(50_000, 100, 30, 10, rng),
}


def folder_given(args):
    """Whether there is a folder to measure on; says so if not."""
    if args.folder is None:
        print(
            "nothing measured: give a folder of NAME.npz files with arrays X and y, "
            f"python benchmarks/{Path(sys.argv[0]).name} FOLDER",
            file=sys.stderr,
        )
    return args.folder is not None


def load_file(path):
    """Arrays X and y of an .npz file; y = 1 marks an anomaly."""
    with np.load(path) as data:
        return np.asarray(data["X"], float), np.asarray(data["y"]).ravel()


def load_folder(folder):
    """Yield (name, X, y) of each NAME.npz in a folder; y = 1 marks an anomaly."""
    for path in sorted(Path(folder).glob("*.npz")):
        yield path.stem, *load_file(path)


def median_ratios(functions, *, repeats=15, seconds=0.02):
    """Time functions in turn, so that the machine's drift hits all of them alike.

    Parameters
    ----------
    functions : dict of callable
        What to time; the first is the yardstick.
    repeats : int
        Rounds.
    seconds : float
        Least time that a function runs for in a round.

    Returns
    -------
    dict of (float, float)
        Median seconds a call, and the median over rounds of the ratio to the first.
    """
    counts = {}
    for name, function in functions.items():
        function()
        start = time.perf_counter()
        function()
        counts[name] = max(1, int(seconds / (time.perf_counter() - start)))
    times = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            start = time.perf_counter()
            for _ in range(counts[name]):
                function()
            times[name].append((time.perf_counter() - start) / counts[name])
    first = np.array(next(iter(times.values())))
    return {
        name: (float(np.median(t)), float(np.median(np.array(t) / first)))
        for name, t in times.items()
    }
