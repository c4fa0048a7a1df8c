"""From single results to means over seeds, ranks, wins and significant differences."""

from collections import defaultdict

import numpy as np
from scipy.stats import rankdata, wilcoxon

__all__ = [
    "complete",
    "deviation_over_seeds",
    "holm",
    "mean_over_seeds",
    "ranks",
    "undistinguished",
    "wins",
]


def mean_over_seeds(results, measure):
    """Table of a measure.

    Parameters
    ----------
    results : iterable of dict
        With "data", "detector" and the measure.
    measure : str
        Key of a number.

    Returns
    -------
    dict of dict of float
        Mean over seeds, by data set and detector.
    """
    values = defaultdict(lambda: defaultdict(list))
    for result in results:
        values[result["data"]][result["detector"]].append(result[measure])
    return {
        name: {detector: float(np.mean(x)) for detector, x in row.items()}
        for name, row in values.items()
    }


def deviation_over_seeds(results, measure, detector):
    """How far a seed moves the mean over data sets: standard deviation over seeds.

    A seed chooses the split and starts the detector. Of seeds with a value for every
    data set; NaN where there are fewer than two.
    """
    values = defaultdict(list)
    for result in results:
        if result["detector"] == detector:
            values[result["seed"]].append(result[measure])
    n_data = len({result["data"] for result in results})
    means = [np.mean(x) for x in values.values() if len(x) == n_data]
    return float(np.std(means, ddof=1)) if len(means) > 1 else float("nan")


def complete(table, detectors):
    """Detectors with a value for every data set, and those values.

    Returns
    -------
    names : list of str
        In the order of `detectors`.
    values : ndarray of shape (n_data, n_names)
    """
    rows = table.values()
    names = [d for d in detectors if rows and all(d in row for row in rows)]
    return names, np.array([[row[d] for d in names] for row in rows])


def ranks(values):
    """Mean rank of each column over rows: 1 has the largest values; ties share."""
    return rankdata(-values, axis=1).mean(axis=0)


def wins(values):
    """Number of rows in which a column is largest; those that tie share a win."""
    best = values == values.max(axis=1, keepdims=True)
    return (best / best.sum(axis=1, keepdims=True)).sum(axis=0)


def holm(p):
    """Adjust p-values for the family-wise error (Holm, 1979)."""
    p = np.asarray(p, dtype=float)
    order = np.argsort(p)
    adjusted = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    result = np.empty(len(p))
    result[order] = np.minimum(adjusted, 1.0)
    return result


def undistinguished(values, level=0.05):
    """Groups of columns, next to each other by mean rank, that no test tells apart.

    Wilcoxon's signed-rank test for each pair of columns, Holm's correction over all
    pairs (Benavoli, Corani & Mangili 2016, who find that Nemenyi's test of a pair
    depends on the other columns).

    Parameters
    ----------
    values : ndarray of shape (n_data, n_columns)
        Larger is better.
    level : float
        Of significance, for all pairs together.

    Returns
    -------
    list of list of int
        Columns of each maximal group of at least two, best rank first.
    """
    n_columns = values.shape[1]
    pairs = [(i, j) for i in range(n_columns) for j in range(i)]
    p = holm([_signed_rank(values[:, i] - values[:, j]) for i, j in pairs])
    same = np.eye(n_columns, dtype=bool)
    for (i, j), value in zip(pairs, p, strict=True):
        same[i, j] = same[j, i] = value > level
    order = np.argsort(ranks(values), kind="stable")
    same = same[np.ix_(order, order)]
    groups, reached = [], 0
    for first in range(n_columns):
        last = first + 1
        while last < n_columns and same[last, first:last].all():
            last += 1
        if last > max(reached, first + 1):
            groups.append(order[first:last].tolist())
        reached = max(reached, last)
    return groups


def _signed_rank(difference):
    if not difference.any():
        return 1.0
    return wilcoxon(difference, zero_method="zsplit").pvalue
