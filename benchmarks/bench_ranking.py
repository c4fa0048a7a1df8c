"""Ranking anomalies: skdsm against other detectors, on a folder of data sets.

The folder holds NAME.npz files with arrays X and y, y = 1 for anomalies, as ADBench
(Han et al., 2022, https://github.com/Minqi824/ADBench) has them. Protocols: one-class
fits on half of the normal rows, at most --rows, and ranks the other half and all
anomalies; unsupervised fits to all rows, at most --max-unsupervised-rows, and ranks
them. Columns are standardised by the training rows. Results are cached, so that a run
can be interrupted; progress goes to the standard error.
"""

import argparse
import sys
from pathlib import Path

from common import describe_machine, folder_given
from ranking.detectors import DETECTORS
from ranking.plot import save_ranks
from ranking.protocols import PROTOCOLS
from ranking.runner import Plan, progress, results_of
from ranking.table import data_table, summary_table

MEASURES = {"roc_auc": "ROC AUC", "average_precision": "Average precision"}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="holds NAME.npz files")
    parser.add_argument("--data", nargs="+", help="names of data sets; default all")
    parser.add_argument(
        "--detectors", nargs="+", choices=DETECTORS, default=list(DETECTORS)
    )
    parser.add_argument("--without", nargs="+", choices=DETECTORS, default=[])
    parser.add_argument(
        "--protocols", nargs="+", choices=PROTOCOLS, default=list(PROTOCOLS)
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--slow-seeds", type=int, default=1, help="seeds of slow detectors (AE)"
    )
    parser.add_argument("--rows", type=int, default=2000, help="one-class training")
    parser.add_argument("--max-unsupervised-rows", type=int, default=10_000)
    parser.add_argument("--jobs", type=int, default=1, help="processes, a core each")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path(".ranking_cache"),
        help="folder of results; delete it when protocols or measures change",
    )
    parser.add_argument(
        "--cached", action="store_true", help="compute nothing, show what is cached"
    )
    parser.add_argument("--plot", type=Path, help="file for a diagram of mean ranks")
    return parser.parse_args()


def installed(names):
    """Detectors that can run; says which cannot."""
    for name in names:
        missing = DETECTORS[name].missing()
        if missing:
            progress(f"{name} skipped: {' and '.join(missing)} not installed")
        else:
            yield name


def main():
    args = parse_arguments()
    if not folder_given(args):
        return
    paths = sorted(args.folder.glob("*.npz"))
    if args.data:
        paths = [path for path in paths if path.stem in args.data]
    if not paths:
        sys.exit(f"no such NAME.npz files in {args.folder}")
    detectors = [name for name in installed(args.detectors) if name not in args.without]
    makers = {name: DETECTORS[name].make for name in detectors}
    seeds = {
        name: min(args.seeds, args.slow_seeds) if DETECTORS[name].slow else args.seeds
        for name in detectors
    }
    max_rows = {"one-class": args.rows, "unsupervised": args.max_unsupervised_rows}
    results = {
        protocol: results_of(
            Plan(paths, protocol, max_rows[protocol], makers, seeds),
            args.cache,
            n_jobs=args.jobs,
            cached_only=args.cached,
        )
        for protocol in args.protocols
    }
    describe_machine()
    print("\nDetectors")
    for name in detectors:
        print(f"{name:8s} {DETECTORS[name].about}")
    for protocol, entries in results.items():
        n_data = len({result["data"] for result in entries})
        print(f"\n{protocol}: summary of {n_data} data sets; time is of one core\n")
        print(summary_table(entries, detectors))
        for measure_name, title in MEASURES.items():
            print(f"\n{protocol}: {title}, mean over seeds\n")
            print(data_table(entries, measure_name, detectors))
    if args.plot:
        save_ranks(args.plot, results, detectors)


if __name__ == "__main__":
    main()
