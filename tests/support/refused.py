"""What becomes of values that are not plain floats, in every container.

`KINDS` drives the tests of input and the table of doc/user_guide/reliability.rst.
"""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import pandas as pd
import polars as pl

N = 6
TEXT = ["1", "2", "4", "1.5", "3", "7"]
BYTES = [text.encode() for text in TEXT]
DAYS = [date(2024, 1, day) for day in range(1, N + 1)]
MOMENTS = [datetime(2024, 1, day) for day in range(1, N + 1)]
MOMENTS_UTC = [moment.replace(tzinfo=UTC) for moment in MOMENTS]
TIMES = [time(hour) for hour in range(N)]
SPANS = [timedelta(hours=hour) for hour in range(N)]
DAYS64 = list(np.array(DAYS, "M8[ns]"))
SPANS64 = list(np.array(SPANS, "m8[ns]"))
COMPLEX = [1 + 0j, 2j, 4.0, 1.5j, 3.0, 7.0]
FLOATS = [1.0, 2.0, 4.0, 1.5, 3.0, 7.0]
DECIMALS = [Decimal(f"{float(text):.1f}") for text in TEXT]  # of one scale
FRACTIONS = [Fraction(text) for text in TEXT]
MIXED_NUMBERS = [True, 2, 4.0, Decimal("1.5"), np.float32(3), Fraction(7)]


def beside_numbers(value):
    return [*FLOATS[:3], value, *FLOATS[4:]]


# --- Containers: how they write a column, and a table of two columns ---


def of_type(values, dtype):
    """An array; objects in it stay what they are."""
    if dtype is not object:
        return np.array(values, dtype)
    array = np.empty(len(values), object)
    for i, value in enumerate(values):
        array[i : i + 1] = np.fromiter([value], object)
    return array


def numpy_table(values, dtype):
    column = of_type(values, dtype)
    return np.concatenate([column[:, None], column[:, None]], axis=1)


def pandas_table(values, dtype):
    return pd.DataFrame({"a": FLOATS, "b": pd.Series(values, dtype=dtype)})


def polars_table(values, dtype):
    return pl.DataFrame({"a": FLOATS, "b": pl.Series(values, dtype=dtype)})


def arrow_column(values, dtype):
    import pyarrow as pa

    if dtype == "dictionary":
        return pa.array(values).dictionary_encode()
    return pa.array(values, dtype)


def arrow_table(values, dtype):
    import pyarrow as pa

    return pa.table({"a": FLOATS, "b": arrow_column(values, dtype)})


def pandas_of_arrow_column(values, dtype):
    column = arrow_column(values, dtype)
    return pd.Series(pd.arrays.ArrowExtensionArray(column))


def pandas_of_arrow_table(values, dtype):
    return pd.DataFrame({"a": FLOATS, "b": pandas_of_arrow_column(values, dtype)})


