"""Rows as PyTorch tensors: fit and scores beside the NumPy path.

Both have as many threads as --threads says; with ``--device cuda`` the tensors are on a
graphics processor. PyTorch is not an extra of skdsm: without it nothing is measured.
"""

import argparse
import os
import sys
import warnings
from importlib.util import find_spec

os.environ["SCIPY_ARRAY_API"] = "1"  # before SciPy is imported

import numpy as np
from common import describe_machine, median_ratios, mixture, standardise
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning

from skdsm import DenoisingScoreMatcher


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--features", type=int, default=16)
    parser.add_argument("--components", type=int, default=128)
    parser.add_argument("--max-iter", type=int, default=30)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="of the tensors")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    if find_spec("torch") is None:
        print("nothing measured: PyTorch is not installed", file=sys.stderr)
        return
    import torch

    torch.set_num_threads(args.threads)
    describe_machine()
    device = torch.cuda.get_device_name() if args.device == "cuda" else args.device
    print(f"PyTorch {torch.__version__} on {device}, {args.threads} threads")
    print(
        f"{args.rows} rows, {args.features} features, {args.components} units, "
        f"{args.max_iter} iterations"
    )
    X = mixture(args.rows, args.features, 10, 4, np.random.default_rng(0))
    for dtype in (np.float32, np.float64):
        compare(standardise(X).astype(dtype), torch, args)


def compare(X, torch, args):
    model = DenoisingScoreMatcher(
        args.components, max_iter=args.max_iter, random_state=0, n_jobs=args.threads
    )
    tensor = torch.asarray(X, device=args.device)
    here, there = DenoisingScoreMatcher(**model.get_params()), model
    fits = {"NumPy": lambda: here.fit(X), "PyTorch": lambda: there.fit(tensor)}
    scores = {
        "NumPy": lambda: here.score_samples(X),
        # a copy to the host waits for the device
        "PyTorch": lambda: there.score_samples(tensor).cpu(),
    }
    with warnings.catch_warnings(), config_context(array_api_dispatch=True):
        # as many iterations in each, which do not converge
        warnings.simplefilter("ignore", ConvergenceWarning)
        for name, functions in (("fit", fits), ("score_samples", scores)):
            for library, (seconds, ratio) in median_ratios(
                functions, repeats=args.repeats
            ).items():
                print(
                    f"  {X.dtype} {name:14s} {library:8s} {1e3 * seconds:9.1f} ms "
                    f"{ratio:6.2f} x"
                )


if __name__ == "__main__":
    main()
