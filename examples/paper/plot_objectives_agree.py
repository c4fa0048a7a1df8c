r"""
Three objectives, one gradient
==============================

Vincent (2011) showed that three ways to fit a score field agree. They fit the score of
the model to the score of the Parzen density :math:`q_\sigma` of the training rows:

- *explicit* score matching compares the two scores. This needs a sum over all training
  rows for each corrupted row;
- *implicit* score matching needs the divergence of the model's score, and no target;
- *denoising* score matching needs the way back from a corrupted row to the clean row.

In expectation they differ by constants that do not depend on the model, so all three
have the same gradient. Here we draw corrupted rows and compare.
"""

# %%
# The three objectives
# --------------------
# :mod:`skdsm.training.objectives` has them all. Each returns a value and a gradient.

from typing import NamedTuple

import numpy as np
from sklearn.datasets import make_moons
from sklearn.preprocessing import StandardScaler

from skdsm import DenoisingScoreMatcher
from skdsm.model.energy import EnergyModel
from skdsm.model.parameters import Parameters
from skdsm.model.parzen import parzen_score
from skdsm.training.objectives import (
    denoising_score_matching,
    explicit_score_matching,
    implicit_score_matching,
)

X, _ = make_moons(200, noise=0.08, random_state=0)
X = StandardScaler().fit_transform(X)
rng = np.random.default_rng(0)


class Draws(NamedTuple):
    clean: np.ndarray
    noisy: np.ndarray
    score: np.ndarray


def draw(n_draws, sigma):
    clean = X[rng.integers(len(X), size=n_draws)]
    noisy = clean + sigma * rng.standard_normal(clean.shape)
    return Draws(clean, noisy, parzen_score(noisy, X, sigma))


objectives = {
    "denoising": lambda model, draws: denoising_score_matching(
        model, draws.clean, draws.noisy
    ),
    "explicit": lambda model, draws: explicit_score_matching(
        model, draws.noisy, draws.score
    ),
    "implicit": lambda model, draws: implicit_score_matching(model, draws.noisy),
}

# %%
# They differ by constants
# ------------------------
# The objectives are functions of all the parameters. We follow them on a straight line
# through the parameters of a fitted model, in a random direction. What the theorem says
# about the differences:
#
# - denoising less implicit is :math:`d / (2 \sigma^2)` for :math:`d` features;
# - denoising less explicit is that, less half the mean square of the Parzen score's
#   norm.

sigmas = [0.3, 0.5, 1.0]
steps = np.linspace(-1, 1, 21)
direction = 0.2 * rng.standard_normal(16 * 2 + 16 + 2 + 16)
fitted, values, constants = {}, {}, {}
for sigma in sigmas:
    matcher = DenoisingScoreMatcher(16, sigma=sigma, gains="unit", random_state=0)
    matcher.fit(X)
    fitted[sigma] = Parameters(
        matcher.components_,
        matcher.intercept_hidden_,
        matcher.intercept_visible_,
        matcher.gains_,
    ).pack()
    draws = draw(50_000, sigma)
    models = [
        EnergyModel(Parameters.unpack(vector, 16, 2), sigma)
        for vector in fitted[sigma] + sigma * np.outer(steps, direction)
    ]
    values[sigma] = {
        name: np.array([objective(model, draws)[0] for model in models])
        for name, objective in objectives.items()
    }
    implicit = X.shape[1] / (2 * sigma**2)
    explicit = implicit - 0.5 * np.mean(np.sum(draws.score**2, axis=1))
    constants[sigma] = {"denoising": 0.0, "explicit": explicit, "implicit": implicit}

print("denoising less         theory      on the line, from      to")
for sigma in sigmas:
    for name in ("explicit", "implicit"):
        difference = values[sigma]["denoising"] - values[sigma][name]
        print(
            f"sigma={sigma}  {name}{constants[sigma][name]:12.3f}"
            f"{difference.min():22.3f}{difference.max():8.3f}"
        )

# %%
# They have one gradient
# ----------------------
# On finitely many draws the gradients differ, by chance. How far is each from the exact
# one, at the fitted parameters, as draws are added? In place of the exact gradient
# there is the explicit one on 300,000 draws.

sizes = np.array([100, 300, 1000, 3000, 10_000])
distances = {(sigma, name): [] for sigma in sigmas for name in objectives}
for sigma in sigmas:
    model = EnergyModel(Parameters.unpack(fitted[sigma], 16, 2), sigma)
    exact = objectives["explicit"](model, draw(300_000, sigma))[1].pack()
    for size in sizes:
        repetitions = [draw(size, sigma) for _ in range(60_000 // size)]
        for name, objective in objectives.items():
            squares = [
                np.sum((objective(model, draws)[1].pack() - exact) ** 2)
                for draws in repetitions
            ]
            distances[sigma, name].append(np.sqrt(np.mean(squares)))

print("distance to the exact gradient" + "".join(f"{n:>9}" for n in sizes))
for (sigma, name), row in distances.items():
    print(f"{f'sigma={sigma}  {name}':30}" + "".join(f"{d:9.3f}" for d in row))

# %%
# All fall with the square root of the number of draws. The explicit gradient is the
# most exact, as its target is free of noise; and the most expensive, as every draw
# looks at every training row. The other two make up for that by more draws, which are
# cheap.
#
# The picture
# -----------
# Above, the objectives along the line, as they are and with the constants of the
# theorem added. Below, the distance to the exact gradient.

import matplotlib.pyplot as plt

STYLES = {  # colours told apart by colour-blind readers too
    "denoising": {"color": "#0072B2", "lw": 6, "alpha": 0.4},
    "explicit": {"color": "#D55E00", "lw": 2},
    "implicit": {"color": "black", "lw": 2, "ls": (0, (1, 2))},
}

fig, axes = plt.subplots(3, 3, figsize=(8, 7), layout="constrained", sharex="row")
for column, sigma in zip(axes.T, sigmas, strict=True):
    apart, together, gradients = column
    for name, style in STYLES.items():
        value = values[sigma][name]
        apart.plot(steps, value, **style)
        together.plot(steps, value + constants[sigma][name], label=name, **style)
        gradients.loglog(sizes, distances[sigma, name], **style)
    apart.set_title(f"sigma = {sigma}")
    together.set_xlabel("step from the fit")
    gradients.set_xlabel("draws")
    together.set_xticks([-1, 0, 1])
    for ax in column:
        ax.spines[["top", "right"]].set_visible(False)
axes[0, 0].set_ylabel("objectives")
axes[1, 0].set_ylabel("objectives,\nwith constants")
axes[2, 0].set_ylabel("distance to\nthe exact gradient")
fig.legend(
    *axes[1, 0].get_legend_handles_labels(),
    loc="outside upper center",
    ncols=3,
    frameon=False,
)
plt.show()
