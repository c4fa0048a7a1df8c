"""CSV files of all dialects become the same table."""

import contextlib
import gzip

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skdsm.command.cells import decimal_sign, read_column
from skdsm.command.exceptions import CommandError
from skdsm.command.reading import read_table, unique_names

PLAIN = "name,size,day\nMüller,1.5,2024-01-31\nWeiß,2000.25,2024-02-01\nÅse,,\n"
EXPECTED = pd.DataFrame(
    {
        "name": ["Müller", "Weiß", "Åse"],
        "size": [1.5, 2000.25, np.nan],
        "day": pd.to_datetime(["2024-01-31", "2024-02-01", None]),
    }
)
DIALECTS = {
    "commas": PLAIN.encode(),
    "tabs": PLAIN.replace(",", "\t").encode(),
    "bars": PLAIN.replace(",", "|").encode(),
    "semicolons": PLAIN.replace(",", ";").encode(),
    "decimal commas": PLAIN.replace(",", ";").replace(".", ",").encode(),
    "decimal commas in quotes": PLAIN.replace("1.5", '"1,5"')
    .replace("2000.25", '"2.000,25"')
    .encode(),
    "thousands": PLAIN.replace("2000.25", '"2,000.25"').encode(),
    "byte-order mark": PLAIN.encode("utf-8-sig"),
    "UTF-16": PLAIN.encode("utf-16"),
    "Windows-1252": PLAIN.encode("cp1252"),
    "Windows' line ends": PLAIN.replace("\n", "\r\n").encode(),
    "Excel's first line": b"sep=,\n" + PLAIN.encode(),
    "spaces": PLAIN.replace(",", " , ").encode(),
    "blank lines": PLAIN.replace("\n", "\n\n").encode(),
    "quotes": ('"' + PLAIN.replace(",", '","').replace("\n", '"\n"')[:-1]).encode(),
    "no last line end": PLAIN.removesuffix(",,\n").encode(),
    "words for missing cells": PLAIN.replace("Åse,,", "Åse,n/a,NULL").encode(),
    "dates with points": PLAIN.replace("2024-01-31", "31.01.2024")
    .replace("2024-02-01", "01.02.2024")
    .encode(),
    "American dates": PLAIN.replace("2024-01-31", "1/31/2024")
    .replace("2024-02-01", "2/1/2024")
    .encode(),
    "currency": PLAIN.replace("1.5", "€ 1.5").replace("2000.25", "2 000.25€").encode(),
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_dialects(tmp_path, dialect):
    path = tmp_path / "rows.csv"
    path.write_bytes(DIALECTS[dialect])
    typed = read_table(path).typed
    pd.testing.assert_frame_equal(typed, EXPECTED, check_dtype=False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf\n \n", "is empty"),
        (b"a,b\n", "a header and no rows"),
        (b"a,b\n1,2\n3,4,5\n", "line 3 has 3 cells, and those before it 2"),
        (b'a,b\n1,"2\n3,4\n', "a quotation mark is opened and never closed"),
        (b"\x89PNG\x00\x01\x02", "is not a text file"),
        (gzip.compress(PLAIN.encode() * 9, mtime=0), "is not a text file"),
        (b"\xff\xfe\x00", "is not valid UTF-16"),
        (b"PAR1 and no more", "cannot read"),
    ],
)
def test_files_that_hold_no_table(tmp_path, text, message):
    path = tmp_path / "rows.csv"
    path.write_bytes(text)
    with pytest.raises(CommandError, match=message) as raised:
        read_table(path)
    assert "\n" not in str(raised.value)


@settings(max_examples=60)
@given(st.binary(max_size=60) | st.text(alphabet="a1;,.\"'\n\r\t |-é", max_size=60))
def test_any_file_is_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with contextlib.suppress(CommandError):
        table = read_table(path)
        assert table.typed.shape == table.cells.shape
        assert len(table.typed)


def test_files_that_are_not_there(tmp_path):
    for path in (tmp_path, tmp_path / "no.csv"):
        with pytest.raises(CommandError, match="cannot read"):
            read_table(path)


