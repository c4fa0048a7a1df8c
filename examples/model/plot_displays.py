"""
Pictures of a fitted model
==========================

A tour of :mod:`skdsm.display`. The rows are breast tumours, described by four
measurements. The model, the paper's with its one noise level, knows benign ones only;
malignant ones are the anomalies.

Each display takes the pipeline as it is, scaler included, and the names of the features
from the table.
"""

# %%
# Fit a model
# -----------

from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdsm import DenoisingScoreMatcher

table, target = load_breast_cancer(as_frame=True, return_X_y=True)
X = table[["mean texture", "mean area", "mean smoothness", "mean concavity"]]
y = target.map({0: "malignant", 1: "benign"})
X_train, X_held_out, y_train, y_held_out = train_test_split(X, y, random_state=0)
X_train = X_train[y_train == "benign"]

matcher = DenoisingScoreMatcher(
    32, sigma=0.5, gains="unit", contamination=0.05, random_state=0
)
model = make_pipeline(StandardScaler(), matcher).fit(X_train)

# %%
# Did training converge?
# ----------------------
# Noise is drawn anew for each stage, so the loss may jump from one to the next. It
# should have come to rest within the last ones.

import matplotlib.pyplot as plt

from skdsm.display import LossCurveDisplay

LossCurveDisplay.from_estimator(model)
plt.show()

# %%
# Do the scores separate anomalies?
# ---------------------------------
# Scores of rows that were held out, relative to the threshold. Below it rows are
# predicted to be outliers: on the shaded side.

from skdsm.display import ScoreDistributionDisplay

ScoreDistributionDisplay.from_estimator(model, X_held_out, y_held_out)
plt.show()

for label in ("benign", "malignant"):
    is_outlier = model.predict(X_held_out[y_held_out == label]) < 0
    print(f"{label:10}{is_outlier.mean():5.0%} of {len(is_outlier)} called outliers")

# %%
# Which rows are normal to the model?
# -----------------------------------
# The energy as a function of two of the measurements, where the other two are at their
# median. Rows are marked by what the model makes of all four: a row that lies within
# the frontier of this slice may be an outlier because of the other two.

from skdsm.display import EnergyDisplay

features = ("mean area", "mean concavity")
EnergyDisplay.from_estimator(model, X_held_out, features=features)
# sphinx_gallery_thumbnail_number = 3
plt.show()

others = X_held_out.drop(columns=list(features)).median()
seems_normal = model.predict(X_held_out.assign(**others)) > 0
is_outlier = model.predict(X_held_out) < 0
inside = is_outlier & seems_normal
print(f"{inside.sum()} of {is_outlier.sum()} outliers lie within the frontier")

# %%
# There is an island of inliers far from all others. Which training rows cause it?

print(X_train.nlargest(3, "mean concavity").to_string(index=False))

# %%
# Where does the denoiser move rows?
# ----------------------------------
# The denoiser moves rows to where they are more probable. Arrows are drawn over the
# Parzen density of the training rows, which the model was fitted to, and which has a
# hill for every row that lies apart.

from skdsm.display import ScoreFieldDisplay

ScoreFieldDisplay.from_estimator(model, X_train, features=features)
plt.show()

# %%
# Do samples look like the rows?
# ------------------------------
# If so, rows drawn from the model look like the training rows. Many do, but some lie
# where no row is: noise of one level reaches some places only, and elsewhere the energy
# is a guess. The warning says so.

from skdsm.display import SamplesDisplay

SamplesDisplay.from_estimator(model, X_train, random_state=0)
plt.show()

# %%
# With a range of levels, up to a few standard deviations, training reaches all places.

from sklearn.base import clone

wide = clone(model).set_params(denoisingscorematcher__sigma=(0.5, 3.0)).fit(X_train)
SamplesDisplay.from_estimator(wide, X_train, random_state=0)
plt.show()
