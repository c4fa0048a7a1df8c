"""What the command writes runs in no spreadsheet and on no terminal."""

import csv
import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skdsm.command.explaining import Reason, reasons_of
from skdsm.command.modelling import Ranked
from skdsm.command.writing import harmless, printable, ranking_text, write_ranking


@pytest.mark.parametrize(
    "cell",
    [
        "=1+1",
        "+cmd|' /C calc'!A0",
        "-2+3",
        "@SUM(A1)",
        "\tx",
        "\rx",
        "\nx",
        " =1",
        "+",
        "-a",
    ],
)
def test_formulas_become_text(cell):
    assert harmless(cell) == f"'{cell}"


@pytest.mark.parametrize(
    "cell",
    [
        "-5",
        "+5",
        "-1,5",
        "-1.234,5",
        "-.5",
        "-1e-5",
        "- ",
        "",
        "5 %",
        "-5%",
        "a-b",
        "x=1",
    ],
)
def test_numbers_and_other_text_stay(cell):
    assert harmless(cell) == (f"'{cell}" if cell == "- " else cell)


@given(st.text())
def test_no_cell_begins_a_formula_unless_it_is_a_number(cell):
    written = harmless(cell)
    assert written in (cell, f"'{cell}")
    if written[:1] and written[0] in "=+-@\t\r\n":
        float(
            written.strip()
            .rstrip("%")
            .translate({ord(c): None for c in ",. \u00a0\u202f"})
        )


def test_control_characters_do_not_reach_a_terminal():
    assert printable("a\x1b[2Jb\n") == "a\ufffd[2Jb\ufffd"
    assert len(printable("x" * 1000)) == 40


RANKED = Ranked(
    order=np.array([2, 0, 1]),
    anomaly_score=np.array([-1.0, -2.0, 3.0]),
    p_values=np.array([0.5, 1.0, 0.25]),
    contributions=None,
)
CELLS = pd.DataFrame({"rank": ["a", "b", "=c"], "size": ["1", "2", "-3"]})
REASONS = [[Reason("rank", 0.75, "=c", "a, b"), Reason("size", 0.25, "-3", "1 to 2")]]


def test_rows_are_written_in_order_with_their_cells():
    file = io.StringIO()
    write_ranking(file, RANKED, CELLS, REASONS)
    rows = list(csv.DictReader(io.StringIO(file.getvalue())))
    assert [row["row"] for row in rows] == ["3", "1", "2"]
    assert [row["unusual"] for row in rows] == ["yes", "no", "no"]
    assert rows[0] == {
        "rank": "1",
        "row": "3",
        "anomaly_score": "3",
        "p_value": "0.25",
        "unusual": "yes",
        "columns": "rank 75%; size 25%",
        "rank (2)": "'=c",
        "size": "-3",
    }


def test_text_names_columns_to_blame():
    assert ranking_text(RANKED, REASONS).splitlines() == [
        "  1. row 3: anomaly score 3, p-value 0.25",
        "      75%  rank = =c  usually a, b",
        "      25%  size = -3  usually 1 to 2",
    ]


def test_reasons_are_the_largest_shares():
    shares = pd.Series({"a": 1.0, "b": 6.0, "c": 0.1, "d": 2.9})
    cells, typical = dict.fromkeys("abcd", "x"), dict.fromkeys("abcd", "y")
    reasons = reasons_of(shares, cells, typical)
    assert [(r.column, r.share) for r in reasons] == [
        ("b", 0.6),
        ("d", 0.29),
        ("a", 0.1),
    ]
    assert reasons_of(shares * 0, cells, typical) == []
