"""What the estimator accepts, beyond scikit-learn's own checks."""

from contextlib import contextmanager
from numbers import Integral, Real

import numpy as np
from sklearn import get_config
from sklearn.utils import check_array
from sklearn.utils._param_validation import Interval, InvalidParameterError
from sklearn.utils.validation import _check_sample_weight, validate_data

from skdsm._sklearn.dispatch import device_of, float_types
from skdsm.training.corruption import NoiseLevels

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
    "numbers_only",
    "too_large_to_copy",
]


# dtypes of polars and pandas that are no numbers, but would be converted
_DATES = ("Date", "Datetime", "Duration", "Time", "datetime64", "timedelta64")


class Number(Interval):
    """An interval of floats; booleans are none, whatever Python says."""

    def is_satisfied_by(self, val):
        """Tell whether a value is in the interval.

        Parameters
        ----------
        val : object
            The value.

        Returns
        -------
        bool
            Whether it is a number, no boolean, within the bounds, and a float does not
            overflow on it.
        """
        if isinstance(val, bool | np.bool_) or not super().is_satisfied_by(val):
            return False
        try:
            float(val)
        except OverflowError:
            return False
        return True


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
    with numbers_only(X, "X") as X:
        types = float_types(X, "X")
        return validate_data(estimator, X, dtype=types, order="C", reset=reset)


@contextmanager
def numbers_only(X, name):
    """Refuse what NumPy would convert to floats without a word, or with a strange one.

    Yields X, as an array if it was a list.
    """
    # NumPy drops the mask, of a list of masked rows as well
    if any(np.ma.is_masked(part) for part in (X if isinstance(X, list) else [X])):
        raise ValueError(
            f"{name} has masked values, which are not supported. Please impute or drop "
            "them."
        )
    if isinstance(X, list | tuple) and not any(hasattr(row, "dtype") for row in X):
        with _floats_in_range(name):
            X = np.asarray(X)
    dtypes = getattr(X, "dtypes", [getattr(X, "dtype", None)])
    holds_objects = False
    for dtype in dtypes if np.iterable(dtypes) else [dtypes]:
        kind = getattr(dtype, "kind", None)
        holds_objects |= kind == "O"
        if kind in ("m", "M", "V") or str(dtype).startswith(_DATES):
            raise TypeError(
                f"{name} has dtype {dtype}, which is not numeric. Please convert it to "
                "floats."
            )
        if kind in ("U", "S"):
            raise ValueError(
                f"{name} has dtype {dtype}: strings. Please convert it to floats."
            )
    if holds_objects and any(
        type(value).__name__ == "NAType" for value in np.asarray(X).flat
    ):
        raise ValueError(f"Input {name} contains NaN: pandas.NA.")
    with _floats_in_range(name):
        yield X


@contextmanager
def _floats_in_range(name):
    try:
        yield
    except OverflowError as error:
        raise ValueError(
            f"{name} holds a number beyond the range of floats: {error}."
        ) from None


def too_large_to_copy(X):
    """Tell whether rows are to be left on disk.

    Parameters
    ----------
    X : ndarray
        Validated rows.

    Returns
    -------
    bool
        Whether they are memory-mapped, and more than a sixteenth of scikit-learn's
        setting `working_memory`.
    """
    if X.nbytes <= get_config()["working_memory"] * 2**16:
        return False
    base = X
    while base is not None and not isinstance(base, np.memmap):
        base = getattr(base, "base", None)
    return base is not None


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
    with numbers_only(H, "H") as H:
        H = check_array(H, dtype=float_types(H, "H"), input_name="H")
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
    with numbers_only(sample_weight, "sample_weight") as sample_weight:
        # or scikit-learn would look for the strides of a list, to move it to a device
        if device_of(X) is not None and not hasattr(sample_weight, "__dlpack__"):
            sample_weight = np.asarray(sample_weight)
        return _check_sample_weight(
            sample_weight,
            X,
            dtype=float_types(X, "X")[0],
            ensure_non_negative=True,
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