def dask_array(values):
    import dask.array as da

    return da.from_array(values, chunks=(N // 2, *values.shape[1:]))


def dask_frame(values):
    """A collection of two partitions; dask would turn objects into strings."""
    import dask
    import dask.dataframe as dd

    with dask.config.set({"dataframe.convert-string": False}):
        return dd.from_pandas(values, npartitions=2).persist(scheduler="synchronous")


CONTAINERS = {
    "NumPy": (of_type, numpy_table),
    "lists": (
        lambda values, _: values,
        lambda values, _: [[1.5, value] for value in values],
    ),
    "tuples": (
        lambda values, _: tuple(values),
        lambda values, _: tuple((1.5, value) for value in values),
    ),
    "lists of arrays": (
        lambda values, dtype: list(of_type(values, dtype)),
        lambda values, dtype: list(numpy_table(values, dtype)),
    ),
    "pandas": (lambda values, dtype: pd.Series(values, dtype=dtype), pandas_table),
    "polars": (lambda values, dtype: pl.Series(values, dtype=dtype), polars_table),
    "pyarrow": (arrow_column, arrow_table),
    "pandas of pyarrow": (pandas_of_arrow_column, pandas_of_arrow_table),
    "dask arrays": (
        lambda values, dtype: dask_array(of_type(values, dtype)),
        lambda values, dtype: dask_array(numpy_table(values, dtype)),
    ),
    "dask frames": (
        lambda values, dtype: dask_frame(pd.Series(values, dtype=dtype)),
        lambda values, dtype: dask_frame(pandas_table(values, dtype)),
    ),
}
WITHOUT_EXTRAS = ["NumPy", "lists", "tuples", "lists of arrays", "pandas", "polars"]
WITH_EXTRAS = [name for name in CONTAINERS if name not in WITHOUT_EXTRAS]


# --- Kinds: what happens, and values and a dtype for each container ---


class Kind(NamedTuple):
    error: type[Exception] | None  # None: taken as floats
    message: str
    written: dict
    missing: bool = False  # rows may have such cells, except in dask collections

    def outcome(self, container):
        """What becomes of it as rows: "refused", "missing" or "floats"."""
        if self.missing and not container.startswith("dask"):
            return "missing"
        return "floats" if self.error is None else "refused"


def in_objects(*columns):
    """The columns as objects, which stay what they are, in all containers that can."""
    forms = {type(values[3]).__name__: (values, object) for values in columns}
    return {name: dict(forms) for name in ("NumPy", "pandas", "polars", "dask arrays")}


def in_lists(*columns):
    forms = {type(values[3]).__name__: (values, None) for values in columns}
    return {"lists": forms, "tuples": forms}


def merged(*parts):
    result = {}
    for part in parts:
        for container, forms in part.items():
            result[container] = result.get(container, {}) | forms
    return result


KINDS = {
    "text, also numbers as text": Kind(
        ValueError,
        "string",
        merged(
            in_objects(TEXT, BYTES, beside_numbers(bytearray(b"1"))),
            in_lists(TEXT, BYTES, beside_numbers("1"), [*TEXT[:3], None, *TEXT[4:]]),
            {
                "NumPy": {
                    "U": (TEXT, str),
                    "words": (["word"] * N, str),
                    "words as objects": (["word"] * N, object),
                    "in arrays": ([np.array(text) for text in TEXT], object),
                    "S": (BYTES, bytes),
                    "StringDType": (TEXT, np.dtypes.StringDType()),
                    "beside numbers": (beside_numbers("1"), object),
                },
                "lists of arrays": {
                    "U": (TEXT, str),
                    "StringDType": (TEXT, np.dtypes.StringDType()),
                    "objects": (TEXT, object),
                },
                "pandas": {
                    "string": (TEXT, "string"),
                    "category": (TEXT, "category"),
                    "default": (TEXT, None),
                    "beside numbers": (beside_numbers("1"), object),
                },
                "polars": {
                    "String": (TEXT, pl.String),
                    "Categorical": (TEXT, pl.Categorical),
                    "Enum": (TEXT, pl.Enum(TEXT)),
                    "Binary": (BYTES, pl.Binary),
                },
                "pyarrow": {
                    "string": (TEXT, "string"),
                    "large_string": (TEXT, "large_string"),
                    "dictionary": (TEXT, "dictionary"),
                    "binary": (BYTES, "binary"),
                },
                "pandas of pyarrow": {
                    "string": (TEXT, "string"),
                    "dictionary": (TEXT, "dictionary"),
                },
                "dask arrays": {
                    "U": (TEXT, str),
                    "StringDType": (TEXT, np.dtypes.StringDType()),
                },
                "dask frames": {
                    "string": (TEXT, "string"),
                    "objects": (TEXT, object),
                    "category": (TEXT, "category"),
                    "beside numbers": (beside_numbers("1"), object),
                },
            },
        ),
    ),
    "dates, times of day, durations": Kind(
        TypeError,
        "dates or durations",
        merged(
            in_objects(DAYS, MOMENTS, TIMES, SPANS, DAYS64, SPANS64),
            in_lists(DAYS, MOMENTS, TIMES, SPANS, DAYS64, SPANS64),
            {
                "NumPy": {"M8": (DAYS, "M8[D]"), "m8": (SPANS, "m8[s]")},
                "lists of arrays": {"M8": (DAYS, "M8[ns]"), "m8": (SPANS, "m8[ns]")},
                "pandas": {
                    "datetime64": (MOMENTS, None),
                    "time zone": (MOMENTS_UTC, None),
                    "timedelta64": (SPANS, None),
                    "category": (MOMENTS, "category"),
                },
                "polars": {
                    "Date": (DAYS, pl.Date),
                    "Datetime": (MOMENTS, pl.Datetime("ns")),
                    "time zone": (MOMENTS_UTC, pl.Datetime("us", "UTC")),
                    "Duration": (SPANS, pl.Duration),
                    "Time": (TIMES, pl.Time),
                },
                "pyarrow": {
                    "date": (DAYS, "date32"),
                    "timestamp": (MOMENTS, "timestamp[ns]"),
                    "time zone": (MOMENTS_UTC, None),
                    "duration": (SPANS, "duration[s]"),
                    "time": (TIMES, "time64[us]"),
                },
                "pandas of pyarrow": {
                    "date": (DAYS, "date32"),
                    "timestamp": (MOMENTS, "timestamp[ns]"),
                    "duration": (SPANS, "duration[s]"),
                    "time": (TIMES, "time64[us]"),
                },
                "dask arrays": {"M8": (DAYS, "M8[D]"), "m8": (SPANS, "m8[s]")},
                "dask frames": {
                    "datetime64": (MOMENTS, None),
                    "time zone": (MOMENTS_UTC, None),
                    "timedelta64": (SPANS, None),
                    "dates": (DAYS, object),
                },
            },
        ),
    ),
    "complex numbers": Kind(
        ValueError,
        "Complex data not supported",
        merged(
            in_objects(COMPLEX, [np.complex64(z) for z in COMPLEX]),
            in_lists(COMPLEX, beside_numbers(1j)),
            {
                "NumPy": {"complex128": (COMPLEX, complex)},
                "lists of arrays": {"complex128": (COMPLEX, complex)},
                "pandas": {"complex128": (COMPLEX, complex)},
                "dask arrays": {"complex64": (COMPLEX, np.complex64)},
                "dask frames": {"complex128": (COMPLEX, complex)},
            },
        ),
    ),
    "None and other missing values": Kind(
        ValueError,
        "contains NaN",
        merged(
            in_objects(beside_numbers(None)),
            in_lists(beside_numbers(None)),
            {
                "pandas": {"Float64": (beside_numbers(None), "Float64")},
                "polars": {"Float64": (beside_numbers(None), pl.Float64)},
                "pyarrow": {
                    "double": (beside_numbers(None), "double"),
                    "bool": ([True, None] * 3, "bool"),
                },
                "pandas of pyarrow": {"double": (beside_numbers(None), "double")},
                "dask frames": {"Float64": (beside_numbers(None), "Float64")},
            },
        ),
        missing=True,
    ),
    "pandas.NA among objects": Kind(
        ValueError,
        "contains NaN",
        merged(in_objects(beside_numbers(pd.NA)), in_lists(beside_numbers(pd.NA))),
    ),
    "dicts and other objects, structures": Kind(
        TypeError,
        "dict|structures|Period|Interval",
        merged(
            in_objects(beside_numbers({"a": 1})),
            in_lists(beside_numbers({"a": 1})),
            {
                "NumPy": {"structured": ([(1.0,)] * N, [("a", float)])},
                "lists of arrays": {"structured": ([(1.0,)] * N, [("a", float)])},
                "pandas": {
                    "Period": (pd.period_range("2024", periods=N), None),
                    "Interval": (pd.interval_range(0, N), None),
                },
                "polars": {"Struct": ([{"a": 1.0}] * N, pl.Struct({"a": pl.Float64}))},
                "pyarrow": {"struct": ([{"a": 1.0}] * N, None)},
                "pandas of pyarrow": {"struct": ([{"a": 1.0}] * N, None)},
                "dask arrays": {"structured": ([(1.0,)] * N, [("a", float)])},
            },
        ),
    ),
    "lists in cells": Kind(
        ValueError,
        "sequence|inhomogeneous",
        {
            "NumPy": {"objects": (beside_numbers([1.5]), object)},
            "lists": {"lists": (beside_numbers([1.5]), None)},
            "pandas": {"objects": (beside_numbers([1.5]), object)},
            "polars": {"List": ([[1.5]] * N, pl.List(pl.Float64))},
            "pyarrow": {"list": ([[1.5]] * N, None)},
        },
    ),
    "numbers as objects, decimals, fractions": Kind(
        None,
        "",
        merged(
            in_objects(FRACTIONS, DECIMALS, MIXED_NUMBERS, FLOATS),
            in_lists(FRACTIONS, DECIMALS, MIXED_NUMBERS),
            {
                "lists of arrays": {"objects": (MIXED_NUMBERS, object)},
                "polars": {"Decimal": (DECIMALS, None)},
                "pyarrow": {"decimal": (DECIMALS, None)},
                "pandas of pyarrow": {"decimal": (DECIMALS, None)},
                "dask frames": {"objects": (FLOATS, object)},
            },
        ),
    ),
    "categories of numbers": Kind(
        None,
        "",
        {
            "pandas": {"category": (FLOATS, "category")},
            "pyarrow": {"dictionary": (FLOATS, "dictionary")},
            "pandas of pyarrow": {"dictionary": (FLOATS, "dictionary")},
            "dask frames": {"category": (FLOATS, "category")},
        },
    ),
}


class Case(NamedTuple):
    kind: Kind
    column: object  # functions of nothing
    table: object


def cases(containers, outcome):
    """By name, each way in which a container can hold a kind with this outcome."""
    found = {}
    for name, kind in KINDS.items():
        for container in containers:
            if kind.outcome(container) != outcome:
                continue
            column, table = CONTAINERS[container]
            for form, (values, dtype) in kind.written.get(container, {}).items():
                found[f"{name}: {container}, {form}"] = Case(
                    kind,
                    lambda column=column, v=values, t=dtype: column(v, t),
                    lambda table=table, v=values, t=dtype: table(v, t),
                )
    return found


def page_table():
    """The table of doc/user_guide/reliability.rst, line by line."""
    lines = [("values", "what happens")]
    said = {"missing": "missing cells", "floats": "taken as floats"}
    lines += [
        (name, said.get(kind.outcome("")) or f"``{kind.error.__name__}``")
        for name, kind in KINDS.items()
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = " ".join("=" * width for width in widths)
    body = [f"{name:{widths[0]}} {what}" for name, what in lines]
    return "\n".join([rule, body[0], rule, *body[1:], rule])
