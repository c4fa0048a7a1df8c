"""What kind of values a column holds, and which columns say nothing."""

import re
from numbers import Integral

import numpy as np

from skdsm.tables.sentinels import find_sentinels

__all__ = ["KINDS", "as_kind", "is_identifier_name", "kind_of", "usual_categories"]

KINDS = ("number", "amount", "category", "date", "text", "drop")

# order_id, ID, customerId, "row id", uuid; but not "paid"
_IDENTIFIER = re.compile(
    r"(?i:(?:^|[\W_])(?:id|ids|uuid|guid|key|index)\s*$)|[a-z](?:Id|ID)\s*$"
)
_LARGE = 10  # times the median, of an amount
_WIDE = 50  # times small ones
_LEAST_COVER = 0.5  # of the cells, by categories that are not rare


def is_identifier_name(name):
    """Whether a column's name says that its values identify rows."""
    return bool(_IDENTIFIER.search(name))


def _general_type(values):
    """ "boolean", "number", "date" or "text", of a pandas Series without holes."""
    from pandas.api import types

    dtype = values.dtype
    if types.is_bool_dtype(dtype):
        return "boolean"
    if types.is_complex_dtype(dtype):
        raise ValueError("Complex data not supported")
    if types.is_numeric_dtype(dtype):
        return "number"
    if types.is_datetime64_any_dtype(dtype):
        return "date"
    if types.is_object_dtype(dtype):
        inferred = types.infer_dtype(values, skipna=True)
        if inferred in ("integer", "floating", "mixed-integer-float", "decimal"):
            return "number"
        if inferred in ("date", "datetime", "datetime64"):
            return "date"
        if inferred == "boolean":
            return "boolean"
    return "text"


def usual_categories(words, min_frequency):
    """Categories that are not rare, sorted, and whether they cover most cells."""
    counts = words.value_counts()
    if isinstance(min_frequency, Integral):
        least = min_frequency
    else:
        least = max(2, min_frequency * len(words))  # what comes once is not a category
    usual = counts[counts >= least]
    return sorted(usual.index), bool(usual.sum() >= _LEAST_COVER * len(words))


def kind_of(name, values, min_frequency):
    """Kind of a column, or "drop" and the reason: (kind, reason).

    values is a pandas Series without missing cells.
    """
    if not len(values):
        return "drop", "empty"
    general = _general_type(values)
    if values.nunique() == 1:
        return "drop", "constant"
    if is_identifier_name(name) and general in ("number", "text"):
        _, covers = usual_categories(as_kind(values, "category"), min_frequency)
        return ("category", None) if covers else ("drop", "identifier")
    if general == "date":
        return "date", None
    if general == "number":
        if values.nunique() == 2:
            return "category", None
        if _counts_rows(values):
            return "drop", "row number"
        return "amount" if _spans_magnitudes(values) else "number", None
    _, covers = usual_categories(as_kind(values, "category"), min_frequency)
    return "category" if general == "boolean" or covers else "text", None


def _counts_rows(values):
    """Whether numbers go up by one from row to row."""
    numbers = values.to_numpy(dtype=np.float64)
    return len(numbers) > 2 and bool((np.diff(numbers) == 1).all())


def _spans_magnitudes(values):
    """Whether numbers are positive or zero, and few are many times the others."""
    numbers = values.to_numpy(dtype=np.float64)
    numbers = numbers[~np.isin(numbers, find_sentinels(numbers))]
    if numbers.min() < 0 or not numbers.max() > 0:
        return False
    large, median = np.quantile(numbers, [0.99, 0.5])
    small = np.quantile(numbers[numbers > 0], 0.05)
    return bool(large >= _LARGE * median and large >= _WIDE * small and median > 0)


def as_kind(values, kind):
    """Cells as one kind of values: floats, dates, or words with None for holes."""
    import pandas as pd

    if kind in ("number", "amount"):
        numbers = pd.to_numeric(values)  # or it says which cell is not one
        numbers = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
        return pd.Series(numbers, index=values.index, name=values.name)
    if kind == "date":
        dates = pd.to_datetime(values)
        if getattr(dates.dtype, "tz", None) is not None:
            dates = dates.dt.tz_convert("UTC").dt.tz_localize(None)
        return dates
    missing = values.isna().to_numpy()
    words = np.where(missing, None, values.to_numpy(dtype=object))
    words[~missing] = [_word(cell) for cell in words[~missing]]
    return pd.Series(words, index=values.index, name=values.name, dtype=object)


def _word(cell):
    # 1, 1.0 and True were 1 in one file or another
    if isinstance(cell, bool | np.bool_):
        return str(bool(cell))
    if isinstance(cell, float | np.floating) and float(cell).is_integer():
        return str(int(cell))
    return str(cell)
