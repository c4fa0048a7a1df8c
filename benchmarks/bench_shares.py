"""What a density knows of the whole: shares of clusters, and mass far from the rows.

Two clusters with nothing between them, and eight modes on a ring: the share of drawn
rows in each, beside the share of the rows. With a folder of NAME.npz files (arrays X
and y; rows with y = 0 are used): how far drawn rows are from the mean of the data, in
root mean square, beside the data, and whether `sample` warns of mass that is far away.
Last, the score of a DenoisingScoreMatcher with ``sigma=0.2`` on 5,000 rows: its mean
squared error beside the Parzen density's, where the score of the smoothed density is
known: the ring, and mixtures of eight Gaussians in 5 and 10 columns. "Long" fits have
``tol=1e-6, max_iter=4000, n_corruptions=16``.
"""

import argparse
import warnings

import numpy as np
from common import describe_machine, load_folder
from sklearn.preprocessing import StandardScaler

from skdsm import DenoisingScoreMatcher
from skdsm.density_estimator import ScoreMatchingDensity
from skdsm.exceptions import SamplingWarning
from skdsm.model.parzen import parzen_score


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


LONG = {"tol": 1e-6, "max_iter": 4000, "n_corruptions": 16}


RINGS = {"narrow ring of eight": (2, 0.2), "wide ring of eight": (4, 0.5)}
MIXTURES = "mixture in 5 columns", "mixture in 10 columns"


def gaussians(case, rng):
    """Centres (8, d) of a mixture of equal Gaussians, and their deviation."""
    if case in RINGS:
        radius, deviation = RINGS[case]
        angle = np.pi / 4 * np.arange(8)
        return radius * np.column_stack([np.cos(angle), np.sin(angle)]), deviation
    return 2 * rng.standard_normal((8, int(case.split()[-2]))), 1.0


def score_error(case, seed, settings, sigma=0.2):
    """Mean squared errors of the model's score and of the Parzen density's."""
    rng = np.random.default_rng(seed)
    centres, deviation = gaussians(case, rng)

    def draw(n, spread):
        noise = rng.standard_normal((n, centres.shape[1]))
        return centres[rng.integers(8, size=n)] + spread * noise

    X, smoothed = draw(5000, deviation), np.hypot(deviation, sigma)
    queries = draw(2000, smoothed)
    truth = parzen_score(queries, centres, smoothed)  # a mixture is a Parzen density
    model = DenoisingScoreMatcher(sigma=sigma, random_state=seed, **settings).fit(X)
    scores = model.score_function(queries), parzen_score(queries, X, sigma)
    return [np.mean(np.sum((score - truth) ** 2, axis=1)) for score in scores]


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
    print("mean squared error of the score: model, Parzen density, ratio")
    for case in (*RINGS, *MIXTURES):
        for name, settings in {"defaults": {}, "long": LONG}.items():
            errors = [score_error(case, seed, settings) for seed in range(args.seeds)]
            model, parzen = np.mean(errors, axis=0)
            print(
                f"  {case:25s}{name:20s}{model:8.3f}{parzen:9.3f}{model / parzen:8.2f}",
                flush=True,
            )
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
