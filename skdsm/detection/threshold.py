"""Where to cut scores into inliers and outliers.

Scores and weights have shape (n_samples,); scores are higher for more normal rows.
None stands for equal weights.
"""

import numpy as np

__all__ = [
    "contamination_threshold",
    "scores_less_rounding",
    "tukey_threshold",
    "weighted_quantile",
]

# Of a score, relative to its size: many times a float's, as large terms may cancel.
_ROUNDING = 2**8 * np.finfo(np.float64).eps


def scores_less_rounding(scores, weight=None):
    """Lowest numbers that differ from each of sorted scores by no more than rounding.

    Rounding is relative to the score or, if that is larger, to the median size of all:
    a score near zero is not exact. One absurd row changes neither for the others.
    """
    sizes = np.abs(scores)
    ordered, weight = _sorted(sizes, weight)
    share = np.cumsum(weight)
    median = ordered[np.searchsorted(share, 0.5 * share[-1])]
    return scores - np.maximum(
        _ROUNDING * np.maximum(sizes, median), np.finfo(np.float64).tiny
    )


def contamination_threshold(scores, sample_weight, contamination):
    """Threshold with a share of the weight below it that is nearest to `contamination`.

    It lies midway between two scores that differ by more than rounding: on a sample's
    own score, the last bit would decide. One distinct score is below it at least, if
    there are two.

    >>> import numpy as np
    >>> from skdsm.detection.threshold import contamination_threshold
    >>> contamination_threshold(np.array([1.0, 2.0, 3.0, 4.0]), np.ones(4), 0.25)
    1.5
    """
    scores, weight = _sorted(scores, sample_weight)
    lowest = scores_less_rounding(scores, weight)
    miss = np.abs(np.cumsum(weight)[:-1] / weight.sum() - contamination)
    apart = scores[:-1] < lowest[1:]
    rounding = scores - lowest
    if not apart.any() and scores[-1] - scores[0] <= rounding[0]:
        return float(lowest[0])
    gap = np.argmin(miss)
    if not apart[gap]:
        # not farther than rounding: nothing need be apart where rows lie densely
        reach = scores[gap] + np.array([-1, 1]) * rounding[gap]
        first, last = np.searchsorted(scores, reach)
        near = np.arange(max(first - 1, 0), min(last + 1, len(miss)))
        if apart[near].any():
            near = near[apart[near]]
            gap = near[np.argmin(miss[near])]
        else:
            gap = near[np.argmax(np.diff(scores)[near])]
    return float(0.5 * scores[gap] + 0.5 * scores[gap + 1])


def tukey_threshold(scores, sample_weight):
    """Lower fence of a box plot: ``q1 - 1.5 (q3 - q1)``, of weighted quartiles.

    Below q1 by more than rounding, also where the quartiles coincide (Tukey 1977).
    """
    quartiles = [0.25, 0.75]
    q1, q3 = weighted_quantile(scores, sample_weight, quartiles)
    lowest = scores_less_rounding(scores, sample_weight)
    below_q1, _ = weighted_quantile(lowest, sample_weight, quartiles)
    return float(min(q1 - 1.5 * (q3 - q1), below_q1))


def weighted_quantile(values, weight, q):
    """Quantiles of weighted values, interpolated between them."""
    values, weight = _sorted(values, weight)
    position = (np.cumsum(weight) - 0.5 * weight) / weight.sum()
    return np.interp(q, position, values)


def _sorted(values, weight):
    """Values in order, and their weights."""
    if weight is None:
        return np.sort(values), np.ones(len(values))
    order = np.argsort(values, kind="stable")
    return values[order], weight[order]
