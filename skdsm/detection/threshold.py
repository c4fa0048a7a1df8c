"""Where to cut scores into inliers and outliers, and rows into kept and left out."""

import numpy as np

__all__ = [
    "contamination_threshold",
    "highest_scores",
    "tukey_threshold",
    "weighted_quantile",
]

_TIE = 1e-9  # scores closer than this, relative to their range, are one score


def contamination_threshold(scores, sample_weight, contamination):
    """Threshold below which lies a given share of the weight.

    It is put midway between two scores that differ by more than rounding: on a sample's
    own score, the last bit would decide.

    Parameters
    ----------
    scores : ndarray of shape (n_samples,)
        Scores, higher for more normal rows.
    sample_weight : ndarray of shape (n_samples,)
        Positive weights.
    contamination : float
        Share of the weight to lie below, in (0, 0.5].

    Returns
    -------
    float
        The threshold with the share nearest to `contamination`, but with one distinct
        score below it at least. If there is one distinct score only, it lies above.

    Examples
    --------
    >>> import numpy as np
    >>> from skdsm.detection.threshold import contamination_threshold
    >>> contamination_threshold(np.array([1.0, 2.0, 3.0, 4.0]), np.ones(4), 0.25)
    1.5
    """
    order = np.argsort(scores, kind="stable")
    scores, weight = scores[order], sample_weight[order]
    spread = max(scores[-1] - scores[0], np.abs(scores).max())
    gaps = np.flatnonzero(np.diff(scores) > _TIE * spread)
    if not len(gaps):
        return float(scores[0] - max(_TIE * spread, np.finfo(float).tiny))
    share_below = np.cumsum(weight)[gaps] / weight.sum()
    gap = gaps[np.argmin(np.abs(share_below - contamination))]
    return float(scores[gap] + 0.5 * (scores[gap + 1] - scores[gap]))


def tukey_threshold(scores, sample_weight):
    """Lower fence of a box plot of the scores.

    Parameters
    ----------
    scores : ndarray of shape (n_samples,)
        Scores, higher for more normal rows.
    sample_weight : ndarray of shape (n_samples,)
        Positive weights.

    Returns
    -------
    float
        ``q1 - 1.5 (q3 - q1)`` with the weighted quartiles q1 and q3 (Tukey 1977), and
        below all scores if the quartiles coincide with the lowest.

    Examples
    --------
    >>> import numpy as np
    >>> from skdsm.detection.threshold import tukey_threshold
    >>> tukey_threshold(np.arange(9.0), np.ones(9))  # quartiles at 1.75 and 6.25
    -5.0
    """
    q1, q3 = weighted_quantile(scores, sample_weight, [0.25, 0.75])
    margin = max(1.5 * (q3 - q1), _TIE * max(abs(q1), np.finfo(float).tiny))
    return float(q1 - margin)


def highest_scores(scores, weight, fraction):
    """Tell the rows with the highest scores.

    Parameters
    ----------
    scores : ndarray of shape (n_samples,)
        Scores, higher for more normal rows.
    weight : ndarray of shape (n_samples,)
        Weights, not all zero.
    fraction : float
        Share of the weight they are to have, at least, in (0, 1].

    Returns
    -------
    ndarray of shape (n_samples,), bool
        Which rows: all that tie with the last one too.
    """
    order = np.argsort(-scores, kind="stable")
    weight_above = np.cumsum(weight[order])
    last = np.searchsorted(weight_above, (1 - _TIE) * fraction * weight_above[-1])
    used = scores[weight > 0]
    spread = max(np.ptp(used), np.abs(used).max())
    return scores >= scores[order[last]] - _TIE * spread


def weighted_quantile(values, weight, q):
    """Compute quantiles of weighted values, between which it is interpolated.

    Parameters
    ----------
    values : ndarray of shape (n_samples,)
        Values.
    weight : ndarray of shape (n_samples,)
        Positive weights.
    q : float or list of float
        Shares of the weight, in [0, 1].

    Returns
    -------
    float or ndarray
        The quantiles.

    Examples
    --------
    >>> import numpy as np
    >>> from skdsm.detection.threshold import weighted_quantile
    >>> weighted_quantile(np.array([3.0, 1.0, 2.0]), np.ones(3), np.array([0.5]))
    array([2.])
    """
    order = np.argsort(values, kind="stable")
    values, weight = values[order], weight[order]
    position = (np.cumsum(weight) - 0.5 * weight) / weight.sum()
    return np.interp(q, position, values)
