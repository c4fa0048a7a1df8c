"""What a density knows of the whole: shares of clusters, and mass far from the rows.

Two clusters with nothing between them, and eight modes on a ring: the share of drawn
rows in each, beside the share of the rows. With a folder of NAME.npz files (arrays X
and y; rows with y = 0 are used): how far drawn rows are from the mean of the data, in
root mean square, beside the data, and whether `sample` warns of mass that is far away.
The score error is the mean squared distance from the score of a density that is known,
smoothed by noise of 0.2, as a multiple of the Parzen density's.
"""

import argparse
import warnings

import numpy as np
from common import describe_machine, load_folder
from sklearn.preprocessing import StandardScaler

from skdsm.density_estimator import ScoreMatchingDensity
from skdsm.exceptions import SamplingWarning


def two_clusters(share, apart, d, rng):
    label = rng.random(5000) < share
    X = rng.standard_normal((5000, d))
    X[:, 0] += apart * label
    return X, lambda rows: (rows[:, 0] > apart / 2).astype(int), 2


def ring(rng):
    angle = np.pi / 4 * rng.integers(8, size=5000)
    centre = 2 * np.column_stack([np.cos(angle), np.sin(angle)])
    X = centre + 0.2 * rng.standard_normal((5000, 2))

    def mode(rows):
        turn = np.arctan2(rows[:, 1], rows[:, 0]) / (np.pi / 4)
        return np.rint(turn).astype(int) % 8

    return X, mode, 8


CASES = {
    "two clusters, 3 columns, 6 apart, share 0.3": lambda r: two_clusters(0.3, 6, 3, r),
    "two clusters, 2 columns, 8 apart, share 0.1": lambda r: two_clusters(0.1, 8, 2, r),
    "two clusters, 5 columns, 6 apart, share 0.1": lambda r: two_clusters(0.1, 6, 5, r),
    "ring of eight": ring,
}


def largest_error(case, seed, n_draws):
    X, cluster_of, n_clusters = CASES[case](np.random.default_rng(seed))
    density = ScoreMatchingDensity(random_state=seed, n_jobs=1).fit(X)
    rows = density.sample(n_draws, random_state=seed)
    shares = [
        np.bincount(cluster_of(part), minlength=n_clusters) / len(part)
        for part in (X, rows)
    ]
    return np.abs(shares[0] - shares[1]).max()


def far_mass(X, n_rows):
    rng = np.random.default_rng(0)
    X = X[rng.permutation(len(X))[:n_rows]]
    X = StandardScaler().fit_transform(X[:, np.ptp(X, axis=0) > 0])
    density = ScoreMatchingDensity(random_state=0, n_jobs=1).fit(X)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        rows = density.sample(1000, random_state=0)
    messages = [str(w.message) for w in caught if w.category is SamplingWarning]
    far = any("far outside" in message for message in messages)
    mixed = not any("not mixed" in message for message in messages)
    distance = [np.sqrt(np.mean(np.sum(part**2, axis=1))) for part in (X, rows)]
    return X.shape, distance, far, mixed


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", help="holds NAME.npz files")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--draws", type=int, default=8000)
    parser.add_argument("--rows", type=int, default=1000, help="of each data set")
    args = parser.parse_args()
    describe_machine()
    warnings.simplefilter("ignore", SamplingWarning)
    print(f"largest error of a share, {args.draws} draws, {args.seeds} seeds")
    for case in CASES:
        errors = [largest_error(case, seed, args.draws) for seed in range(args.seeds)]
        print(f"  {case:45s}" + " ".join(f"{e:.3f}" for e in errors), flush=True)
    if args.folder is None:
        return
    print("root mean square distance from the mean: data, draws; what sample warns of")
    for name, X, y in load_folder(args.folder):
        shape, (data, drawn), far, mixed = far_mass(X[y == 0], args.rows)
        print(
            f"  {name:12s}{shape[0]:5d} x {shape[1]:<4d}{data:8.2f}{drawn:8.2f}   "
            + ("far mass" if far else "no far mass")
            + ("" if mixed else ", chains have not mixed"),
            flush=True,
        )


if __name__ == "__main__":
    main()
