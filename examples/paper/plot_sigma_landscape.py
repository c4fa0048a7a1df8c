"""
What sigma does to the landscape
================================

``sigma`` is the level of the noise that training removes, and the width of the
Gaussians in the Parzen density that the energy is fitted to: detail finer than
``sigma`` is blurred, on purpose. Here is what that means for two half moons and for a
ring.
"""

# %%
# Data and models
# ---------------
# Both data sets are scaled to unit variance. ``sigma`` runs from the thickness of a
# moon to the size of the whole. ``score`` on rows that were held out says, without
# labels, how near the model's score field is to the score field of the density that the
# rows come from: higher is nearer.

import numpy as np
from sklearn.datasets import make_moons
from sklearn.preprocessing import StandardScaler

from skdsm import DenoisingScoreMatcher

rng = np.random.default_rng(0)
angle = rng.uniform(0, 2 * np.pi, 2000)
ring = np.column_stack([np.cos(angle), np.sin(angle)])
ring += 0.08 * rng.standard_normal(ring.shape)
moons, _ = make_moons(2000, noise=0.08, random_state=0)
data = {
    name: np.split(StandardScaler().fit_transform(X), 2)
    for name, X in {"moons": moons, "ring": ring}.items()
}

sigmas = [0.1, 0.25, 0.5, 1.0]
models = {}
print("held-out score" + "".join(f"{f'sigma={sigma}':>12}" for sigma in sigmas))
for name, (X, X_held_out) in data.items():
    for sigma in sigmas:
        matcher = DenoisingScoreMatcher(
            64,
            sigma=sigma,
            gains="learned",
            n_corruptions=8,
            contamination=0.02,
            random_state=0,
        )
        models[name, sigma] = matcher.fit(X)
    scores = [models[name, sigma].score(X_held_out) for sigma in sigmas]
    print(f"{name:14}" + "".join(f"{score:12.2f}" for score in scores))

# %%
# The landscapes
# --------------
# Dark is likely. Beyond the orange line, the frontier, rows are outliers: two in a
# hundred of the training rows, by the choice of ``contamination``.

import matplotlib.pyplot as plt

from skdsm.display import EnergyDisplay, ScoreFieldDisplay

levels = [0, 0.5, 1, 2, 5, 10, 20, 50]


def draw_all(display, **kwargs):
    fig, axes = plt.subplots(2, 4, figsize=(8, 4.4), layout="constrained")
    for row, (name, (X, _)) in zip(axes, data.items(), strict=True):
        for ax, sigma in zip(row, sigmas, strict=True):
            shown = display.from_estimator(
                models[name, sigma],
                X,
                ax=ax,
                margin=0.25,
                levels=levels,
                scatter_kw={"s": 3, "alpha": 0.5},
                legend=False,
                colorbar=False,
                **kwargs,
            )
            ax.set(xlabel="", ylabel="", xticks=[], yticks=[])
            ax.set_title(f"sigma = {sigma}")
    bar = fig.colorbar(shown.contour_, ax=axes, format="%g", aspect=35)
    bar.set_label("nats above the lowest")


draw_all(EnergyDisplay)
plt.show()

# %%
# A large ``sigma`` fills the ring in and melts the moons into one. With a small one the
# landscape follows the rows. How much higher is the middle of the ring than the ring?

for sigma in sigmas:
    model, (X, _) = models["ring", sigma], data["ring"]
    (height,) = model.energy([[0, 0]]) - np.median(model.energy(X))
    (label,) = model.predict([[0, 0]])
    print(f"sigma={sigma:<6}{height:6.1f} nats  {'outlier' if label < 0 else 'inlier'}")

# %%
# The learned score and the Parzen density
# ----------------------------------------
# Arrows show the model's score; the background now is the Parzen density of the rows,
# whose score it is trained to match. For a large ``sigma`` that is a smooth, easy task.
# For a small one it has sharp ridges, and noise of that level does not reach the empty
# space between them. What the energy is there, and how high one ridge is against
# another, is then a guess. So the moons have their best held-out score at the smallest
# ``sigma``, although its outliers gather at an inner tip, which is a normal part of a
# moon.

draw_all(ScoreFieldDisplay, n_arrows=13)
plt.show()
