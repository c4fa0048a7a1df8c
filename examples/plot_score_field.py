"""
The score field, and why gains help
===================================

The score is the gradient of the log-density: everywhere it points to where rows become
more likely. Denoising score matching fits the model's score to that of the Parzen
density of the training rows, which puts a Gaussian of width ``sigma`` around each of
them (Vincent, 2011). Here are both, on the two half moons.

The Parzen score is a sum over all training rows; the model's, over a few hidden units.
In the paper's model the height of a unit's step and its steepness are one number, the
length of its weight vector. A narrow gap asks for a low but steep step, and that it
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
# Training never computes the Parzen score: it only asks for the way back from corrupted
# rows to clean ones. How much of the Parzen score do the models miss, under noise that
# they have not seen?

from skdsm.parzen import parzen_log_density, parzen_score

X_noisy = X + sigma * np.random.default_rng(0).standard_normal(X.shape)
target = parzen_score(X_noisy, X, sigma)
print("share of the Parzen score's mean square that is missed")
for name, model in models.items():
    difference = model.score_function(X_noisy) - target
    print(f"{name:16} {np.mean(difference**2) / np.mean(target**2):.1%}")

# %%
# The picture
# -----------
# Dark is likely. Arrows go half the way from a point to its reconstruction, which is
# ``sigma**2`` times the score.

import matplotlib.pyplot as plt


def parzen_energy(rows):
    return -parzen_log_density(rows, X, sigma)


x = np.linspace(-2.3, 2.3, 116)
points = np.stack(np.meshgrid(x, x), axis=-1)
starts = points[5::7, 5::7].reshape(-1, 2)
fields = {
    name: (model.energy, model.score_function(starts)) for name, model in models.items()
}
fields["Parzen density"] = (parzen_energy, parzen_score(starts, X, sigma))

levels = [0, 0.5, 1, 1.5, 2, 3, 4, 6, 8]
blues = plt.cm.Blues(np.linspace(0.9, 0, len(levels)))
fig, axes = plt.subplots(ncols=3, figsize=(11, 4), layout="constrained")
for ax, (title, (energy, score)) in zip(axes, fields.items(), strict=True):
    height = energy(points.reshape(-1, 2)).reshape(len(x), len(x))
    height -= height.min()
    ax.contourf(x, x, height, levels=levels, colors=blues, extend="max")
    ax.scatter(*X.T, s=3, color="black", alpha=0.4, linewidths=0)
    step = sigma**2 * score
    ax.quiver(
        *starts.T, *step.T, color="#D55E00", angles="xy", scale_units="xy", scale=2
    )
    ax.set(xlim=x[[0, -1]], ylim=x[[0, -1]], xticks=[], yticks=[], aspect="equal")
    ax.set_title(title, fontsize=13)
plt.show()
