"""What is refused, is refused in every container; the rest is taken as floats."""

from pathlib import Path

import numpy as np
import pytest
from support.quick_fits import assert_same_model, quick
from support.refused import (
    WITH_EXTRAS,
    WITHOUT_EXTRAS,
    N,
    cases,
    dask_array,
    page_table,
)

X = np.random.default_rng(0).standard_normal((N, 2))
PAGE = Path(__file__).parents[2] / "doc" / "user_guide" / "reliability.rst"

# the model was fitted without names
pytestmark = [
    pytest.mark.filterwarnings("ignore:X has feature names:UserWarning"),
    pytest.mark.filterwarnings("ignore:Training did not:UserWarning"),
]


def pytest_generate_tests(metafunc):
    if "case" not in metafunc.fixturenames:
        return
    extras = [] if metafunc.config.getoption("without_extras") else WITH_EXTRAS
    refused = "fitted" in metafunc.fixturenames
    table = cases(WITHOUT_EXTRAS + extras, refused=refused)
    metafunc.parametrize("case", table.values(), ids=table)


@pytest.fixture(scope="module")
def fitted():
    return quick(2, max_iter=3).fit(X)


def beside(column):
    """Rows that may have the column as weights."""
    return dask_array(X) if hasattr(column, "dask") else X


def test_others_than_numbers_are_refused_as_rows_codes_and_weights(case, fitted):
    error, message, _ = case.kind
    table, column = case.table(), case.column()
    with pytest.raises(error, match=message):
        quick(2).fit(table)
    with pytest.raises(error, match=message):
        np.asarray(fitted.score_samples(table))  # lazy, in dask
    with pytest.raises(error, match=message):
        np.asarray(fitted.inverse_transform(table))
    with pytest.raises(error, match=message):
        quick(2).fit(beside(column), sample_weight=column)


def test_numbers_are_taken_as_floats(case):
    table, column = case.table(), case.column()
    values = np.array(np.asarray(table), float)
    model = quick(2, max_iter=3).fit(table, sample_weight=column)
    rows = dask_array(values) if hasattr(table, "dask") else values
    expected = quick(2, max_iter=3).fit(rows, sample_weight=values[:, 1])
    assert_same_model(model, expected)


def test_the_page_says_so():
    assert page_table() in PAGE.read_text()
