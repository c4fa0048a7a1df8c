"""
Placeholders such as 999999
===========================

In many tables a number such as 999999 stands for "missing". One such cell makes a row
that is far from all others, and a detector has to call it unusual. This example shows
why that is hard for an energy that is learned, and what
:class:`~skdsm.DenoisingScoreMatcher` does about it: rows that noise cannot reach do not
shape the model (:ref:`screening`).
"""

# %%
# The data
# --------
# 5,000 rows of four independent normal columns. One cell is absurd. The scaler divides
# its column by a standard deviation that this cell alone has made: the other rows are
# then a point, as seen in that column.

import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdsm import DenoisingScoreMatcher

X = np.random.default_rng(1).standard_normal((5000, 4))
X[0, 0] = 999_999

# %%
# Two fits
# --------
# The first trains on all rows. The second leaves out rows that noise cannot reach,
# which is the default. Both score all rows.

fits = {}
for screening in (False, True):
    matcher = DenoisingScoreMatcher(random_state=0, screening=screening)
    fits[screening] = make_pipeline(StandardScaler(), matcher).fit(X)
    scores = fits[screening].score_samples(X)
    place = 1 + np.count_nonzero(scores < scores[0])
    print(f"screening={screening!s:5}  place of the row: {place:4} of {len(X)}")

print(f"left out of training: {fits[True][-1].screened_share_:.2%} of the rows")

# %%
# The energy on the way to the row
# --------------------------------
# Let one cell of an ordinary row grow from 1,000 to 999999. Between the rows and the
# absurd one, no corrupted row ever comes. A model that was trained on all rows has a
# deep well at the end of the way. Nothing in the loss says how deep: near the far row
# the loss sees the slope of the energy only. Here the well is so deep that the far row
# is the most normal row of all. The model that has not seen the row has learned nothing
# there, and its energy goes on growing, as ``|x|**2 / (2 sigma**2)`` does.

import matplotlib.pyplot as plt

cell = np.geomspace(1e3, 999_999, 400)
way = np.zeros((len(cell), 4))
way[:, 0] = cell

fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
looks = {
    False: ("#E69F00", "--", "trained on all rows"),
    True: ("#0072B2", "-", "default"),
}
for screening, (color, line, label) in looks.items():
    energy = -fits[screening].score_samples(way)
    rows = -fits[screening].score_samples(X[1:])
    ax.plot(cell, energy - np.median(rows), line, color=color, lw=2, label=label)
ax.axhline(0, color="0.6", lw=1)
ax.text(1e3, 0.3, "median of the rows", color="0.35", va="bottom", fontsize=11)
ax.set(xscale="log")
ax.set_yscale("symlog", linthresh=10)
ax.tick_params(labelsize=11)
ax.set_xlabel("value of the cell", fontsize=12)
ax.set_ylabel("energy above the median row", fontsize=12)
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False, fontsize=12)
plt.show()
