"""Memory and time of a fit to a memory-mapped file, as its number of rows doubles.

Each fit runs in a process of its own. Memory is the peak of the process's anonymous
memory (on Linux: RssAnon, sampled every 20 ms), less what it was before the fit; pages
of the file itself belong to the operating system's cache and are not counted. The
number of iterations is fixed, so that times compare.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
import warnings

import numpy as np
from common import describe_machine


def anonymous_bytes():
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith("RssAnon"):
                return int(line.split()[1]) * 1024
    raise RuntimeError("this kernel does not tell RssAnon")


def write_rows(path, n, d):
    """Clustered rows, written in pieces."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((20, d)).astype(np.float32)
    rows = np.lib.format.open_memmap(path, "w+", np.float32, (n, d))
    for start in range(0, n, 100_000):
        size = min(100_000, n - start)
        noise = 0.4 * rng.standard_normal((size, d), dtype=np.float32)
        rows[start : start + size] = centres[rng.integers(20, size=size)] + noise
    rows.flush()


def fit(args):
    """In a process of its own: fit, and print seconds and bytes."""
    from sklearn.exceptions import ConvergenceWarning

    from skdsm import DenoisingScoreMatcher
    from skdsm.training import schedule

    warnings.simplefilter("ignore", ConvergenceWarning)
    X = np.load(args.path, mmap_mode="r")
    if args.all_rows:
        schedule.UNQUESTIONED_ROWS = len(X)
    model = DenoisingScoreMatcher(
        args.components,
        max_iter=args.max_iter,
        n_jobs=args.n_jobs,
        warm_start=args.all_rows,  # without small samples first
        random_state=0,
    )
    model.fit(np.array(X[:2000]))  # imports, pools and caches are not the fit's
    before = peak = anonymous_bytes()
    done = threading.Event()

    def watch():
        nonlocal peak
        while not done.wait(0.02):
            peak = max(peak, anonymous_bytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.perf_counter()
    model.fit(X)
    seconds = time.perf_counter() - start
    done.set()
    watcher.join()
    print(seconds, peak - before, model.n_iter_)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smallest", type=int, default=15_625)
    parser.add_argument("--largest", type=int, default=4_000_000)
    parser.add_argument("--features", type=int, default=32)
    parser.add_argument("--components", type=int, default=128)
    parser.add_argument("--max-iter", type=int, default=150)
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument(
        "--all-rows", action="store_true", help="each iteration reads all (warm start)"
    )
    parser.add_argument("--plot", metavar="FILE", help="draw time and memory")
    parser.add_argument("--path", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.path:
        fit(args)
        return
    describe_machine()
    print(
        "      rows     file   anonymous memory   of the file      time   against half"
    )
    n, previous, results = args.smallest, None, []
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "rows.npy")
        while n <= args.largest:
            write_rows(path, n, args.features)
            command = [sys.executable, __file__, *sys.argv[1:], "--path", path]
            output = subprocess.run(command, check=True, capture_output=True, text=True)
            seconds, anonymous, _ = map(float, output.stdout.split())
            size = n * args.features * 4
            ratio = f"{seconds / previous:.2f} x" if previous else "-"
            print(
                f"{n:10,d} {size / 2**20:5.0f} MB {anonymous / 2**20:15.0f} MB "
                f"{anonymous / size:13.2f} {seconds:8.1f} s {ratio:>14s}",
                flush=True,
            )
            results.append((n, seconds, anonymous, size))
            n, previous = 2 * n, seconds
    if args.plot:
        draw(*np.array(results).T, args.plot)


def draw(n, seconds, anonymous, size, path):
    """Time and memory against the number of rows."""
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5))
    left.plot(n, seconds, "o-", label="measured")
    left.plot(n, seconds[0] * n / n[0], color="0.7", label="proportional to n")
    left.set(xscale="log", yscale="log", xlabel="rows", ylabel="seconds", title="Time")
    right.plot(n, anonymous / 2**20, "o-", label="anonymous memory of the fit")
    right.plot(n, size / 2**20, color="0.7", label="the file")
    right.set(xscale="log", yscale="log", xlabel="rows", ylabel="MB", title="Memory")
    for ax in (left, right):
        ax.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    print(f"saved {path}")


if __name__ == "__main__":
    main()
