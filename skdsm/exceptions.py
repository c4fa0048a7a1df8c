"""Errors and warnings of skdsm."""

__all__ = [
    "NonFiniteError",
    "SamplingWarning",
    "ScreeningWarning",
    "SentinelWarning",
    "VersionMismatchWarning",
]


class NonFiniteError(ValueError):
    """Training computed a number that is not finite.

    Parameters
    ----------
    what : str
        The quantity that overflowed.

    Examples
    --------
    >>> from skdsm import DenoisingScoreMatcher
    >>> from skdsm.exceptions import NonFiniteError
    >>> try:
    ...     DenoisingScoreMatcher().fit([[1e200], [2e200]])
    ... except NonFiniteError:
    ...     print("rescale X")
    rescale X
    """

    def __init__(self, what):
        super().__init__(what)

    def __str__(self):
        return (
            f"{self.args[0]} is not finite: the values of X are too large, or too far "
            "from the scale of sigma. Please rescale X, for instance by a "
            "StandardScaler."
        )


class SamplingWarning(UserWarning):
    """Samples, or an estimate made of them, cannot be trusted.

    Examples
    --------
    To get an error instead of samples that cannot be trusted:

    >>> import warnings
    >>> from skdsm import DenoisingScoreMatcher
    >>> from skdsm.exceptions import SamplingWarning
    >>> matcher = DenoisingScoreMatcher(2, sigma=1.0, gains="unit", random_state=0)
    >>> matcher = matcher.fit([[0], [1], [3]])
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", SamplingWarning)
    ...     rows = matcher.sample(5, random_state=0)
    """


class ScreeningWarning(UserWarning):
    """Training left out many rows, because noise from others does not reach them.

    Examples
    --------
    Here 10 of 100 rows lie far from all others:

    >>> import warnings
    >>> import numpy as np
    >>> from skdsm import DenoisingScoreMatcher
    >>> from skdsm.exceptions import ScreeningWarning
    >>> X = np.random.default_rng(0).standard_normal((100, 2))
    >>> X[:10] *= 100
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", ScreeningWarning)
    ...     matcher = DenoisingScoreMatcher(4, random_state=0).fit(X)
    >>> round(matcher.screened_share_, 2)
    0.1
    """


class SentinelWarning(UserWarning):
    """A column holds codes that seem to stand for missing values, such as 9999.

    Examples
    --------
    The codes are treated as missing, which is the default. If that is right, ignore
    the warning:

    >>> import warnings
    >>> import pandas as pd
    >>> from skdsm.exceptions import SentinelWarning
    >>> from skdsm.tables import TableEncoder
    >>> table = pd.DataFrame({"age": [*range(20, 60), -1, -1, -1]})
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", SentinelWarning)
    ...     encoder = TableEncoder().fit(table)
    >>> encoder.sentinels_
    {'age': [-1]}
    """


class VersionMismatchWarning(UserWarning):
    """An estimator saved by one version of skdsm is loaded by another.

    Examples
    --------
    To refuse such files:

    >>> import pickle
    >>> import warnings
    >>> from skdsm import DenoisingScoreMatcher
    >>> from skdsm.exceptions import VersionMismatchWarning
    >>> saved = pickle.dumps(DenoisingScoreMatcher())
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", VersionMismatchWarning)
    ...     pickle.loads(saved)
    DenoisingScoreMatcher()
    """