def test_headers_are_completed(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("a,a,,a (2)\nx,1,2,3\ny,3,5,4\n")
    table = read_table(path)
    assert list(table.typed) == ["a", "a (2)", "column 3", "a (2) (2)"]
    assert "repeated column names" in table.notes[0]
    path.write_text("1,2.5\n3,4\n")
    table = read_table(path)
    assert table.typed.to_numpy().tolist() == [[1, 2.5], [3, 4]]
    assert "no header line" in table.notes[0]


def test_parquet_keeps_its_types(tmp_path):
    path = tmp_path / "rows.parquet"
    EXPECTED.to_parquet(path)
    table = read_table(path)
    pd.testing.assert_frame_equal(table.typed, EXPECTED, check_dtype=False)
    assert table.cells["size"].tolist() == ["1.5", "2000.25", ""]


def test_cells_are_kept_as_they_were(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(DIALECTS["decimal commas"])
    assert read_table(path).cells["size"].tolist() == ["1,5", "2000,25", ""]


@pytest.mark.parametrize(
    ("cells", "typed", "note"),
    [
        (["01", "22", "33"], ["01", "22", "33"], None),  # codes, such as post codes
        (["1e3", "-2", "+.5"], [1000, -2, 0.5], None),
        (["1,5", "2", "3"], [1.5, 2, 3], None),
        (["1,500", "20,000", "3"], [1500, 20000, 3], None),
        (["12 %", "7%", "3"], [12, 7, 3], None),
        (["1-2", "2-3", "3-4"], ["1-2", "2-3", "3-4"], None),
        (["True", "no", "-"], ["True", "no", None], None),
        ([*"123456789", "inf"], [*range(1, 10), None], "'inf' read as missing"),
        ([*"12345678", "x", "y"], [*"12345678", "x", "y"], None),
        (["?", "", " "], [None] * 3, None),
    ],
)
def test_columns(cells, typed, note):
    values, said = read_column(pd.Series(cells, dtype=object))
    assert [None if pd.isna(v) else v for v in values] == typed
    assert (said or "") == "" if note is None else note in said


@pytest.mark.parametrize("zone", ["", "Z", "+02:00"])
def test_dates_and_times(zone):
    cells = pd.Series([f"2024-01-31T12:30:00{zone}", f"2024-07-01T00:00:00{zone}"])
    values, _ = read_column(cells.astype(object))
    expected = pd.to_datetime(cells, utc=True).dt.tz_localize(None)
    assert (values == expected).all()


def test_dates_that_could_be_either_are_named():
    values, note = read_column(pd.Series(["01/02/2024", "05/06/2024"], dtype=object))
    assert values.dt.month.tolist() == [2, 6]
    assert note == "dates like 24/12/2031"


@pytest.mark.parametrize(
    ("cells", "kind", "typed"),
    [
        (["7", "8"], "number", [7.0, 8.0]),
        (["7", "x"], "number", [7.0, None]),
        (["x", "y"], "number", ["x", "y"]),  # the model says that these are not numbers
        (["1", "x"], "category", ["1", "x"]),
        (["1.0", "2"], "category", [1.0, 2.0]),  # TableEncoder takes these for 1 and 2
        (["2024-01-01", "x"], "date", [pd.Timestamp("2024-01-01"), None]),
    ],
)
def test_columns_of_a_known_kind(cells, kind, typed):
    values, _ = read_column(pd.Series(cells, dtype=object), kind)
    assert [None if pd.isna(v) else v for v in values] == typed


@pytest.mark.parametrize(
    ("cells", "default", "sign"),
    [
        (["1,5", "x", "2.000"], ".", ","),
        (["1.5", "x", "2,000"], ",", "."),
        (["1.234,5"], ".", ","),
        (["0.123"], ",", "."),
        (["1234,567"], ".", ","),
        (["1,234", "x", ""], ",", ","),
        (["1,234", "x", ""], ".", "."),
    ],
)
def test_the_decimal_sign_of_a_file(cells, default, sign):
    assert decimal_sign(cells, default) == sign


@settings(max_examples=20)
@given(
    st.lists(
        st.tuples(st.integers(-9999, 9999), st.floats(-1e6, 1e6)),
        min_size=2,
        max_size=9,
    ),
    st.sampled_from([(",", "."), (";", "."), (";", ","), ("\t", ",")]),
)
def test_numbers_survive_every_dialect(tmp_path_factory, rows, dialect):
    delimiter, decimal = dialect
    rows = [(i, f"{x:.2f}") for i, x in rows]
    lines = [f"{i}{delimiter}{x.replace('.', decimal)}" for i, x in rows]
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    path.write_text("\n".join([f"i{delimiter}x", *lines]) + "\n")
    typed = read_table(path).typed
    assert typed["i"].tolist() == [i for i, _ in rows]
    assert typed["x"].tolist() == [float(x) for _, x in rows]


@given(st.lists(st.sampled_from(["a", "a (2)", "b", ""])))
def test_names_become_unique(names):
    unique = unique_names(names)
    assert len(set(unique)) == len(names)
    assert all(new.startswith(old) for new, old in zip(unique, names, strict=True))
