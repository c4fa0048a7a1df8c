"""Conformal p-values: how rare a score is among the scores of normal rows."""

from fractions import Fraction

import numpy as np

__all__ = ["conformal_p_values", "conformal_threshold", "least_calibration"]


def conformal_p_values(scores, calibration_scores, rng=None):
    """Compute p-values of rows, under the hypothesis that they are normal.

    If the scores of a row and of the n calibration rows are exchangeable, then
    ``P(p <= alpha) <= alpha`` for every alpha, whatever the detector and however few
    the rows [1]_ [2]_. That is so on average over calibration sets: for a given one,
    the share of normal rows with ``p <= alpha`` follows a beta distribution with
    parameters k and n + 1 - k, ``k = floor(alpha (n + 1))``, if scores do not tie.

    Parameters
    ----------
    scores : array-like of shape (n_samples,)
        Scores of the rows, higher for more normal ones.
    calibration_scores : array-like of shape (n,)
        Scores of normal rows, which the detector was not fitted to.
    rng : numpy.random.Generator, optional
        Breaks ties at random and fills the steps between multiples of 1 / (n + 1):
        p-values of normal rows are then uniform, ``P(p <= alpha) = alpha``, but differ
        from call to call.

    Returns
    -------
    ndarray of shape (n_samples,)
        ``(1 + #{i : s_i <= s}) / (n + 1)``; with `rng`, in which u is uniform in (0, 1]
        for each row, ``(#{i : s_i < s} + u (1 + #{i : s_i = s})) / (n + 1)``.

    Raises
    ------
    ValueError
        If there are no calibration scores, if an array has more than one dimension, or
        if a score is not a number.

    References
    ----------
    .. [1] V. Vovk, A. Gammerman and G. Shafer, "Algorithmic Learning in a Random
       World", Springer, 2005.
    .. [2] S. Bates, E. Candes, L. Lei, Y. Romano and M. Sesia, "Testing for outliers
       with conformal p-values", Annals of Statistics 51(1), 2023.
       :doi:`10.1214/22-AOS2244`

    Examples
    --------
    >>> from skdsm.detection.conformal import conformal_p_values
    >>> conformal_p_values([-1.0, 0.5, 9.0], [0.0, 1.0, 2.0])
    array([0.25, 0.5 , 1.  ])
    """
    scores = _one_dimensional(scores, "scores")
    calibration = np.sort(_one_dimensional(calibration_scores, "calibration_scores"))
    if not len(calibration):
        raise ValueError("There are no calibration scores.")
    not_above = np.searchsorted(calibration, scores, side="right")
    if rng is None:
        return (1 + not_above) / (1 + len(calibration))
    below = np.searchsorted(calibration, scores, side="left")
    u = 1 - rng.random(scores.shape)
    return (below + u * (1 + not_above - below)) / (1 + len(calibration))


def conformal_threshold(calibration_scores, alpha):
    """Score below which the conformal p-value is at most alpha.

    Parameters
    ----------
    calibration_scores : array-like of shape (n,)
        Scores of normal rows, which the detector was not fitted to.
    alpha : float
        Rate of false alarms, in (0, 1).

    Returns
    -------
    float
        The k-th lowest calibration score, ``k = floor(alpha (n + 1))``: a score has
        ``p <= alpha`` if and only if it is less.

    Raises
    ------
    ValueError
        If ``alpha < 1 / (n + 1)``: no p-value is that small.

    Examples
    --------
    >>> from skdsm.detection.conformal import conformal_threshold
    >>> conformal_threshold([2.0, 0.0, 1.0], alpha=0.5)
    1.0
    """
    calibration = np.sort(_one_dimensional(calibration_scores, "calibration_scores"))
    n = len(calibration)
    # the largest k with k / (n + 1) <= alpha, as floats compare in the p-values
    k = int(np.searchsorted(np.arange(1, n + 1) / (n + 1), alpha, side="right"))
    if k == 0:
        raise ValueError(
            f"alpha={alpha:g} needs {least_calibration(alpha)} calibration rows at "
            f"least, there are {n}: the smallest p-value that they can give is "
            f"1 / (n + 1) = {1 / (n + 1):.2g}, and no row would ever be an outlier."
        )
    return float(calibration[k - 1])


def least_calibration(alpha):
    """Count the rows needed to calibrate.

    Parameters
    ----------
    alpha : float
        Rate of false alarms, in (0, 1).

    Returns
    -------
    int
        The fewest with which a p-value can be as small as alpha: ``1 / alpha - 1``,
        rounded up.

    Examples
    --------
    >>> from skdsm.detection.conformal import least_calibration
    >>> least_calibration(0.05)
    19
    """
    return -(-1 // Fraction(alpha).limit_denominator(10**9)) - 1


def _one_dimensional(values, name):
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError(f"{name} must have one dimension, got {values.ndim}.")
    if np.isnan(values).any():
        raise ValueError(f"{name} contain NaN.")
    return values
