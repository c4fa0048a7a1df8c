"""Codes for missing values are told from values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skdsm.tables.sentinels import find_sentinels

AGES = np.tile(np.arange(18, 80), 3)
COUNTS = np.tile(np.arange(12), 5)


@pytest.mark.parametrize(
    ("values", "codes"),
    [
        (np.append(AGES, [9999] * 5), [9999]),
        (np.append(AGES, [-1] * 5), [-1]),
        (np.append(AGES, [-999, 999] * 3), [-999, 999]),
        (np.append(COUNTS, [-1] * 9), [-1]),
        (np.append(AGES / 7, [-1] * 3), [-1]),
        (np.append(AGES - 50, [-999] * 3), [-999]),
    ],
)
def test_usual_codes_are_found(values, codes):
    assert find_sentinels(values.astype(float)).tolist() == codes


@pytest.mark.parametrize(
    "values",
    [
        np.append(AGES, [9999] * 2),  # an anomaly may come twice
        np.append(AGES, [5000] * 9),  # no usual code
        np.append(AGES, [99] * 5),  # nor far from 79
        np.append(AGES - 50, [-1] * 9),  # others are negative too
        np.repeat([-1, 0, 1], 9),  # an answer: no, undecided, yes
        np.append(COUNTS, [-1] * 3),  # less frequent than 0: degrees, for instance
        np.arange(10_000),  # 999 and 9999 are among their neighbours
    ],
)
def test_values_are_no_codes(values):
    assert not len(find_sentinels(values.astype(float)))


def test_dates_have_codes_of_their_own():
    days = np.datetime64("2024-01-01", "us") + np.arange(60) * np.timedelta64(1, "D")
    first, last = np.datetime64("1900-01-01"), np.datetime64("9999-12-31")
    found = find_sentinels(np.concatenate([days, [first] * 3, [last] * 4]))
    assert found.tolist() == [
        first.astype("M8[us]").item(),
        last.astype("M8[us]").item(),
    ]
    assert not len(find_sentinels(np.concatenate([days, [first] * 2])))


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60))
def test_codes_are_repeated_cells_and_their_order_does_not_matter(values):
    values = np.array(values)
    codes = find_sentinels(values)
    assert all((values == code).sum() >= 3 for code in codes)
    assert np.array_equal(codes, find_sentinels(values[::-1]))
