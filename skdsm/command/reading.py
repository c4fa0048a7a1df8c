"""Tables from CSV and Parquet files, whatever their dialect."""

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from skdsm.command.cells import decimal_sign, read_column
from skdsm.command.exceptions import CommandError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TableFile", "read_table", "unique_names"]

_DELIMITERS = "\t;|,"  # a comma last: it may be a decimal sign
_SNIFFED = 100  # lines
_SAMPLE = 1000  # rows


@dataclass
class TableFile:
    """A table as it is in its file, and as typed columns.

    cells has the text of all cells, typed has floats, dates and words; notes say what
    was decided on the way.
    """

    cells: "pd.DataFrame"
    typed: "pd.DataFrame"
    notes: list[str] = field(default_factory=list)


def read_table(path, kinds=None):
    """Table of a CSV or Parquet file.

    kinds gives the kinds of columns that a model expects, by name, as TableEncoder's
    `kinds_`: their cells are read as these.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror}") from None
    if data[:4] == b"PAR1":
        return _read_parquet(data, path)
    text, encoding = _decode(data, path)
    notes = [] if encoding == "utf-8" else [f"read as {encoding} text"]
    cells, delimiter = _parse(text, path, notes)
    sample = cells[:_SAMPLE].to_numpy().ravel()
    decimal = decimal_sign(sample, default="," if delimiter == ";" else ".")
    if decimal == ",":
        notes.append("decimal commas")
    columns = {}
    for name in cells:
        expected = (kinds or {}).get(name)
        columns[name], note = read_column(cells[name], expected, decimal)
        if note:
            notes.append(f"column {name!r}: {note}")
    import pandas as pd

    return TableFile(cells, pd.DataFrame(columns, columns=cells.columns), notes)


def unique_names(names, taken=()):
    """Names without repetitions: the second "a" becomes "a (2)"."""
    seen, unique = set(taken), []
    for name in names:
        k, candidate = 1, name
        while candidate in seen:
            k += 1
            candidate = f"{name} ({k})"
        seen.add(candidate)
        unique.append(candidate)
    return unique


def _read_parquet(data, path):
    import pandas as pd

    try:
        table = pd.read_parquet(io.BytesIO(data))
    except ImportError:
        raise CommandError(
            f"{path} is a Parquet file, which needs pyarrow: pip install pyarrow"
        ) from None
    except Exception as error:  # pyarrow has errors of many types
        raise CommandError(f"cannot read {path}: {_one_line(error)}") from None
    if not len(table):
        raise CommandError(f"{path} has no rows")
    table = table.reset_index(drop=True)
    table.columns = unique_names([str(name) for name in table.columns])
    cells = table.astype(object).where(table.notna(), "").map(str)
    return TableFile(cells, table)


def _decode(data, path):
    """Text of a file, and the name of its encoding."""
    if not data.strip(b"\xef\xbb\xbf \t\r\n"):
        raise CommandError(f"{path} is empty")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    elif b"\x00" in data[:100_000]:
        raise CommandError(f"{path} is not a text file; give a CSV or Parquet file")
    else:
        encoding = "utf-8"
    try:
        # utf-8-sig takes the byte-order mark off
        return data.decode("utf-8-sig" if encoding == "utf-8" else encoding), encoding
    except UnicodeDecodeError:
        if encoding == "utf-16":
            raise CommandError(f"{path} is not valid UTF-16 text") from None
        # every byte is a letter there, if not always the right one
        return data.decode("cp1252", errors="replace"), "Windows-1252"


def _parse(text, path, notes):
    """Cells of a CSV text as a DataFrame of words, and the character between them."""
    import pandas as pd

    first, _, rest = text.partition("\n")
    if first.strip().lower().startswith("sep="):  # Excel's own
        delimiter, text = first.strip()[4:5] or "\t", rest
    else:
        delimiter = _delimiter(text)
    try:
        table = pd.read_csv(
            io.StringIO(text),
            sep=delimiter,
            header=None,
            dtype=object,
            keep_default_na=False,
            na_filter=False,
            skipinitialspace=True,
        )
    except ValueError as error:  # pandas' own errors are such, too
        raise CommandError(f"cannot read {path}: {_what_is_wrong(error)}") from None
    table = table.fillna("")  # of lines that are too short
    header, rows = [str(cell).strip() for cell in table.iloc[0]], table.iloc[1:]
    if all(_is_number(name) for name in header):
        notes.append("no header line: columns are named column 1, column 2, ...")
        header, rows = [""] * len(header), table
    if not len(rows):
        raise CommandError(f"{path} has a header and no rows")
    names = [name or f"column {j}" for j, name in enumerate(header, 1)]
    repeated = [name for name, k in Counter(names).items() if k > 1]
    if repeated:
        notes.append(
            "repeated column names, numbered from the second on: " + ", ".join(repeated)
        )
    rows = rows.reset_index(drop=True)
    rows.columns = unique_names(names)
    return rows, delimiter


def _delimiter(text):
    """The character that divides most lines into as many cells as the first one."""
    lines = text[:1_000_000].splitlines()[: _SNIFFED + 1]
    best, most = ",", 0.0
    for delimiter in _DELIMITERS:
        # the last line of the sample may be cut
        try:
            widths = [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
        except csv.Error:  # a cell of more than 128 KiB
            continue
        if len(widths) and widths[0] > 1:
            alike = sum(width == widths[0] for width in widths) / len(widths)
            if alike > most:
                best, most = delimiter, alike
    return best


def _is_number(word):
    try:
        float(word)
    except ValueError:
        return False
    return True


def _what_is_wrong(error):
    """An error of pandas' parser, in words of the file."""
    text = _one_line(error)
    counts = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", text)
    if counts:
        expected, line, seen = counts.groups()
        return f"line {line} has {seen} cells, and those before it {expected}"
    if "EOF inside string" in text:
        return "a quotation mark is opened and never closed"
    return text


def _one_line(error):
    return " ".join(str(error).split())
