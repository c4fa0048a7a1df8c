"""
======================================
Samples, and log-densities of new rows
======================================

A fitted model is a density: rows can be drawn from it, and with its partition function
its log-density can be compared with the log-densities of
:class:`~sklearn.neighbors.KernelDensity` and
:class:`~sklearn.mixture.GaussianMixture`. Its held-out mean also chooses ``sigma``, as
``score`` does, without labels.
"""

# %%
# Rows along a spiral
# -------------------
# Half of them are held out.

import matplotlib.pyplot as plt
import numpy as np

rng = np.random.default_rng(0)


def spiral(t):
    return 2.5 * t[:, None] * np.column_stack([np.cos(9.4 * t), np.sin(9.4 * t)])


X = spiral(np.sqrt(rng.uniform(0.05, 1, size=3000)))
X += 0.15 * rng.standard_normal(X.shape)
train, test = X[:1500], X[1500:]

# %%
# What generated them is known, and so is the best that any model can reach: the mean
# log-density of held-out rows under the truth, here by a fine sum along the spiral.

along = spiral(np.sqrt(np.linspace(0.05, 1, 2000)))
square = ((test[:, None] - along) ** 2).sum(axis=2)
density = np.exp(-0.5 * square / 0.15**2).mean(axis=1) / (2 * np.pi * 0.15**2)
best = np.log(density).mean()

# %%
# Choosing sigma, by two criteria
# -------------------------------
# ``score`` is minus the implicit score matching loss: it compares gradients, where
# there are rows. The mean of ``log_density`` compares densities, everywhere.

from skdsm import DenoisingScoreMatcher

sigmas = [0.05, 0.1, 0.15, 0.2, 0.3, 0.5]
models = [
    DenoisingScoreMatcher(sigma=sigma, gains="learned", random_state=0).fit(train)
    for sigma in sigmas
]
scores = [model.score(test) for model in models]
log_densities = [model.log_density(test).mean() for model in models]

figure, left = plt.subplots(figsize=(6, 3.5), layout="constrained")
left.plot(sigmas, log_densities, "o-", color="C0")
left.axhline(best, color="0.6", linewidth=1)
left.annotate("the truth", (sigmas[-1], best), ha="right", va="top", color="0.4")
left.set_xlabel("sigma")
left.set_ylabel("mean log-density (nats)", color="C0")
right = left.twinx()
right.plot(sigmas, scores, "s--", color="C1")
right.set_ylabel("score: minus implicit loss", color="C1")
left.set_title("Held-out rows")

for sigma, score, value in zip(sigmas, scores, log_densities, strict=True):
    print(f"sigma {sigma:4.2f}   score {score:9.1f}   log-density {value:6.2f}")
chosen = models[int(np.argmax(log_densities))]

# %%
# Comparison with scikit-learn's density estimates
# ------------------------------------------------
# The bandwidth is chosen by cross-validation, the number of components by the Bayesian
# information criterion. In the plane, where rows are dense, all three come near the
# truth. The model also gives a score, a denoiser and features, and a query costs the
# same however many rows it was fitted to.

from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity

kernel = GridSearchCV(KernelDensity(), {"bandwidth": np.geomspace(0.03, 0.5, 12)})
kernel.fit(train)
mixtures = [
    GaussianMixture(k, random_state=0).fit(train) for k in (4, 8, 16, 24, 32, 48)
]
mixture = min(mixtures, key=lambda model: model.bic(train))

held_out = {
    "the truth": best,
    f"DenoisingScoreMatcher, sigma={chosen.sigma:g}": chosen.log_density(test).mean(),
    f"KernelDensity, {kernel.best_params_['bandwidth']:.2g}": kernel.score(test) / 1500,
    f"GaussianMixture, {mixture.n_components}": mixture.score(test),
}
for name, value in held_out.items():
    print(f"{name:40s} {value:6.2f} nats")

# %%
# Samples
# -------
# Drawn by parallel tempering, whose levels are linked by steps of Hamiltonian Monte
# Carlo. The histograms are the marginals.

from skdsm.display import SamplesDisplay

SamplesDisplay.from_estimator(chosen, test, n_samples=1500, random_state=0)
plt.show()
