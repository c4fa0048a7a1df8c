"""Numbers and dates that stand for a missing value, such as -1 and 9999."""

import numpy as np

__all__ = ["find_sentinels"]

_LEAST_CELLS = 3  # one odd cell is an anomaly, not a code
_LEAST_OTHERS = 2  # different values that are not codes
_MANY = 10

_FAR = np.array(
    [
        sign * (10**k - 1) * digit // 9
        for digit, longest in ((9, 9), (8, 4), (7, 4))
        for k in range(2, longest + 1)
        for sign in (1, -1)
    ],
    dtype=np.float64,
)
_NEGATIVE = np.append(_FAR[_FAR < 0], [-1.0, -9.0])
_DATES = ["1899-12-30", "1900-01-01", "1970-01-01", "2999-12-31", "9999-12-31"]


def find_sentinels(values):
    """Codes for missing values among numbers (n,) or dates (n,), ascending.

    A code is repeated, and further from all other values than these are spread. Or it
    is negative where the others are not, and either more frequent than the least of
    them or many steps away.
    """
    if values.dtype.kind == "M":
        known = np.array(_DATES, dtype=values.dtype)
        return _far_from_others(values, known)
    far = _far_from_others(values, _FAR)
    others = values[~np.isin(values, far)]
    return np.union1d(far, _below_zero(others))


def _far_from_others(values, known):
    is_known = np.isin(values, known)
    others = values[~is_known]
    if len(np.unique(others)) < _LEAST_OTHERS:
        return values[:0]
    low, high = others.min(), others.max()
    codes, counts = np.unique(values[is_known], return_counts=True)
    distance = np.maximum(low - codes, codes - high)
    return codes[(counts >= _LEAST_CELLS) & (distance > high - low)]


def _below_zero(values):
    others, counts_of_others = np.unique(
        values[~np.isin(values, _NEGATIVE)], return_counts=True
    )
    if len(others) < _MANY or others[0] < 0:
        return values[:0]
    codes, counts = np.unique(values[values < 0], return_counts=True)
    is_frequent = counts > counts_of_others[0]
    is_away = others[0] - codes > _MANY * np.median(np.diff(others))
    return codes[(counts >= _LEAST_CELLS) & (is_frequent | is_away)]
