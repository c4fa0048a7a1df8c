"""
The score field, and why gains help
===================================

The score is the gradient of the log-density: everywhere it points to where rows become
more likely. Denoising score matching fits the model's score to the score of the
Parzen density of the training rows, which puts a Gaussian of width ``sigma`` around
each of them (Vincent, 2011). Here are both, on the two half moons.

The Parzen score is a sum over all training rows; the model's, over a few hidden units.
In the paper's model the height of a unit's step and its steepness are one number, the
length of its weight vector. A narrow gap needs a low but steep step, which such a unit
cannot have. With ``gains="learned"`` every unit has a height of its own.
"""

# %%
# Fit the models
# --------------

import numpy as np
from sklearn.datasets import make_moons
from sklearn.preprocessing import StandardScaler

from skdsm import DenoisingScoreMatcher

X, _ = make_moons(1000, noise=0.08, random_state=0)
X = StandardScaler().fit_transform(X)
sigma = 0.3
models = {
    f"gains={gains!r}": DenoisingScoreMatcher(
        64, sigma=sigma, gains=gains, random_state=0
    ).fit(X)
    for gains in ("unit", "learned")
}

# %%
# Compare the fields
# ------------------
# Training never computes the Parzen score: it only needs corrupted rows and clean ones.
# How much of the Parzen score do the models miss, under noise that they have not seen?

from skdsm.model.parzen import parzen_score

X_noisy = X + sigma * np.random.default_rng(0).standard_normal(X.shape)
target = parzen_score(X_noisy, X, sigma)
print("share of the Parzen score's mean square that is missed")
for name, model in models.items():
    difference = model.score_function(X_noisy) - target
    print(f"{name:16} {np.mean(difference**2) / np.mean(target**2):.1%}")

# %%
# The picture
# -----------
# Dark is likely. Arrows go a third of the way from a point to its reconstruction, which
# is ``sigma**2`` times the score.

import matplotlib.pyplot as plt

from skdsm.display import ScoreFieldDisplay

fig, axes = plt.subplots(ncols=3, figsize=(8, 3), layout="constrained")
options = {
    "levels": [0, 0.5, 1, 1.5, 2, 3, 4, 6, 8],
    "scatter_kw": {"s": 3},
    "arrow_kw": {"scale": 3},
    "legend": False,
    "colorbar": False,
}
for ax, (name, model) in zip(axes, models.items(), strict=False):
    ScoreFieldDisplay.from_estimator(model, X, background="energy", ax=ax, **options)
    ax.set_title(name)
ScoreFieldDisplay.from_parzen(X, sigma, ax=axes[-1], **options)
axes[-1].set_title("Parzen density")
for ax in axes:
    ax.set(xlabel="", ylabel="", xticks=[], yticks=[], aspect="equal")
plt.show()
