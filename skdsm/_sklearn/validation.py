"""What the estimator accepts, beyond scikit-learn's own checks."""

from contextlib import contextmanager
from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import Interval, InvalidParameterError

from skdsm.training.corruption import NoiseLevels

__all__ = [
    "Number",
    "COUNT",
    "NON_NEGATIVE",
    "POSITIVE",
    "check_noise_levels",
    "fitted_state_kept",
]


class Number(Interval):
    """An interval of floats; booleans are not numbers here, whatever Python says."""

    def is_satisfied_by(self, val):
        """Tell whether a value is a number within the bounds, and finite as a float."""
        if isinstance(val, bool | np.bool_) or not super().is_satisfied_by(val):
            return False
        try:
            float(val)
        except OverflowError:
            return False
        return True


def check_noise_levels(sigma, owner):
    """Turn the parameter sigma, a float or a pair, into a range of noise levels.

    None if the rows are to say. Its squares and inverse squares must be floats too.
    """
    if isinstance(sigma, str) and sigma == "auto":
        return None
    level = Number(Real, 0, None, closed="neither")
    pair = tuple(sigma) if isinstance(sigma, tuple | list) else (sigma, sigma)
    if len(pair) == 2 and all(level.is_satisfied_by(value) for value in pair):
        low, high = (float(value) for value in pair)
        with np.errstate(all="ignore"):
            squares = np.array([low, high]) ** 2
            usable = np.isfinite(squares).all() and np.isfinite(1 / squares).all()
        if low <= high and usable:
            return NoiseLevels(low, high)
    raise InvalidParameterError(
        f"The 'sigma' parameter of {owner} must be 'auto', a positive float or a "
        f"pair (low, high) of positive floats with low <= high, with squares and "
        f"inverse squares that are floats too. Got {sigma!r} instead."
    )


@contextmanager
def fitted_state_kept(estimator):
    """Undo changes to fitted attributes if the body fails or is interrupted."""

    def fitted():
        return {k: v for k, v in vars(estimator).items() if _is_fitted_attribute(k)}

    before = fitted()
    try:
        yield
    except BaseException:
        for name in fitted():
            delattr(estimator, name)
        vars(estimator).update(before)
        raise


def _is_fitted_attribute(name):
    return name.endswith("_") and not name.startswith("_")


COUNT = Number(Integral, 1, None, closed="left")
POSITIVE = Number(Real, 0, None, closed="neither")
NON_NEGATIVE = Number(Real, 0, None, closed="left")
