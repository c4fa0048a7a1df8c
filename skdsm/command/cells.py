"""Words of a CSV column as numbers, dates or categories."""

import re

import numpy as np

__all__ = ["MISSING_WORDS", "decimal_sign", "read_column"]

MISSING_WORDS = frozenset(
    ["", "-", "--", ".", "?", "n/a", "na", "n.a.", "nan", "<na>", "nat", "null", "none"]
    + ["nil", "missing", "unknown", "#n/a", "#value!", "#div/0!", "#ref!", "#name?"]
    + ["#num!", "#null!"]
)
_LEAST_SHARE = 0.9  # of the cells: the others are read as missing, and named
_NAMED = 3
_SAMPLE = 1000

# 1,234.5 and 1.234,5: groups of thousands, which spaces may also divide
_POINT = re.compile(r"[+-]?(?:\d{1,3}(?:,\d{3})+|\d*)(?:\.\d*)?(?:[eE][+-]?\d+)?")
_COMMA = re.compile(r"[+-]?(?:\d{1,3}(?:\.\d{3})+|\d*)(?:,\d*)?(?:[eE][+-]?\d+)?")
# 1.234 and 1,234 may be either
_LIKE_GROUPS = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}")
_AROUND = re.compile(r"[\s\u00a0\u202f%€$£']+")
_LEADING_ZERO = re.compile(r"[+-]?0\d+")  # a code, such as a post code
_DATE_LIKE = re.compile(r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4}(?:[T ]\d{1,2}:\d{2}.*)?")
_DATE_FORMATS = ["%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d"]
_TIMES = ["", " %H:%M", " %H:%M:%S"]


def decimal_sign(cells, default):
    """Decimal sign of a file, "." or ",", by the cells that leave no doubt."""
    words = {_AROUND.sub("", word) for word in cells}
    words = [word for word in words if not _LIKE_GROUPS.fullmatch(word)]
    points = sum("." in word and bool(_POINT.fullmatch(word)) for word in words)
    commas = sum("," in word and bool(_COMMA.fullmatch(word)) for word in words)
    if points == commas:
        return default
    return "." if points > commas else ","


def read_column(cells, expected=None, decimal="."):
    """Typed values of a column of words (n,), and what is to be said about it or None.

    expected is the kind of the column if it is known: "number", "amount", "date", or
    another one, for which words stay words. decimal is the sign to prefer.
    """
    import pandas as pd

    def numbers(words):
        return _numbers(words, decimal)

    words = cells.str.strip()
    missing = words.str.lower().isin(MISSING_WORDS)
    words = words.mask(missing, None)
    counts = words.value_counts()
    if not len(counts):
        return pd.Series(np.nan, index=cells.index), None
    distinct, counts = pd.Series(counts.index, dtype=object), counts.to_numpy()
    tried = {
        None: [(numbers, _LEAST_SHARE), (_dates, _LEAST_SHARE)],
        "number": [(numbers, 0)],
        "amount": [(numbers, 0)],
        "date": [(_dates, 0)],
    }.get(expected, [(numbers, 1)])  # of words, those like 1.0 and 1 are the same
    some = _sampled(distinct)
    for reader, share in tried:
        read = reader(some)[0].notna().to_numpy()
        if counts[some.index][read].sum() < share / 2 * counts[some.index].sum():
            continue
        values, note = reader(distinct)
        read = values.notna().to_numpy()
        if read.any() and counts[read].sum() >= share * counts.sum():
            table = dict(zip(distinct, values, strict=True))
            return words.map(table), _join(note, _unread(distinct[~read], values))
    return words, None


def _numbers(words, decimal):
    """Numbers of words (k,), NaN where there is none, and a note."""
    import pandas as pd

    if _matches(words, _LEADING_ZERO).any():
        return pd.Series(np.nan, index=words.index), None
    if decimal == ".":  # most columns are plain numbers, and this is fast
        values = pd.to_numeric(words, errors="coerce").astype(np.float64)
        if np.isfinite(values).all():
            return values, None
    bare = words.str.replace(_AROUND, "", regex=True)
    is_point = _matches(bare, _POINT)
    is_comma = _matches(bare, _COMMA)
    more_commas = int(is_comma.sum()) - int(is_point.sum())
    if more_commas > 0 or more_commas == 0 and decimal == ",":
        is_point = is_comma
        bare = bare.str.replace(".", "", regex=False).str.replace(",", ".", regex=False)
    else:
        bare = bare.str.replace(",", "", regex=False)
    values = pd.to_numeric(bare.where(is_point), errors="coerce").astype(np.float64)
    values = values.where(np.isfinite(values))
    return values, None


def _matches(words, pattern):
    return words.map(lambda word: bool(word and pattern.fullmatch(word)))


def _dates(words):
    """Dates of words (k,), NaT where there is none, and a note."""
    import pandas as pd

    none = pd.Series(np.datetime64("NaT"), index=words.index)
    if not _matches(words, _DATE_LIKE).mean() >= _LEAST_SHARE / 2:
        return none, None
    chosen = _date_format(_sampled(words))
    dates = _as_dates(words, chosen)
    if dates.isna().any():  # in the sample, days may all be less than 13
        chosen = _date_format(words)
        dates = _as_dates(words, chosen)
    if chosen == "ISO8601":
        return dates, None
    example = pd.Timestamp(2031, 12, 24, 13, 30).strftime(chosen)
    return dates, f"dates like {example}"


def _date_format(words):
    """The format that most words (k,) have."""
    formats = ["ISO8601", *[d + t for d in _DATE_FORMATS for t in _TIMES]]
    return max(formats, key=lambda format: _as_dates(words, format).notna().sum())


def _as_dates(words, format):
    import pandas as pd

    dates = pd.to_datetime(words, format=format, errors="coerce", utc=True)
    return dates.dt.tz_localize(None)


def _sampled(words):
    return words[:: len(words) // _SAMPLE + 1]


def _unread(words, values):
    """Say which words were taken for missing, of a column of numbers or dates."""
    if not len(words):
        return None
    named = ", ".join(f"{word!r}" for word in words[:_NAMED])
    more = f" and {len(words) - _NAMED} more" if len(words) > _NAMED else ""
    what = "dates" if values.dtype.kind == "M" else "numbers"
    return f"{named}{more} read as missing, because the others are {what}"


def _join(*notes):
    return "; ".join(note for note in notes if note) or None
