"""Mixed tables: does TableEncoder suit the model, and is the right column to blame?

Tables of unlabelled rows with a few anomalies, behind TableEncoder. Three are data of
scikit-learn in which half of the columns, chosen at random, became five categories
of equal width each (three for the digits): tumours (5 % malignant), wine (7 % of
another cultivar) and digits (0 to 3, with 5 % of eights). The fourth is generated:
orders with prices, weights, categories, dates and text codes, of which 2 % have one
cell that does not go with the others. For these the script also counts how often
`column_contributions` puts that column first.

"plain" is the usual encoding by hand: StandardScaler for numbers, OneHotEncoder for the
rest, which here leaves out the date and the code.
"""

import argparse
import warnings

import numpy as np
import pandas as pd
from common import describe_machine
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skdsm import DenoisingScoreMatcher
from skdsm.tables import TableEncoder, column_contributions

PRODUCTS = {  # price, weight, share
    "tea": (6, 0.2, 0.3),
    "coffee": (9, 0.5, 0.3),
    "cup": (12, 0.4, 0.2),
    "pot": (35, 1.2, 0.1),
    "grinder": (80, 2, 0.08),
    "machine": (600, 12, 0.02),
}
CARRIERS = {"DE": "dhl", "FR": "laposte", "IT": "poste", "PL": "inpost"}
CARRIERS |= {"SE": "postnord"}


