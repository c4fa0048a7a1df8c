"""Rows scored a second: onnxruntime against scikit-learn, for the same fitted model.

The pipeline of a StandardScaler and a DenoisingScoreMatcher scores batches of one row,
as a service does, and of many, both with one thread; "all" computes label, decision and
hidden code beside the score. The columns after the batch's size: rows that onnxruntime
scores per second; the time of scikit-learn over the time of onnxruntime, in turn in one
run;
and the largest difference of the two scores, over the scores' standard deviation.
"""

import argparse
import warnings
from functools import partial

import numpy as np
import onnxruntime
from common import describe_machine, median_ratios, mixture
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from skdsm import DenoisingScoreMatcher
from skdsm.onnx import OUTPUTS, to_onnx


def session_of(model, X, outputs):
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    graph = to_onnx(model, X, outputs=outputs)
    return onnxruntime.InferenceSession(graph.SerializeToString(), settings)


def everything(model, X):
    scores = model.score_samples(X)
    decision = scores - model[-1].offset_
    return np.where(decision >= 0, 1, -1), decision, scores, model.transform(X)


def compare(model, X, repeats):
    for outputs, answer in {
        ("score_samples",): model.score_samples,
        OUTPUTS: partial(everything, model),
    }.items():
        session = session_of(model, X[:1], outputs)
        for n_rows in (1, 100, len(X)):
            rows = X[:n_rows]
            ratios = median_ratios(
                {
                    "onnxruntime": partial(session.run, None, {"X": rows}),
                    "scikit-learn": partial(answer, rows),
                },
                repeats=repeats,
            )
            seconds, _ = ratios["onnxruntime"]
            _, ratio = ratios["scikit-learn"]
            (scores,) = session.run(["score_samples"], {"X": X})
            expected = model.score_samples(X)
            error = np.abs(scores - expected).max() / expected.std()
            yield "all" if len(outputs) > 1 else "score", n_rows, seconds, ratio, error


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--features", type=int, default=16)
    parser.add_argument("--components", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=15)
    args = parser.parse_args()
    describe_machine()
    print(f"onnxruntime {onnxruntime.__version__}, one thread")
    print(f"{args.features} features, {args.components} components")

    X = mixture(args.rows, args.features, 10, 4, np.random.default_rng(0))
    print("type     ranking     outputs   batch       rows/s    ratio    error")
    for dtype in (np.float32, np.float64):
        for ranking in ("energy", "score_norm"):
            rows = X.astype(dtype)
            matcher = DenoisingScoreMatcher(
                args.components, ranking=ranking, max_iter=60, random_state=0
            )
            with warnings.catch_warnings():
                # sixty iterations do not converge; scoring takes as long all the same
                warnings.simplefilter("ignore", ConvergenceWarning)
                model = make_pipeline(StandardScaler(), matcher).fit(rows)
            with threadpool_limits(1):
                for outputs, n, seconds, ratio, error in compare(
                    model, rows, args.repeats
                ):
                    print(
                        f"{rows.dtype!s:8s} {ranking:11s} {outputs:8s} {n:6d} "
                        f"{n / seconds:12,.0f} {ratio:6.1f} x {error:8.0e}"
                    )


if __name__ == "__main__":
    main()
