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
    """Samples, or an estimate made of them, cannot be trusted."""


class ScreeningWarning(UserWarning):
    """Training left out many rows, because noise from others does not reach them."""


class SentinelWarning(UserWarning):
    """A column holds codes that seem to stand for missing values, such as 9999."""


class VersionMismatchWarning(UserWarning):
    """An estimator saved by one version of skdsm is loaded by another."""
