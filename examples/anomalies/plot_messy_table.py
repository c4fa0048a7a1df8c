"""
A messy table from start to end
===============================

Orders as a shop exports them: identifiers, categories, amounts, dates, codes, missing
cells, and -1 for an unknown age. Five orders have a cell that does not go with the
others. Which, and which cell?

The same is done by one command: ``skdsm rank orders.csv --report``, see
:ref:`rank_command`.
"""

# %%
# The table
# ---------
# It is generated here. In practice, ``pandas.read_csv`` reads it.

import numpy as np
import pandas as pd

rng = np.random.default_rng(0)
n = 2000
prices = {"tea": 6, "coffee": 9, "cup": 12, "pot": 35, "machine": 600}
carriers = {"DE": "dhl", "FR": "laposte", "IT": "poste"}
product = pd.Series(rng.choice(list(prices), n, p=[0.35, 0.3, 0.2, 0.1, 0.05]))
country = pd.Series(rng.choice(list(carriers), n, p=[0.5, 0.3, 0.2]))
hours = np.clip(rng.normal(14, 2, n), 8, 20)
table = pd.DataFrame(
    {
        "order_id": [f"A{j:05d}" for j in range(n)],
        "product": product,
        "price": (product.map(prices) * rng.lognormal(0, 0.15, n)).round(2),
        "quantity": rng.poisson(2, n) + 1,
        "country": country,
        "carrier": country.map(carriers).where(rng.random(n) < 0.9, "ups"),
        "when": pd.Timestamp("2024-01-01")
        + pd.to_timedelta(rng.integers(0, 365, n), unit="D")
        + pd.to_timedelta((60 * hours).round(), unit="min"),
        "voucher": [f"AB-{j:05d}" for j in rng.integers(0, 99_999, n)],
        "age": np.where(rng.random(n) < 0.03, -1, rng.integers(18, 80, n)),
        "currency": "EUR",
    }
)
table.loc[rng.random(n) < 0.02, ["country", "quantity"]] = None

odd = {100: "price", 200: "product", 300: "carrier", 400: "when", 500: "voucher"}
table.loc[100, "price"] *= 20
table.loc[200, ["product", "price"]] = "machine", 6.5
table.loc[300, ["country", "carrier"]] = "DE", "poste"
table.loc[400, "when"] = pd.Timestamp("2024-06-15 03:10")
table.loc[500, "voucher"] = "AB99812"
table.loc[list(odd)]

# %%
# Encode, and fit
# ---------------
# :class:`~skdsm.tables.TableEncoder` takes the place of the scaler. It finds that -1 is
# not an age.

import warnings

from sklearn.pipeline import make_pipeline

from skdsm import DenoisingScoreMatcher
from skdsm.exceptions import SentinelWarning
from skdsm.tables import TableEncoder

model = make_pipeline(TableEncoder(), DenoisingScoreMatcher(random_state=0))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always", SentinelWarning)
    model.fit(table)
print(*str(caught[0].message).split(". "), sep="\n")

# %%
# What it took each column for, and what it left out:

encoder = model[0]
pd.Series(encoder.kinds_ | encoder.dropped_, name="kind or reason").to_frame()

# %%
# Rank
# ----
# Of 2,000 orders, three of the five are among the first four. The other two are less
# odd: their cells go together less often than others do.

scores = model.score_samples(table)
rank = pd.Series(scores).rank().astype(int)
pd.DataFrame({"changed": odd, "rank": rank[list(odd)]})

# %%
# Which cell is to blame
# ----------------------
# The contributions of the encoded columns, summed for each column of the table. A cell
# that does not go with another one shares the blame with it.

from skdsm.tables import column_contributions

blame = column_contributions(model, table.loc[list(odd)])
blame.div(blame.sum(axis=1), axis=0).round(2)

# %%
# The five most unusual orders and the most normal one, as a picture. Each cell is
# coloured by its share of the blame. Nobody changed the third and the fifth order: six
# machines, and nine coffees, at once are rare too.

import matplotlib.pyplot as plt

lowest = scores.argsort()
shown = table.iloc[[*lowest[:5], lowest[-1]]]
blame = column_contributions(model, shown)
share = blame.div(blame.sum(axis=1), axis=0)
share.iloc[-1] = 0  # of a normal order no cell is to blame
columns = [name for name in share if share[name].max() > 0.25]
formats = {"price": "{:.2f}".format, "quantity": "{:.0f}".format}
formats["when"] = "{:%H:%M}".format


def draw_row(ax, y, name, order, share):
    """Write the cells of an order, coloured by their share of the blame."""
    ax.text(0.45, y, name, ha="right", va="center", color="0.35")
    for x, column in enumerate(columns, 1):
        text = formats.get(column, str)(order[column])
        if share[column] > 0.25:
            text += f"\n{share[column]:.0%}"
        color = plt.colormaps["Oranges"](0.6 * share[column])
        ax.barh(y, 0.96, 0.92, left=x - 0.48, color=color if share[column] else "0.95")
        ax.text(x, y, text, ha="center", va="center", linespacing=1.3)


plt.rcParams["font.size"] = 13
fig, ax = plt.subplots(figsize=(7, 4.7), layout="constrained")
fig.get_layout_engine().set(w_pad=0.12, h_pad=0.12)
for place, (index, order) in enumerate(shown.iterrows()):
    last = place == len(shown) - 1
    name = f"{len(table):,}." if last else f"{place + 1}."
    draw_row(ax, place + 0.4 * last, name, order, share.loc[index])
ax.set(xlim=(0, len(columns) + 0.5), ylim=(place + 0.9, -0.5))
ax.set_xticks(range(1, len(columns) + 1), columns)
ax.xaxis.tick_top()
ax.tick_params(length=0, labelsize=13, labelcolor="0.35")
ax.yaxis.set_visible(False)
ax.spines[:].set_visible(False)
ax.set_title(
    f"The most unusual of {len(table):,} orders, and the cells to blame", pad=12
)
# sphinx_gallery_thumbnail_number = 1
if "__file__" in globals():  # run as a script; the README shows this file
    fig.savefig("ranked_orders.png", dpi=120, pil_kwargs={"optimize": True})
    print("The picture is in ranked_orders.png")
plt.show()

# %%
# Orders that the model would expect
# ----------------------------------
# Samples, in the words of the table. A text code has no inverse: only its shape was
# encoded.

encoder.inverse_transform(model[-1].sample(6, random_state=0))
