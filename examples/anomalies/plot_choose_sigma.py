"""
Choosing sigma without labels
=============================

``score`` is minus the implicit score matching loss of held-out rows. It estimates,
without labels and without the normalising constant, how far the model's score field is
from the score field of the density that the rows come from: the Fisher divergence, up
to a constant. So a grid search can choose the noise level ``sigma`` and the number of
hidden units.

Here the rows come from a mixture of three Gaussians. Its score is known, so we can look
at the true Fisher divergence and see how good the choice is.
"""

# %%
# The data
# --------
# The search sees 300 rows. The larger sample and the true score serve to judge it.

import numpy as np
from scipy.stats import multivariate_normal

means = np.array([[-2, 0], [1, 1.6], [1.2, -1.4]])
covariances = np.array(
    [[[0.4, 0], [0, 0.9]], [[0.9, 0.4], [0.4, 0.4]], [[0.5, -0.2], [-0.2, 0.25]]]
)
components = [
    multivariate_normal(mean, covariance)
    for mean, covariance in zip(means, covariances, strict=True)
]


def draw(n_samples, rng):
    component = rng.integers(3, size=n_samples)
    roots = np.linalg.cholesky(covariances)[component]
    noise = rng.standard_normal((n_samples, 2, 1))
    return means[component] + (roots @ noise)[..., 0]


def true_energy(X):
    return -np.log(np.mean([component.pdf(X) for component in components], axis=0))


def true_score(X):
    density = np.array([component.pdf(X) for component in components])
    towards_mean = [
        np.linalg.solve(covariance, (mean - X).T).T
        for mean, covariance in zip(means, covariances, strict=True)
    ]
    return np.einsum("kn,kni->ni", density / density.sum(axis=0), towards_mean)


rng = np.random.default_rng(0)
X, X_many = draw(300, rng), draw(20_000, rng)

# %%
# The default
# -----------
# With ``sigma="auto"`` nothing is searched for. Training at a noise level fits the
# Parzen density of that bandwidth, and so the lowest level is the bandwidth with which
# each row is most likely under the density of the others (:ref:`sigma_auto`). The curve
# is that likelihood, computed here from its definition; the line is the level that the
# model found.

import matplotlib.pyplot as plt
from scipy.spatial.distance import cdist
from scipy.special import logsumexp

from skdsm import DenoisingScoreMatcher

distance = cdist(X, X, "sqeuclidean")
np.fill_diagonal(distance, np.inf)  # a row says nothing about itself
levels = np.geomspace(0.05, 2, 100)
likelihood = [
    np.mean(logsumexp(-distance / (2 * tau**2), axis=1))
    - np.log((len(X) - 1) * 2 * np.pi * tau**2)
    for tau in levels
]
low, high = DenoisingScoreMatcher(random_state=0).fit(X).noise_levels_
print(f"greatest likelihood at {levels[np.argmax(likelihood)]:.2f}")
print(f"the model's noise levels: {low:.2f} to {high:.2f}")

fig, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
ax.plot(levels, likelihood, color="#0072B2", lw=2)
ax.axvline(low, color="0.4", ls="--", label="found by the model")
ax.set(xscale="log", ylim=(max(likelihood) - 1.2, max(likelihood) + 0.1))
ax.set_xticks([0.05, 0.1, 0.2, 0.5, 1, 2], ["0.05", "0.1", "0.2", "0.5", "1", "2"])
ax.minorticks_off()
ax.tick_params(labelsize=12)
ax.set_xlabel("bandwidth tau", fontsize=13)
ax.set_ylabel("log-density of a row\nunder the others", fontsize=13)
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False, fontsize=12)
plt.show()

# %%
# The search
# ----------
# ``GridSearchCV`` uses the model's own ``score`` unless told otherwise. It is written
# out here because the true divergence is recorded beside it, for the same models. The
# divergence does not influence the choice. The model lives in the units of the scaled
# rows, and so must the true score: where rows are divided by a scale, the score is
# multiplied by it.

from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def held_out_score(model, X, y=None):
    return model.score(X)


def minus_fisher_divergence(model, X, y=None):
    scaler, matcher = model[0], model[-1]
    psi = matcher.score_function(scaler.transform(X_many))
    difference = psi - true_score(X_many) * scaler.scale_
    return -0.5 * np.mean(np.sum(difference**2, axis=1))


