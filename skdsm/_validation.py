"""What the estimator accepts, beyond scikit-learn's own checks."""

from contextlib import contextmanager
from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_array
from sklearn.utils._param_validation import Interval, InvalidParameterError
from sklearn.utils.validation import _check_sample_weight, validate_data

from skdsm.corruption import NoiseLevels

__all__ = [
    "Number",
    "COUNT",
    "NON_NEGATIVE",
    "POSITIVE",
    "check_codes",
    "check_noise_levels",
    "check_rows",
    "check_weights",
    "fitted_state_kept",
]


class Number(Interval):
    """An interval of numbers; booleans are none, whatever Python says."""

    def is_satisfied_by(self, val):
        """Tell whether a value is in the interval.

        Parameters
        ----------
        val : object
            The value.

        Returns
        -------
        bool
            Whether it is a number, no boolean, and within the bounds.
        """
        return not isinstance(val, bool | np.bool_) and super().is_satisfied_by(val)


def check_noise_levels(sigma, owner):
    """Turn the parameter sigma into a range of noise levels.

    Parameters
    ----------
    sigma : float or pair of float
        The parameter.
    owner : str
        Name of the estimator, for the message.

    Returns
    -------
    NoiseLevels
        The range.

    Raises
    ------
    InvalidParameterError
        If it is no positive float nor an increasing pair of them, or so extreme that
        its square or the inverse of that is not a positive float.
    """
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
        f"The 'sigma' parameter of {owner} must be a positive float or a pair "
        f"(low, high) of positive floats with low <= high, with squares and inverse "
        f"squares that are floats too. Got {sigma!r} instead."
    )


def check_rows(estimator, X, *, reset):
    """Validate rows: a float32 or float64 array that is finite and has two dimensions.

    Parameters
    ----------
    estimator : BaseEstimator
        Whose feature count and names are set or compared.
    X : array-like of shape (n_samples, n_features)
        Rows.
    reset : bool
        Whether to set them: in fit.

    Returns
    -------
    ndarray of shape (n_samples, n_features)
        The rows.

    Raises
    ------
    ValueError
        If X is not finite, not numeric, empty, not two-dimensional, or unlike the rows
        of the fit; or if values of a masked array are masked.
    TypeError
        If X is sparse, or holds dates or structures.
    """
    # NumPy drops a mask without a word
    if np.ma.is_masked(X):
        raise ValueError(
            "X has masked values, which DenoisingScoreMatcher does not support. "
            "Please impute or drop them."
        )
    for dtype in np.atleast_1d(getattr(X, "dtypes", getattr(X, "dtype", None))):
        if isinstance(dtype, np.dtype) and dtype.kind in "mMV":
            raise TypeError(
                f"X has dtype {dtype}, which is not numeric. Please convert it to "
                "floats."
            )
    try:
        return validate_data(
            estimator, X, dtype=[np.float64, np.float32], order="C", reset=reset
        )
    except OverflowError as error:
        raise ValueError(
            f"X holds a number beyond the range of floats: {error}."
        ) from None


def check_codes(H, n_components):
    """Validate hidden codes.

    Parameters
    ----------
    H : array-like of shape (n_samples, n_components)
        Codes.
    n_components : int
        Number of hidden units.

    Returns
    -------
    ndarray of shape (n_samples, n_components), float32 or float64
        The codes.

    Raises
    ------
    ValueError
        If H is not finite, not numeric, or has another number of columns.
    """
    H = check_array(H, dtype=[np.float64, np.float32], input_name="H")
    if H.shape[1] != n_components:
        raise ValueError(
            f"H has {H.shape[1]} columns, but the model has {n_components} components."
        )
    return H


def check_weights(sample_weight, X):
    """Validate sample weights.

    Parameters
    ----------
    sample_weight : array-like of shape (n_samples,) or None
        Weights; None is one each.
    X : ndarray of shape (n_samples, n_features)
        The rows they belong to.

    Returns
    -------
    ndarray of shape (n_samples,), float64, or None
        The weights.

    Raises
    ------
    ValueError
        If a weight is negative or not finite, all are zero, or their number is wrong.
    """
    if sample_weight is None:
        return None
    if np.ma.is_masked(sample_weight):
        raise ValueError("sample_weight has masked values.")
    return _check_sample_weight(
        sample_weight, X, dtype=np.float64, ensure_non_negative=True
    )


@contextmanager
def fitted_state_kept(estimator):
    """Undo changes to fitted attributes if the body fails or is interrupted.

    scikit-learn sets the feature count and names during validation, long before a fit
    has succeeded.

    Parameters
    ----------
    estimator : BaseEstimator
        The estimator being fitted.

    Yields
    ------
    None
        Nothing.
    """

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