def binned(load, normal, odd, rate, n_bins, seed):
    """Table of numbers and categories, and whether each row is an anomaly."""
    rng = np.random.default_rng(seed)
    X, target = load(return_X_y=True)
    usual, unusual = (np.flatnonzero(np.isin(target, c)) for c in (normal, odd))
    unusual = rng.choice(unusual, int(rate * len(usual)), replace=False)
    rows = rng.permutation(np.concatenate([usual, unusual]))
    table = pd.DataFrame(X[rows]).add_prefix("column ")
    table = table.loc[:, table.nunique() > n_bins]
    for name in rng.permutation(table.columns)[: table.shape[1] // 2]:
        words = list("abcde")[:n_bins]
        table[name] = pd.cut(table[name], n_bins, labels=words).astype(str)
    return table, np.isin(rows, unusual), None


def orders(seed, n_rows=3000, rate=0.02):
    """Orders, whether each is an anomaly, and the column that was changed."""
    rng = np.random.default_rng(seed)
    prices, weights, shares = np.array(list(PRODUCTS.values())).T
    kind = rng.choice(len(PRODUCTS), n_rows, p=shares)
    country = rng.choice(list(CARRIERS), n_rows, p=[0.5, 0.2, 0.15, 0.1, 0.05])
    quantity = rng.poisson(2, n_rows) + 1
    by_country = pd.Series(country).map(CARRIERS)
    minutes = 60 * np.clip(rng.normal(14, 2, n_rows), 7, 21)
    start = pd.Timestamp("2024-01-01")
    days = pd.to_timedelta(rng.integers(0, 365, n_rows), unit="D")
    table = pd.DataFrame(
        {
            "order_id": rng.permutation(n_rows),
            "product": np.array(list(PRODUCTS))[kind],
            "price": prices[kind] * rng.lognormal(0, 0.15, n_rows),
            "quantity": quantity,
            "weight": quantity * weights[kind] * rng.lognormal(0, 0.1, n_rows),
            "country": country,
            "carrier": by_country.where(rng.random(n_rows) < 0.9, "ups"),
            "when": start + days + pd.to_timedelta(minutes.astype(int), unit="min"),
            "code": [f"AB-{j:05d}" for j in rng.integers(0, 99_999, n_rows)],
            "currency": "EUR",
        }
    )
    changed = pd.Series(None, index=table.index, dtype=object)
    odd = rng.choice(n_rows, int(rate * n_rows), replace=False)
    columns = ["price", "weight", "product", "carrier", "when", "code"]
    for row, name in zip(odd, np.resize(columns, len(odd)), strict=True):
        cell = table.loc[row, name]
        if name in ("price", "weight"):
            cell *= rng.choice([0.1, 10.0])
        elif name == "product":
            cell = rng.choice([word for word in PRODUCTS if word != cell])
        elif name == "carrier":
            of_others = set(CARRIERS.values()) - {cell, CARRIERS[country[row]]}
            cell = rng.choice(sorted(of_others))
        elif name == "when":
            cell = cell.normalize() + pd.Timedelta(hours=3)
        else:
            cell = rng.choice(["?", "AB12345", "AB-12-34"])
        table.loc[row, name] = cell
        changed[row] = name
    return table, changed.notna().to_numpy(), changed


TABLES = {
    "tumours": lambda seed: binned(load_breast_cancer, [1], [0], 0.05, 5, seed),
    "wine": lambda seed: binned(load_wine, [0, 1], [2], 0.07, 5, seed),
    "digits": lambda seed: binned(load_digits, [0, 1, 2, 3], [8], 0.05, 3, seed),
    "orders": orders,
}


def plain_encoder():
    return make_column_transformer(
        (StandardScaler(), make_column_selector(dtype_include="number")),
        (
            OneHotEncoder(handle_unknown="ignore", sparse_output=False),
            make_column_selector(dtype_include=["object", "str"]),
        ),
    )


def measure(seed):
    for name, make in TABLES.items():
        table, is_odd, changed = make(seed)
        by_hand = table.drop(columns=["order_id", "code", "currency"], errors="ignore")
        matcher = DenoisingScoreMatcher(random_state=seed)
        forest = IsolationForest(random_state=seed)
        models = {
            "skdsm": (make_pipeline(TableEncoder(), matcher), table),
            "skdsm, plain": (make_pipeline(plain_encoder(), matcher), by_hand),
            "IsolationForest": (make_pipeline(TableEncoder(), forest), table),
            "IsolationForest, plain": (make_pipeline(plain_encoder(), forest), by_hand),
        }
        for of, (model, rows) in models.items():
            scores = model.fit(rows).score_samples(rows)
            yield name, of, roc_auc_score(is_odd, -scores)
            if of == "skdsm" and changed is not None:
                blamed = column_contributions(model, rows[is_odd]).idxmax(axis=1)
                yield "blame", "first", (blamed == changed[is_odd]).mean()
                odd = np.argsort(scores)[: is_odd.sum()]
                found = odd[is_odd[odd]]
                blamed = column_contributions(model, rows.iloc[found]).idxmax(axis=1)
                yield (
                    "blame",
                    "first, of those found",
                    (blamed == changed.iloc[found]).mean(),
                )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    args = parser.parse_args()
    describe_machine()
    warnings.simplefilter("error")
    measured = [row for seed in range(args.seeds) for row in measure(seed)]
    results = pd.DataFrame(measured, columns=["table", "model", "value"])
    groups = results.groupby(["table", "model"], sort=False)["value"]
    means, errors = groups.mean(), groups.std() / np.sqrt(args.seeds)
    print(f"ROC AUC, mean of {args.seeds} seeds and its standard error\n")
    models = [model for table, model in means.index if table == "tumours"]
    print(f"{'':24}{''.join(f'{table:>16}' for table in TABLES)}{'mean':>8}")
    for model in models:
        cells = [
            f"{means[table, model]:.3f} ± {errors[table, model]:.3f}"
            for table in TABLES
        ]
        mean = np.mean([means[table, model] for table in TABLES])
        print(f"{model:24}{''.join(f'{cell:>16}' for cell in cells)}{mean:8.3f}")
    print("\nThe column that was changed has the largest contribution")
    print(f"  in {means['blame', 'first']:.0%} of the anomalies of orders;")
    found = means["blame", "first, of those found"]
    print(f"  in {found:.0%} of those among as many top rows as there are anomalies.")


if __name__ == "__main__":
    main()