sigmas = np.geomspace(0.05, 1.6, 11)
sizes = [4, 16, 64]
search = GridSearchCV(
    make_pipeline(StandardScaler(), DenoisingScoreMatcher(random_state=0)),
    {
        "denoisingscorematcher__n_components": sizes,
        "denoisingscorematcher__sigma": sigmas,
    },
    cv=KFold(5, shuffle=True, random_state=0),
    scoring={"score": held_out_score, "truth": minus_fisher_divergence},
    refit="score",
).fit(X)

table = search.cv_results_
estimate = -table["mean_test_score"].reshape(len(sizes), len(sigmas))
truth = -table["mean_test_truth"].reshape(len(sizes), len(sigmas))
chosen = np.unravel_index(estimate.argmin(), estimate.shape)
best = np.unravel_index(truth.argmin(), truth.shape)

for name, (row, column) in {"chosen": chosen, "best": best}.items():
    print(
        f"{name:7} n_components={sizes[row]:<3} sigma={sigmas[column]:.2f}   "
        f"true Fisher divergence {truth[row, column]:.2f}"
    )
print(f"worst{'':37}{truth.max():.2f}")

# %%
# The picture
# -----------
# Above, the rows on the true energy, and on the energies of models with too small a
# ``sigma``, the chosen one, and too large a one. The contours are at equal heights
# above the lowest. With a small ``sigma`` the model learns little except where single
# rows lie. A large one blurs the three groups into one.
#
# Below, the true Fisher divergence of every model, and its estimate by ``score`` from
# held-out rows. The constant between the two, half the mean squared norm of the true
# score, is added so that both fit one axis; in practice nobody knows it, and nobody
# needs it. Three hundred rows are few: the estimate is off, but nearly alike for all
# models near the best, and so the choice is good.

from sklearn.base import clone

COLORS = ["#E69F00", "#0072B2", "#009E73"]  # told apart by colour-blind readers too

x = np.linspace(-4.5, 4.5, 150)
grid = np.stack(np.meshgrid(x, x), axis=-1).reshape(-1, 2)
panels = {"truth": true_energy(grid)}
for sigma in (0.05, search.best_params_["denoisingscorematcher__sigma"], 1.13):
    model = clone(search.best_estimator_)
    model.set_params(denoisingscorematcher__sigma=sigma).fit(X)
    panels[f"sigma = {sigma:.2f}"] = -model.score_samples(grid)

fig = plt.figure(figsize=(8, 6.6), layout="constrained")
upper, lower = fig.subfigures(nrows=2, height_ratios=[1, 1.2])
for ax, (title, energy) in zip(upper.subplots(1, 4), panels.items(), strict=True):
    height = (energy - energy.min()).reshape(len(x), len(x))
    ax.contourf(x, x, height, levels=range(8), cmap="Blues_r", extend="max")
    ax.scatter(*X.T, s=3, color="black", alpha=0.5, linewidths=0)
    ax.set(xticks=[], yticks=[], aspect="equal")
    ax.set_title(title, fontsize=13)

constant = 0.5 * np.mean(
    np.sum((true_score(X_many) * search.best_estimator_[0].scale_) ** 2, axis=1)
)
ax = lower.subplots()
for size, color, true, estimated in zip(sizes, COLORS, truth, estimate, strict=True):
    ax.plot(sigmas, true, color=color, lw=2, label=f"{size} hidden units")
    ax.plot(sigmas, estimated + constant, "o", color=color)
ax.plot([], [], color="0.4", lw=2, label="truth")
ax.plot([], [], "o", color="0.4", label="estimate from held-out rows")
ax.plot(sigmas[chosen[1]], truth[chosen], "*", ms=20, color="black", label="chosen")
ax.set(xscale="log", yscale="log", ylim=(1.3, 30))
ax.set_xticks(sigmas[::2], [f"{sigma:.2g}" for sigma in sigmas[::2]])
ax.set_yticks([2, 5, 10, 20], ["2", "5", "10", "20"])
ax.minorticks_off()
ax.tick_params(labelsize=12)
ax.set_xlabel("sigma, in units of the scaled rows", fontsize=13)
ax.set_ylabel("Fisher divergence", fontsize=13)
ax.spines[["top", "right"]].set_visible(False)
ax.legend(loc="upper right", fontsize=12, frameon=False)
plt.show()
