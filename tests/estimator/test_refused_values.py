"""What is refused, is refused in every container; the rest is taken as floats."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.utils import check_array
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
    extras = [] if metafunc.config.getoption("without_extras") else WITH_EXTRAS
    for outcome in ("refused", "missing", "floats"):
        if outcome in metafunc.fixturenames:
            table = cases(WITHOUT_EXTRAS + extras, outcome)
            metafunc.parametrize(outcome, table.values(), ids=table)


@pytest.fixture(scope="module")
def fitted():
    return quick(2, max_iter=3).fit(X)


def beside(column):
    """Rows that may have the column as weights."""
    return dask_array(X) if hasattr(column, "dask") else X


def test_others_than_numbers_are_refused_as_rows_codes_and_weights(refused, fitted):
    error, message = refused.kind.error, refused.kind.message
    table, column = refused.table(), refused.column()
    with pytest.raises(error, match=message):
        quick(2).fit(table)
    with pytest.raises(error, match=message):
        np.asarray(fitted.score_samples(table))  # lazy, in dask
    with pytest.raises(error, match=message):
        np.asarray(fitted.inverse_transform(table))
    with pytest.raises(error, match=message):
        quick(2).fit(beside(column), sample_weight=column)


# few rows that are alike: whether noise reaches them is not the point here
@pytest.mark.filterwarnings("ignore::skdsm.exceptions.ScreeningWarning")
def test_missing_cells_are_taken_as_nan_and_refused_as_codes_and_weights(
    missing, fitted
):
    error, message = missing.kind.error, missing.kind.message
    table, column = missing.table(), missing.column()
    rows = check_array(table, dtype=float, ensure_all_finite="allow-nan")
    assert np.isnan(rows).any()
    scores = fitted.score_samples(table)
    np.testing.assert_array_equal(scores, fitted.score_samples(rows))
    assert_same_model(quick(2, max_iter=3).fit(table), quick(2, max_iter=3).fit(rows))
    with pytest.raises(error, match=message):
        fitted.inverse_transform(table)
    with pytest.raises(error, match=message):
        quick(2).fit(X, sample_weight=column)


def test_numbers_are_taken_as_floats(floats):
    table, column = floats.table(), floats.column()
    values = np.array(np.asarray(table), float)
    model = quick(2, max_iter=3).fit(table, sample_weight=column)
    rows = dask_array(values) if hasattr(table, "dask") else values
    expected = quick(2, max_iter=3).fit(rows, sample_weight=values[:, 1])
    assert_same_model(model, expected)


def test_the_page_says_so():
    assert page_table() in PAGE.read_text()
