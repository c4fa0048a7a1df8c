"""Fits to rows on dask workers: where the time of an evaluation goes, and memory.

Without arguments: an evaluation of the risk on one and two workers, its wall time split
into computing (tasks on the busiest worker), sending (arrays between workers, on the
busiest) and the rest, which is waiting: for the graph, the scheduler and messages. Then
what an evaluation of hardly any rows takes, by the number of its blocks and by the
number of parameters. From these constants follows what more workers would give.
Processor time, of the workers and of the client with the scheduler, is printed beside:
where other programs compete for the cores, it tells more than wall time.

With --fit: a whole fit of rows that are generated on the workers, each of which is
killed if it takes more than --memory-limit.
"""

import argparse
import os
import threading
import time

import dask
import dask.array as da
import numpy as np
import psutil
from common import describe_machine
from distributed import Client, LocalCluster, get_task_stream

from skdsm import DenoisingScoreMatcher
from skdsm._blocks import single_threaded_blas
from skdsm.model.parameters import Parameters
from skdsm.rows.in_dask import distribute_rows
from skdsm.training.corruption import NoiseLevels
from skdsm.training.fit import Settings

BLOCKS_PER_THREAD = 2  # of the extrapolation


def generated_rows(n, d, n_blocks):
    """Clustered rows in float32, drawn where they are needed."""
    rng = da.random.default_rng(0)
    centres = np.random.default_rng(0).standard_normal((20, d))
    chunk = -(-n // n_blocks)
    noise = rng.standard_normal((n, d), chunks=(chunk, d))
    label = rng.integers(0, len(centres), size=(n, 1), chunks=(chunk, 1))

    def cluster(noise, label):
        noise *= 0.4
        noise += centres[label[:, 0]]
        return noise.astype(np.float32)

    return noise.map_blocks(cluster, label, dtype=np.float32)


def cluster_of(args, n_workers, n_threads):
    return LocalCluster(
        n_workers=n_workers,
        threads_per_worker=n_threads,
        memory_limit=args.memory_limit,
        dashboard_address=":0",
    )


def make_risk(X, n_components, n_corruptions=1):
    settings = Settings(
        n_components=n_components,
        levels=NoiseLevels(0.5, 0.5),
        learn_gains=False,
        objective="dsm",
        n_corruptions=n_corruptions,
        alpha=0.0,
        max_iter=1,
        tol=0.0,
    )
    rows = distribute_rows(X, None, 0, check=lambda X: None, persist=True)
    d, rng = X.shape[1], np.random.default_rng(0)
    parameters = Parameters(
        0.1 * rng.standard_normal((n_components, d)),
        np.zeros(n_components),
        np.zeros(d),
        np.ones(n_components),
    )
    return rows.risk(settings, (0,)), parameters


def processor_seconds(client):
    """Of the workers, and of this process, which holds client and scheduler."""
    pids = client.run(os.getpid).values()
    times = [psutil.Process(pid).cpu_times() for pid in (*pids, os.getpid())]
    seconds = [spent.user + spent.system for spent in times]
    return np.array([sum(seconds[:-1]), seconds[-1]])


def timed(client, risk, parameters, repeats):
    """Medians over evaluations: seconds of wall time, computing and sending.

    And means: processor seconds of the workers, and of client and scheduler.
    """
    risk(parameters)
    records = []
    before = processor_seconds(client)
    for _ in range(repeats):
        with get_task_stream(client) as stream:
            start = time.perf_counter()
            with single_threaded_blas():
                risk(parameters)
            wall = time.perf_counter() - start
        busy = {"compute": {}, "transfer": {}}
        for task in stream.data:
            for part in task["startstops"]:
                if part["action"] in busy:
                    of_worker = busy[part["action"]]
                    spent = part["stop"] - part["start"]
                    key = task["worker"], task["thread"]
                    of_worker[key] = of_worker.get(key, 0.0) + spent
        busiest = [max(part.values(), default=0.0) for part in busy.values()]
        records.append([wall, *busiest])
    spent = (processor_seconds(client) - before) / repeats
    return *np.median(records, axis=0), *spent


def split(args):
    """How the time of an evaluation splits, on each number of workers and threads.

    Returns processor seconds of one row, on one worker of one thread.
    """
    print(
        f"\nOne evaluation, {args.rows:,d} x {args.features} rows in {args.blocks} "
        f"blocks, {args.components} hidden units, in ms:\n"
        "                                wall time                  processor time\n"
        "workers x threads      all  computing   sending   waiting   workers    client"
    )
    a_row = []
    for n_workers, n_threads in ((1, 1), (1, 2), (2, 1)):
        with cluster_of(args, n_workers, n_threads) as cluster, Client(cluster) as one:
            X = generated_rows(args.rows, args.features, args.blocks)
            risk, parameters = make_risk(X, args.components)
            times = timed(one, risk, parameters, args.repeats)
        wall, compute, send, workers, here = (1e3 * seconds for seconds in times)
        a_row.append(times[3] / args.rows)
        print(
            f"{n_workers:7d} x {n_threads:7d} {wall:8.0f} {compute:10.0f} {send:9.1f} "
            f"{wall - compute - send:9.1f} {workers:9.0f} {here:9.1f}",
            flush=True,
        )
    return a_row[0]


def overhead(args):
    """What an evaluation takes beside the arithmetic.

    Returns processor seconds of client and scheduler: of an evaluation, and of a block.
    """
    print(
        "\nAn evaluation of 16 rows per block, on two workers, in ms:\n"
        "                      wall time   processor time\n"
        "blocks   parameters         all   workers    client"
    )
    table = []
    with cluster_of(args, 2, 1) as cluster, Client(cluster) as client:
        for n_blocks, m in ((2, 16), (8, 16), (32, 16), (64, 16), (8, 256), (8, 2048)):
            X = generated_rows(16 * n_blocks, args.features, n_blocks)
            risk, parameters = make_risk(X, m)
            times = timed(client, risk, parameters, args.repeats)
            wall, _, _, workers, here = (1e3 * seconds for seconds in times)
            table.append((n_blocks, wall, here))
            print(
                f"{n_blocks:6d} {parameters.pack().size:12,d} {wall:11.1f} "
                f"{workers:9.1f} {here:9.1f}",
                flush=True,
            )
    n_blocks, *spent = np.array(table[:4]).T
    for name, seconds in zip(("wall", "client's processor"), spent, strict=True):
        slope, constant = np.polyfit(n_blocks, seconds, 1)
        print(f"{name} time: {constant:.1f} ms + {slope:.2f} ms per block")
    return 1e-3 * constant, 1e-3 * slope


def extrapolate(args, a_row, constant, a_block):
    """What more workers would give, on paper.

    The arithmetic is divided among them; client and scheduler are one, and do their
    part for one block after the other.
    """
    print(
        f"\nExtrapolated, not measured: a_row n / w + constant + a_block k w for w "
        f"threads of k = {BLOCKS_PER_THREAD} blocks,\n"
        f"with a_row = {1e6 * a_row:.2f} us, "
        f"constant = {1e3 * constant:.0f} ms, a_block = {1e3 * a_block:.2f} ms; "
        f"{args.components} hidden units, {args.features} features\n"
        "         rows    threads      evaluation   speed-up    efficiency"
    )
    for n in (20_000_000, 1_000_000_000):
        threads = [1, 10, 100, 1000]
        threads.append(round((a_row * n / (a_block * BLOCKS_PER_THREAD)) ** 0.5))
        w = np.array(threads)
        seconds = a_row * n / w + constant + a_block * BLOCKS_PER_THREAD * w
        for count, time_of, gain in zip(w, seconds, seconds[0] / seconds, strict=True):
            print(
                f"{n:13,d} {count:10,d} {time_of:13.2f} s {gain:10.1f} "
                f"{100 * gain / count:11.0f} %"
                + (" fastest" if count == threads[-1] else "")
            )


class PeakMemory:
    """Watches the resident memory of processes."""

    def __init__(self, pids):
        self._processes = [psutil.Process(pid) for pid in pids]
        self.peaks = [0] * len(pids)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self):
        while not self._done.wait(0.05):
            for i, process in enumerate(self._processes):
                self.peaks[i] = max(self.peaks[i], process.memory_info().rss)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._done.set()
        self._thread.join()


