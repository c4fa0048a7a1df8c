"""Encoders of amounts, of a column of dates, and of a column of text codes."""

import re

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skdsm.tables.kinds import usual_categories

__all__ = [
    "AmountScaler",
    "DateEncoder",
    "TextEncoder",
    "indicators",
    "shape_of",
    "soften",
]

_SMALL = 0.05  # quantile of the positive amounts
_DAY = np.timedelta64(1, "D")
_WEEKS = 14  # days: enough to tell one weekday from another
_YEARS = 730
_LENGTHS = {"time of day": 1.0, "weekday": 7.0, "time of year": 365.2425}  # days

_SHAPES = [
    (re.compile(r"[^\W\d_]+"), "a"),
    (re.compile(r"\d+"), "9"),
    (re.compile(r"\s+"), " "),
]


def indicators(categories):
    """Unfitted encoder of words (n, k): ones for usual categories, standardised."""
    return make_pipeline(
        OneHotEncoder(
            categories=[np.array(words, dtype=object) for words in categories],
            handle_unknown="ignore",
            sparse_output=False,
        ),
        StandardScaler(),
    )


def soften(fitted):
    """Divide indicators by the square root of their standard deviations.

    Divided by the deviations themselves, a rare category would be as far from all
    others as an extreme number; not divided, categories would count less than numbers.
    One that all rows have is taken for one that all rows but one have.
    """
    scaler = fitted[-1]
    p = 1 / (1 + scaler.n_samples_seen_)
    deviation = np.where(scaler.var_ > 0, scaler.scale_, np.sqrt(p * (1 - p)))
    scaler.scale_ = np.sqrt(deviation)


class AmountScaler(TransformerMixin, BaseEstimator):
    """Amounts (n, d) on a logarithmic scale, standardised: asinh(x / unit).

    The unit is a small positive amount of the column: below it the scale is linear, so
    that zeros and negative numbers have their place.
    """

    def fit(self, X, y=None):
        """Find the units, and the scale."""
        X = np.asarray(X, dtype=np.float64)
        with np.errstate(invalid="ignore"):
            self.unit_ = np.nanquantile(np.where(X > 0, X, np.nan), _SMALL, axis=0)
        self.scaler_ = StandardScaler().fit(np.arcsinh(X / self.unit_))
        return self

    def transform(self, X):
        """Encode amounts (n, d)."""
        X = np.asarray(X, dtype=np.float64)
        return self.scaler_.transform(np.arcsinh(X / self.unit_))

    def inverse_transform(self, X):
        """Amounts (n, d) of encoded rows."""
        return np.sinh(self.scaler_.inverse_transform(X)) * self.unit_

    def get_feature_names_out(self, input_features):
        """Names of the encoded columns."""
        return np.array(input_features, dtype=object)


class DateEncoder(TransformerMixin, BaseEstimator):
    """Dates (n, 1) as time that passed, and as points of cycles, standardised.

    Cycles are the day, the week and the year, where the dates of the fit show them. A
    cycle's two coordinates have together the variance of one number.
    Dates later than the last of the fit count as the last: that time went on since then
    is nothing unusual.
    """

    def fit(self, X, y=None):
        """Find the first date, and the cycles that the dates show."""
        days = _days(X)
        seen = days[np.isfinite(days)]
        self.first_, self.last_ = seen.min(), seen.max()
        span = np.ptp(seen)
        shown = {
            "time of day": (seen % 1 != 0).any(),
            "weekday": span >= _WEEKS,
            "time of year": span >= _YEARS,
        }
        self.cycles_ = [name for name, is_shown in shown.items() if is_shown]
        self.scaler_ = StandardScaler().fit(self._coordinates(days))
        self.scaler_.scale_[1:] *= np.sqrt(2)
        return self

    def transform(self, X):
        """Encode dates (n, 1) as (n, 1 + 2 cycles)."""
        return self.scaler_.transform(self._coordinates(_days(X)))

    def _coordinates(self, days):
        passed = np.minimum(days, self.last_) - self.first_
        angles = [2 * np.pi * (days / _LENGTHS[name] % 1) for name in self.cycles_]
        points = [f(angle) for angle in angles for f in (np.cos, np.sin)]
        return np.column_stack([passed, *points])

    def inverse_transform(self, X):
        """Dates (n, 1) of encoded rows, by the time that passed."""
        days = self.scaler_.inverse_transform(X)[:, :1] + self.first_
        seconds = np.where(np.isfinite(days), np.round(days * 86400), 0)
        dates = seconds.astype("datetime64[s]")
        return np.where(np.isfinite(days), dates, np.datetime64("NaT"))

    def get_feature_names_out(self, input_features):
        """Names of the encoded columns."""
        (name,) = input_features
        points = [f"{name}_{c} ({f})" for c in self.cycles_ for f in ("cos", "sin")]
        return np.array([name, *points], dtype=object)


class TextEncoder(TransformerMixin, BaseEstimator):
    """Text codes (n, 1) as their length, and as their shape: AB-123 is "a-9"."""

    def __init__(self, min_frequency=0.01):
        self.min_frequency = min_frequency

    def fit(self, X, y=None):
        """Find the shapes that are not rare, and the usual lengths."""
        words = X.iloc[:, 0].dropna()
        self.scaler_ = StandardScaler().fit(_log_lengths(words))
        shapes = words.map(shape_of)
        usual, _ = usual_categories(shapes, self.min_frequency)
        self.has_shapes_ = len(usual) > 0
        if self.has_shapes_:
            self.encoder_ = indicators([usual]).fit(shapes.to_numpy()[:, None])
            soften(self.encoder_)
        return self

    def transform(self, X):
        """Encode words (n, 1) as (n, 1 + usual shapes)."""
        words = X.iloc[:, 0].fillna("")
        parts = [self.scaler_.transform(_log_lengths(words))]
        if self.has_shapes_:
            shapes = words.map(shape_of).to_numpy(dtype=object)
            parts.append(self.encoder_.transform(shapes[:, None]))
        return np.hstack(parts)

    def get_feature_names_out(self, input_features):
        """Names of the encoded columns."""
        (name,) = input_features
        shapes = self.encoder_[0].categories_[0] if self.has_shapes_ else []
        names = [f"{name}_length", *[f"{name}_shape {shape}" for shape in shapes]]
        return np.array(names, dtype=object)


def _days(X):
    """Days since 1970 of a frame with one column of dates: (n,), NaN for holes."""
    dates = X.iloc[:, 0].to_numpy().astype("datetime64[us]")
    passed = (dates - np.datetime64(0, "us")) / _DAY
    return np.where(np.isnat(dates), np.nan, passed)


def shape_of(word):
    """Shape of a word: letters are "a", digits "9", and repetitions are one."""
    for pattern, sign in _SHAPES:
        word = pattern.sub(sign, word)
    return word


def _log_lengths(words):
    return np.log1p(words.str.len().to_numpy(dtype=np.float64))[:, None]
