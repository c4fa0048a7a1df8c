"""Columns become numbers by their kind, and find their way back."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.ensemble import IsolationForest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import estimator_checks_generator
from support.mixed_tables import orders

from skdsm import DenoisingScoreMatcher
from skdsm.exceptions import SentinelWarning
from skdsm.tables import TableEncoder
from skdsm.tables.kinds import is_identifier_name

TABLE = orders()
KINDS = {
    "product": "category",
    "price": "number",
    "quantity": "number",
    "express": "category",
    "when": "date",
    "code": "text",
}


CHECKS = [
    check
    for _, check in estimator_checks_generator(TableEncoder())
    if check.func.__name__ != "check_array_api_input"  # a table is not a tensor
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.func.__name__)
def test_scikit_learns_checks(check):
    check(TableEncoder())


@pytest.mark.parametrize("how", ["as they are", "as objects", "as polars"])
def test_every_column_has_a_kind_or_a_reason(how):
    table = TABLE
    if how == "as objects":
        table = table.astype(object)
    elif how == "as polars":
        import polars as pl

        table = pl.DataFrame({name: TABLE[name].to_list() for name in TABLE})
    encoder = TableEncoder().fit(table)
    assert encoder.kinds_ == KINDS
    assert encoder.dropped_ == {"order_id": "identifier", "currency": "constant"}


@pytest.mark.parametrize(
    ("name", "cells", "kind"),
    [
        ("amount", np.random.default_rng(0).lognormal(3, 2, 300), "amount"),
        ("pixels", np.arange(300) ** 3 % 17 * (np.arange(300) % 3 == 1), "number"),
        ("degrees", np.random.default_rng(0).normal(0, 9, 300), "number"),
        ("flag", np.arange(300) % 2, "category"),
        ("shop_id", np.arange(300) % 7, "category"),  # repeats: no identifier
        ("answer", ["yes", None, "no"] * 100, "category"),
        ("some", pd.array([1, None, 3] * 100, dtype="Int64"), "category"),
        ("day", pd.date_range("2024", periods=300, tz="Europe/Berlin"), "date"),
        ("size", pd.Categorical(["S", "M", "L"] * 100), "category"),
    ],
)
def test_kinds(name, cells, kind):
    table = pd.DataFrame({name: cells, "other": np.random.default_rng(1).random(300)})
    encoder = TableEncoder().fit(table)
    assert encoder.kinds_[name] == kind
    assert np.isfinite(encoder.transform(table.dropna())).all()


@pytest.mark.parametrize(
    ("name", "cells", "reason"),
    [
        ("empty", [None] * 300, "empty"),
        ("constant", [7.0] * 299 + [None], "constant"),
        ("customerId", np.arange(300) * 7 % 300, "identifier"),
        ("line", np.arange(300), "row number"),
    ],
)
def test_columns_that_say_nothing_are_left_out(name, cells, reason):
    table = pd.DataFrame({name: cells, "other": np.random.default_rng(1).random(300)})
    encoder = TableEncoder().fit(table)
    assert encoder.dropped_.get(name) == reason
    assert encoder.get_feature_names_out().tolist()[-1] == "other"


@pytest.mark.parametrize(
    "name", ["id", "ID", "order_id", "customerId", "row id", "uuid"]
)
def test_names_of_identifiers(name):
    assert is_identifier_name(name)


@pytest.mark.parametrize("name", ["paid", "grid", "idea", "humid", "price", "monkey"])
def test_names_of_other_columns(name):
    assert not is_identifier_name(name)


def test_kinds_can_be_chosen():
    kinds = {"order_id": "text", "quantity": "category", "price": "drop"}
    encoder = TableEncoder(kinds=kinds).fit(TABLE)
    assert encoder.kinds_["order_id"] == "text"
    assert encoder.kinds_["quantity"] == "category"
    assert encoder.dropped_ == {"price": "asked", "currency": "constant"}


def test_numbers_are_standardised_and_categories_half_so():
    Z = TableEncoder().fit_transform(TABLE)
    encoder = TableEncoder().fit(TABLE)
    names = list(encoder.get_feature_names_out())
    price = TABLE["price"]
    expected = (price - price.mean()) / price.std(ddof=0)
    np.testing.assert_allclose(Z[:, names.index("price")], expected)
    is_tea = (TABLE["product"] == "tea").to_numpy(float)
    expected = (is_tea - is_tea.mean()) / np.sqrt(is_tea.std())
    np.testing.assert_allclose(Z[:, names.index("product_tea")], expected)


def test_words_that_do_not_repeat_are_text_in_small_tables_too():
    table = pd.DataFrame({"name": list("abcdefgh"), "size": [1, 2, 3, 4, 5, 6, 7, 9]})
    assert TableEncoder().fit(table).kinds_["name"] == "text"


def test_rare_and_new_categories_have_zeros():
    rows = pd.DataFrame({"word": ["a"] * 150 + ["b"] * 149 + ["rare"]})
    encoder = TableEncoder().fit(rows)
    asked = pd.DataFrame({"word": ["rare", "new", "a"]})
    rare, new, a = encoder.transform(asked)
    assert encoder.get_feature_names_out().tolist() == ["word_a", "word_b"]
    np.testing.assert_array_equal(rare, new)
    assert encoder.inverse_transform([rare, a])["word"].isna().tolist() == [True, False]


def test_amounts_are_on_a_logarithmic_scale():
    amounts = np.random.default_rng(0).lognormal(3, 2, 500)
    rows = pd.DataFrame({"amount": np.append(amounts, [0, 0])})
    encoder = TableEncoder().fit(rows)
    unit = np.quantile(amounts, 0.05)
    logarithm = np.arcsinh(rows["amount"].to_numpy() / unit)
    expected = (logarithm - logarithm.mean()) / logarithm.std()
    np.testing.assert_allclose(encoder.transform(rows)[:, 0], expected)
    back = encoder.inverse_transform(encoder.transform(rows))
    np.testing.assert_allclose(back, rows, rtol=1e-9, atol=1e-9)


def test_dates_show_their_cycles_and_time_may_go_on():
    days = pd.date_range("2021-01-01 00:00", "2024-01-01", freq="7h")
    encoder = TableEncoder().fit(pd.DataFrame({"t": days}))
    cycles = [
        n
        for c in ("time of day", "weekday", "time of year")
        for n in (f"t_{c} (cos)", f"t_{c} (sin)")
    ]
    assert encoder.get_feature_names_out().tolist() == ["t", *cycles]
    asked = pd.DataFrame(
        {"t": pd.to_datetime(["2023-06-05 12:00", "2024-06-03 12:00"])}
    )
    noon, later = encoder.transform(asked)
    scaler = encoder.transformer_.named_transformers_["date t"].scaler_
    points = scaler.inverse_transform([noon, later])
    np.testing.assert_allclose(points[0, 1:3], [-1, 0], atol=1e-9)  # twelve o'clock
    variances = encoder.transform(pd.DataFrame({"t": days})).var(axis=0)
    np.testing.assert_allclose(variances, [1, *[0.5] * 6])
    np.testing.assert_allclose(noon[1:5], later[1:5], atol=1e-9)  # both a Monday
    assert later[0] == encoder.transform(pd.DataFrame({"t": days[-1:]}))[0, 0]
    assert encoder.inverse_transform([noon])["t"][0] == asked["t"][0]
    midnights = pd.DataFrame({"t": pd.date_range("2021-01-01", periods=9)})
    assert TableEncoder().fit_transform(midnights).shape == (9, 1)


def test_odd_codes_stand_out_among_codes_of_one_shape():
    encoder = TableEncoder().fit(TABLE)
    odd = TABLE.head(3).assign(code=["AB-1234", "<script>", "AB1234"])
    own = encoder.column_of_feature_ == "code"
    usual, script, dashless = np.abs(encoder.transform(odd)[:, own]).max(axis=1)
    assert usual < 1
    assert min(script, dashless) > 3


def test_missing_cells_are_missing_in_all_columns_of_theirs_and_in_no_other():
    encoder = TableEncoder().fit(TABLE)
    complete = encoder.transform(TABLE)
    for name in KINDS:
        holes = TABLE.astype({name: object})
        holes.loc[5, name] = None
        Z = encoder.transform(holes)
        own = encoder.column_of_feature_ == name
        assert np.isnan(Z[5, own]).all()
        Z[5, own] = complete[5, own]
        np.testing.assert_array_equal(Z, complete)
    fitted_with_holes = TableEncoder().fit(holes).transform(holes)
    assert np.isnan(fitted_with_holes).sum() == np.isnan(encoder.transform(holes)).sum()


def test_sentinels_are_named_and_missing_or_kept():
    table = TABLE.assign(
        age=np.where(np.arange(240) % 20, 20 + np.arange(240) % 50, -1)
    )
    with pytest.warns(SentinelWarning, match=r"treated as missing.*'age': -1"):
        encoder = TableEncoder().fit(table)
    assert encoder.sentinels_ == {"age": [-1]}
    own = encoder.column_of_feature_ == "age"
    np.testing.assert_array_equal(
        np.isnan(encoder.transform(table)[:, own])[:, 0], table["age"] == -1
    )
    with pytest.warns(SentinelWarning, match="kept"):
        kept = TableEncoder(sentinels="keep").fit_transform(table)
    assert not np.isnan(kept).any()
    dates = TABLE.assign(
        when=TABLE["when"].mask(np.arange(240) < 5, pd.Timestamp(1900, 1, 1))
    )
    with pytest.warns(SentinelWarning, match="'when': 1900-01-01"):
        encoder = TableEncoder().fit(dates)
    assert np.isnan(encoder.transform(dates)).any(axis=1).sum() == 5


def test_decoded_rows_are_those_encoded():
    encoder = TableEncoder().fit(TABLE)
    back = encoder.inverse_transform(encoder.transform(TABLE))
    assert list(back) == list(KINDS)
    for name in ("product", "express"):
        assert back[name].tolist() == TABLE[name].astype(str).tolist()
    np.testing.assert_allclose(back["price"], TABLE["price"])
    assert (back["when"] == TABLE["when"]).all()
    assert back["code"].isna().all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.assign(price=np.inf), "'price' of input X contains infinity"),
        (lambda t: t.assign(price="dear"), "'price' is to hold .* 'number'"),
        (lambda t: t.assign(when="soon"), "'when' is to hold .* 'date'"),
        (lambda t: t.drop(columns="price"), "price"),
        (lambda t: t.rename(columns={"price": "code"}), "same name.*code"),
        (lambda t: t.head(0), "0 sample"),
    ],
)
def test_tables_of_another_form_are_refused(change, message):
    encoder = TableEncoder().fit(TABLE)
    with pytest.raises(ValueError, match=message):
        encoder.transform(change(TABLE))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"kinds": {"prize": "number"}}, "does not have.*prize"),
        ({"kinds": {"price": "float"}}, "must be among"),
        ({"kinds": {"product": "number"}}, "'product' is to hold"),
        ({"kinds": dict.fromkeys(TABLE, "drop")}, "No column is left"),
        ({"min_frequency": 0.0}, "min_frequency"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        TableEncoder(**parameters).fit(TABLE)


def test_a_search_over_the_encoder_and_the_model():
    model = make_pipeline(TableEncoder(), DenoisingScoreMatcher(8, random_state=0))
    grid = {
        "tableencoder__min_frequency": [1, 0.1],
        "denoisingscorematcher__sigma": [0.5],
    }
    search = GridSearchCV(clone(model), grid, cv=2).fit(TABLE)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_other_detectors_take_its_rows():
    forest = make_pipeline(TableEncoder(), IsolationForest(random_state=0)).fit(TABLE)
    assert forest.score_samples(TABLE).shape == (len(TABLE),)
