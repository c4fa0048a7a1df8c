"""Mass-volume and excess-mass criteria of a scoring function (Goix 2016, 1607.01152).

Both ask how small the regions are that a detector puts most rows into: neither needs
labels, and both depend on the order of the scores only. Volumes are shares of the
bounding box of the rows, and are estimated from scores of points uniform in it.
"""

import numpy as np
from sklearn.base import clone

__all__ = ["excess_mass", "mass_volume", "subsampled_criteria"]


def _curve(scores, uniform_scores):
    """Masses and volumes of the sets ``s(x) >= u``, for u each score, descending."""
    levels = np.sort(scores)[::-1]
    masses = np.searchsorted(-levels, -levels, side="right") / len(levels)
    uniform_scores = np.sort(uniform_scores)
    below = np.searchsorted(uniform_scores, levels, side="left")
    return masses, 1 - below / len(uniform_scores)


def mass_volume(scores, uniform_scores, interval=(0.9, 0.999)):
    """Area under the mass-volume curve: the smaller, the better.

    ``MV(a)`` is the volume of the smallest set ``s(x) >= u`` with a mass of at least a;
    it is a step function, and its integral is exact.

    Parameters
    ----------
    scores : ndarray of shape (n,)
        Scores of rows, higher for more normal ones.
    uniform_scores : ndarray of shape (n_uniform,)
        Scores of points that are uniform in the bounding box.
    interval : (float, float)
        Masses to integrate over.

    Returns
    -------
    float
        The area.
    """
    masses, volumes = _curve(scores, uniform_scores)
    edges = np.clip(np.concatenate([[0], masses]), *interval)
    return float(np.diff(edges) @ volumes)


def excess_mass(scores, uniform_scores, least=0.9):
    """Area under the excess-mass curve, down to where it falls to `least`.

    ``EM(t)`` is the maximum over u of the mass of the set ``s(x) >= u`` less t times
    its volume: an upper envelope of straight lines, whose integral is exact. The larger
    the area, the better.

    Parameters
    ----------
    scores : ndarray of shape (n,)
        Scores of rows, higher for more normal ones.
    uniform_scores : ndarray of shape (n_uniform,)
        Scores of points that are uniform in the bounding box.
    least : float
        Where to stop.

    Returns
    -------
    float
        The area; infinite if a set of such a mass has no volume.
    """
    masses, volumes = _curve(scores, uniform_scores)
    t, mass, volume = 0.0, masses[-1], volumes[-1]
    area = 0.0
    while True:
        # the envelope goes on along the line of smaller volume that it meets first
        smaller = np.flatnonzero(volumes < volume)
        meets = (mass - masses[smaller]) / (volume - volumes[smaller])
        until = meets.min(initial=np.inf)
        end = (mass - least) / volume if volume > 0 else np.inf
        stop = min(until, end)
        if np.isinf(stop):
            return np.inf
        area += (stop - t) * (mass - volume * (t + stop) / 2)
        if end <= until:
            return float(area)
        first = smaller[meets == until]
        t, best = until, first[np.argmin(volumes[first])]
        mass, volume = masses[best], volumes[best]


def subsampled_criteria(
    detector, X, X_held_out, rng, *, n_draws=5, max_features=5, n_uniform=10_000
):
    """Means of both criteria over models of few features each.

    In many dimensions no uniform point hits the region of the rows, so a clone is
    fitted to each of some draws of features, as in section 4 of the paper.

    Parameters
    ----------
    detector : estimator
        Outlier detector with `score_samples`.
    X : ndarray of shape (n, d)
        Rows to fit.
    X_held_out : ndarray of shape (n_held_out, d)
        Rows to evaluate.
    rng : numpy.random.Generator
        Source of randomness.
    n_draws : int
        Draws of features, where there are more than `max_features`.
    max_features : int
        Features of a draw.
    n_uniform : int
        Uniform points.

    Returns
    -------
    (float, float)
        Mass-volume, the smaller the better, and excess-mass, the larger the better.
    """
    d = X.shape[1]
    results = []
    for _ in range(n_draws if d > max_features else 1):
        chosen = rng.permutation(d)[:max_features]
        rows = X_held_out[:, chosen]
        model = clone(detector).fit(X[:, chosen])
        box = rows.min(axis=0), rows.max(axis=0)
        uniform = rng.uniform(*box, size=(n_uniform, len(chosen)))
        scores = model.score_samples(rows), model.score_samples(uniform)
        results.append((mass_volume(*scores), excess_mass(*scores)))
    mv, em = np.mean(results, axis=0)
    return float(mv), float(em)
