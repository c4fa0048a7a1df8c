r"""
The paper in sixty lines
========================

Vincent (2011) [1]_ trains an autoencoder to undo Gaussian noise, and shows that this
fits the gradient of a log-density. Here is the whole method with NumPy and SciPy alone:
the energy, the objective with its gradient, the training, and a ranking of unusual
rows. At the end, skdsm computes the same loss and the same gradient.

.. [1] P. Vincent, "A Connection Between Score Matching and Denoising Autoencoders",
   Neural Computation 23(7), 2011. :doi:`10.1162/NECO_a_00142`
"""

# %%
# Rows
# ----
# 300 rows lie near a circle, except the first six: three are inside, three outside.

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit as sigmoid

rng = np.random.default_rng(0)
n, d, m, sigma = 300, 2, 16, 0.3  # rows, features, hidden units, noise level
angle = rng.uniform(0, 2 * np.pi, n)
x = 2 * np.column_stack([np.cos(angle), np.sin(angle)])
x += 0.1 * rng.standard_normal((n, d))
x[:6] = [[0, 0], [1, 0], [-0.5, 1], [3, 0], [-2, 2], [0, -2.8]]

# %%
# The energy and its score
# ------------------------
# The parameters are :math:`\theta = (W, b, c)`. The density is
# :math:`p(x; \theta) \propto e^{-E(x; \theta)}` with the energy
#
# .. math::
#
#    E(x; \theta) = -\frac{1}{\sigma^2} \Bigl( \langle c, x \rangle
#    - \tfrac12 \lVert x \rVert^2
#    + \sum_{j=1}^m \operatorname{softplus}(\langle W_j, x \rangle + b_j) \Bigr).
#
# The score is the gradient of the log-density. It is the direction in which an
# autoencoder moves a row. Its reconstruction is
# :math:`r(x) = W^\top \operatorname{sigmoid}(W x + b) + c`:
#
# .. math::
#
#    \psi(x; \theta) = -\frac{\partial E(x; \theta)}{\partial x}
#    = \frac{r(x) - x}{\sigma^2} .


def unpack(theta):
    W, b, c = np.split(theta, [m * d, m * d + m])
    return W.reshape(m, d), b, c


def E(x, theta):
    W, b, c = unpack(theta)
    softplus = np.logaddexp(0, x @ W.T + b)
    return -(x @ c - 0.5 * np.sum(x**2, axis=1) + softplus.sum(axis=1)) / sigma**2


def psi(x, theta):
    W, b, c = unpack(theta)
    return (sigmoid(x @ W.T + b) @ W + c - x) / sigma**2


# %%
# Denoising score matching
# ------------------------
# Corrupt each row with noise, :math:`\tilde x = x + \sigma \varepsilon`. Then fit the
# score to the direction that leads back to the clean row:
#
# .. math::
#
#    J_{DSM}(\theta) = \mathbb E \Bigl[ \tfrac12 \Bigl\lVert \psi(\tilde x; \theta)
#    - \frac{x - \tilde x}{\sigma^2} \Bigr\rVert^2 \Bigr]
#    = \frac{1}{2 \sigma^4} \, \mathbb E \lVert r(\tilde x) - x \rVert^2 .
#
# The gradient follows from the chain rule. :math:`W` has two terms, because it is the
# decoder and the encoder.


def J_DSM(theta, x, x_tilde):
    W, b, c = unpack(theta)
    h = sigmoid(x_tilde @ W.T + b)
    error = psi(x_tilde, theta) - (x - x_tilde) / sigma**2
    J = 0.5 * np.mean(np.sum(error**2, axis=1))
    J_r = error / (sigma**2 * len(x))  # derivative with respect to r
    J_u = (J_r @ W.T) * h * (1 - h)  # to W x + b
    J_W = h.T @ J_r + J_u.T @ x_tilde  # decoder, encoder
    return J, np.concatenate([J_W.ravel(), J_u.sum(axis=0), J_r.sum(axis=0)])


# %%
# Training
# --------
# Each row is corrupted twenty times. The noise stays the same while L-BFGS runs, so the
# objective is a smooth function of the parameters.

x_clean = np.repeat(x, 20, axis=0)
x_tilde = x_clean + sigma * rng.standard_normal(x_clean.shape)
start = 0.5 * rng.standard_normal(m * d + m + d)
fit = minimize(J_DSM, start, (x_clean, x_tilde), jac=True, method="L-BFGS-B")
theta = fit.x
print(f"J_DSM: {J_DSM(start, x_clean, x_tilde)[0]:.2f} before, {fit.fun:.2f} after")

# %%
# Ranking
# -------
# Unusual rows have a high energy. The six rows away from the circle come first.

ranking = np.argsort(-E(x, theta))
print("rows with the highest energy:", ranking[:8])

import matplotlib.pyplot as plt

side = np.linspace(-3.5, 3.5, 200)
energy = E(np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, d), theta)
levels = energy.min() + np.arange(0, 32, 2)
plt.contourf(side, side, energy.reshape(200, 200), levels, cmap="Blues", extend="max")
plt.scatter(*x.T, s=8, color="black")
plt.scatter(*x[ranking[:6]].T, s=120, facecolors="none", edgecolors="#D55E00", lw=2)
plt.axis("scaled")
plt.title("The six rows with the highest energy (dark: high)")
plt.show()

# %%
# The same from skdsm
# -------------------
# ``gains="unit"`` is the paper's model. A fitted estimator has parameters of its own;
# with these, and with the noise from above, the code on this page and skdsm have the
# same loss and the same gradient, to rounding.

from skdsm import DenoisingScoreMatcher
from skdsm.model.energy import EnergyModel
from skdsm.model.parameters import Parameters
from skdsm.training.objectives import denoising_score_matching

matcher = DenoisingScoreMatcher(m, sigma=sigma, gains="unit", random_state=0).fit(x)
blocks = matcher.components_, matcher.intercept_hidden_, matcher.intercept_visible_
model = EnergyModel(Parameters(*blocks, gains=np.ones(m)), sigma)
loss, gradient = denoising_score_matching(model, x_clean, x_tilde)
theta = np.concatenate([block.ravel() for block in blocks])
J, J_theta = J_DSM(theta, x_clean, x_tilde)
print(f"loss: {J:.6f}, and {loss:.6f} from skdsm; difference {abs(J - loss):.0e}")
difference = np.abs(J_theta - gradient.pack()[:-m])  # gains are fixed: no derivative
print(f"gradient: largest difference {np.max(difference):.0e}")
