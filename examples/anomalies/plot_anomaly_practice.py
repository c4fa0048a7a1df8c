"""
Ranking anomalies in practice
=============================

From a table to a list of alarms, without a label until the very end: split, scale,
choose sigma, fit, rank, set a threshold at a rate of false alarms, and explain the rows
on top.

The rows are breast tumours, thirty measurements each. Benign ones are normal. Malignant
ones are the anomalies: none of them is seen before the last batch comes in.
"""

# %%
# Split
# -----
# Normal rows are needed twice: to fit the model, and to learn how low the scores of
# normal rows can be. What is left comes in later, as a batch, with anomalies in it. The
# labels of that batch serve only to judge the result.

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

table, target = load_breast_cancer(as_frame=True, return_X_y=True)
normal, malignant = table[target == 1], table[target == 0]
X_train, X_rest = train_test_split(normal, test_size=0.5, random_state=0)
X_calibration, X_normal = train_test_split(X_rest, test_size=0.45, random_state=0)

anomalies = malignant.sample(20, random_state=0)
batch = np.random.default_rng(0).permutation([*X_normal.index, *anomalies.index])
X_batch, y_batch = table.loc[batch], 1 - target.loc[batch]  # 1 marks an anomaly
print(f"{len(X_train)} rows to fit, {len(X_calibration)} to calibrate, a batch of")
print(f"{len(X_batch)}, with {y_batch.sum()} anomalies")

# %%
# Scale, and choose sigma without labels
# --------------------------------------
# The noise level is in the units of the rows that the model sees, so a scaler comes
# first. ``score`` compares models on held-out rows without labels: the search uses it
# by default. It tells which model is nearest to the density of normal rows. (Without a
# search, ``sigma="auto"`` takes the noise levels from the rows: :ref:`choosing_sigma`.)

from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdsm import DenoisingScoreMatcher

search = GridSearchCV(
    make_pipeline(StandardScaler(), DenoisingScoreMatcher(32, random_state=0)),
    {"denoisingscorematcher__sigma": [0.25, 0.5, 1.0]},
    cv=KFold(3, shuffle=True, random_state=0),
).fit(X_train)
model = search.best_estimator_
print(search.best_params_)

# %%
# Rank
# ----
# Low scores come first. With labels, which in practice come late or never, the ranking
# can be judged. The scorer is told which label marks anomalies: ``scoring="roc_auc"``
# would take 1 for the label of high scores, and return one minus the number meant.

from skdsm.scorers import make_outlier_scorer

for metric in ("roc_auc", "average_precision"):
    scorer = make_outlier_scorer(metric, outlier_label=1)
    print(f"{metric:18}{scorer(model, X_batch, y_batch):.3f}")

# %%
# A threshold at a rate of false alarms
# -------------------------------------
# The scores of rows that were held out tell how often a normal row scores as low as a
# new one. The model is fitted already, hence frozen; all rows given calibrate.

from sklearn.frozen import FrozenEstimator

from skdsm.calibration import ConformalOutlierDetector

detector = ConformalOutlierDetector(FrozenEstimator(model), alpha=0.05)
detector.fit(X_calibration)
alarm = detector.predict(X_batch) == -1
print(f"False alarms: {alarm[y_batch == 0].mean():.0%} of the normal rows")
print(f"Detected:     {alarm[y_batch == 1].mean():.0%} of the anomalies")

# %%
# A threshold from the training rows gives more false alarms: the model was fitted to
# these rows, and gives them higher scores than new ones.

naive = model.predict(X_batch) == -1
print(f"False alarms: {naive[y_batch == 0].mean():.0%}, of 10 % asked for")

# %%
# The picture: scores of the batch relative to the conformal threshold.

import matplotlib.pyplot as plt

from skdsm.display import ScoreDistributionDisplay

ScoreDistributionDisplay.from_predictions(
    y_batch.map({0: "benign", 1: "malignant"}),
    detector.score_samples(X_batch),
    threshold=detector.offset_,
    name="score",
)
plt.show()

# %%
# Where a batch is looked at as a whole, the share of false alarms among all alarms may
# matter more than the rate. The procedure of Benjamini and Hochberg bounds it on
# average. It wants small p-values, and with n rows to calibrate none is below
# 1 / (n + 1).

from scipy.stats import false_discovery_control

p = detector.p_values(X_batch)
alarm = false_discovery_control(p) <= 0.1
print(f"smallest p-value {p.min():.3f}, {alarm.sum()} alarms,")
print(f"{np.mean(y_batch[alarm] == 0):.0%} of them false")

# %%
# Explain the top rows
# --------------------
# Which measurements make the twelve lowest rows odd: each line is a row, shared out
# among its features. Those that say least are summed up on the right.

from skdsm.display import FeatureContributionsDisplay

lowest = np.argsort(detector.score_samples(X_batch))[:12]
_, ax = plt.subplots(figsize=(8, 5), layout="constrained")
FeatureContributionsDisplay.from_estimator(
    model, X_batch.iloc[lowest], ax=ax, max_features=14
)
# sphinx_gallery_thumbnail_number = 2
plt.show()

# %%
# The row on top, alone, and how far its three first features are from the mean of the
# training rows, in standard deviations. Measurements that go together share the blame.

top = X_batch.iloc[lowest[:1]]
display = FeatureContributionsDisplay.from_estimator(model, top, max_features=8)
plt.show()

order = np.argsort(-display.contributions[0])[:3]
deviation = model[0].transform(top)[0]
for j in order:
    print(f"{display.feature_names[j]:24}{deviation[j]:+6.1f}")