def fit(args):
    """A whole fit, within the memory limit."""
    X = generated_rows(args.rows, args.features, args.blocks)
    with cluster_of(args, 2, 1) as cluster, Client(cluster) as client:
        pids = [int(pid) for pid in client.run(os.getpid).values()]
        print(
            f"\nA fit of {args.rows:,d} x {args.features} rows ({X.nbytes / 2**30:.2f} "
            f"GiB) in {X.numblocks[0]} blocks, {args.components} hidden units, two "
            f"workers of {args.memory_limit} at most"
        )
        model = DenoisingScoreMatcher(
            args.components, random_state=0, verbose=args.verbose
        )
        with PeakMemory([psutil.Process().pid, *pids]) as memory:
            start, cpu = time.perf_counter(), time.process_time()
            model.fit(X)
            seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        still = set(client.run(os.getpid).values()) == set(pids)
        print(
            f"{model.n_iter_} iterations in {len(model.stage_ends_)} stages: "
            f"{seconds:.0f} s, of which the client computed {cpu:.0f} s\n"
            f"loss {model.loss_curve_[0]:.4f} at first, {model.loss_:.4f} at the end; "
            f"{model.sample_size_:,d} rows were enough\n"
            "peak resident memory: "
            f"client {memory.peaks[0] / 2**20:.0f} MiB, workers "
            + ", ".join(f"{peak / 2**20:.0f} MiB" for peak in memory.peaks[1:])
            + f"\nworkers alive from the first to the last: {still}"
        )
        start = time.perf_counter()
        outliers = (model.predict(X) == -1).mean().compute()
        print(
            f"predict on all rows, drawn anew: {time.perf_counter() - start:.0f} s, "
            f"outliers {100 * float(outliers):.2f} %"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--features", type=int, default=32)
    parser.add_argument("--components", type=int, default=64)
    parser.add_argument("--blocks", type=int)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--memory-limit", default="4GiB")
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--verbose", action="store_true", help="print the iterations")
    args = parser.parse_args()
    args.rows = args.rows or (20_000_000 if args.fit else 1_000_000)
    args.blocks = args.blocks or (32 if args.fit else 8)
    describe_machine()
    print(f"dask {dask.__version__}")
    if args.fit:
        fit(args)
    else:
        extrapolate(args, split(args), *overhead(args))


if __name__ == "__main__":
    main()
